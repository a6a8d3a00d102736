package daemon

import (
	"testing"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestBoundsOfOneThingAgree where the packages may not import each other, so that neither
// bound can be defined by the other.
func TestBoundsOfOneThingAgree(t *testing.T) {
	for what, bounds := range map[string][2]int64{
		"the reason for a revocation: what a request may have, what the journal keeps": {protocol.MaxReason, revoke.MaxReason},
		"the cache: what may be configured, what it needs":                             {config.MinCacheBytes, cache.MinBytes},
		"Retry-After of an upstream: what a host believes, what its fleet believes":    {int64(upstream.MaxRetryAfter), int64(fleet.MaxPause)},
		"a profile: what an upstream may answer, what a fleet shares":                  {upstream.MaxProfileBody, fleet.MaxProfile},
		"bits of a stamp below the time: without a fleet, in one":                      {revoke.TieBits, fleet.TieBits},
		"a signed profile: what an upstream may answer, what is verified":              {upstream.MaxProfileBody, keyset.MaxUserinfo},
	} {
		if bounds[0] != bounds[1] {
			t.Errorf("%s: %d and %d", what, bounds[0], bounds[1])
		}
	}
}
