package daemon

import (
	"context"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/protocol"
)

// ended tells those who keep answers what these rest on and is no more: what was
// revoked or purged, here or on another host, or what package resolve has found out.
func (d *Daemon) ended(grounds ...resolve.Ground) {
	var handles []protocol.Handle
	for _, g := range grounds {
		switch g.Kind {
		case revoke.KindPurgeAll:
			d.leases.ForgetAll()
			return
		case revoke.KindPurgeSubject:
			g.Kind = revoke.KindSubject
		default:
		}
		handles = append(handles, serve.HandleOf(d.leases, &g))
	}
	d.leases.Forget(handles...)
}

// settled waits until nobody can use any more what was told to be forgotten.
func (a *admin) settled(ctx context.Context) *serve.Refusal {
	if a.daemon.leases.Settled(ctx) != nil {
		return &serve.Refusal{Code: protocol.CodeUnavailable, Advice: "done, but the daemon stops before every client that keeps answers has said that it has forgotten: for a second more some may be used"}
	}
	return nil
}
