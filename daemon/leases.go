package daemon

import (
	"context"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/protocol"
)

// ended tells clients that keep answers which grounds of the answers have ended: by
// a revocation or a purge, here or on another host, or as package resolve has found.
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

// settled waits until no client can use an answer that was to be forgotten.
func (a *admin) settled(ctx context.Context) *serve.Refusal {
	if a.daemon.leases.Settled(ctx) != nil {
		return &serve.Refusal{Code: protocol.CodeUnavailable, Advice: protocol.TextStopping}
	}
	return nil
}
