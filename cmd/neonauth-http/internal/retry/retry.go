// Package retry asks the daemon across its restart.
package retry

import (
	"context"
	"errors"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/pause"
	"github.com/neonauthd/neonauthd/protocol"
)

// Ask calls ask again, after a pause each time, while the daemon cannot be reached or ends
// before it answers. When ctx ends, Ask returns the last error of ask. What ask asks for
// must do no harm if it is done twice: a daemon may have ended after it did it.
func Ask(ctx context.Context, between time.Duration, ask func() (*protocol.Reply, error)) (*protocol.Reply, error) {
	for {
		reply, err := ask()
		if !errors.Is(err, client.ErrUnreachable) && !errors.Is(err, client.ErrBroken) {
			return reply, err
		}
		if !pause.For(ctx, between) {
			return nil, err
		}
	}
}
