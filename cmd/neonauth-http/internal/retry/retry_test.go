package retry

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestOnlyADaemonThatIsAwayIsAskedAgain, until it answers or the time is over.
func TestOnlyADaemonThatIsAwayIsAskedAgain(t *testing.T) {
	other := errors.New("another error")
	for name, c := range map[string]struct {
		errs  []error // of each call; the last one's stays
		calls int
		took  time.Duration
	}{
		"it answers":         {[]error{nil}, 1, 0},
		"it restarts":        {[]error{fmt.Errorf("dial: %w", client.ErrUnreachable), client.ErrBroken, nil}, 3, 2 * time.Second},
		"it answers badly":   {[]error{client.ErrBroken, other}, 2, time.Second},
		"it does not return": {[]error{client.ErrUnreachable}, 10, 9500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
				defer cancel()
				began, calls, last := time.Now(), 0, c.errs[len(c.errs)-1]
				reply, err := Ask(ctx, time.Second, func() (*protocol.Reply, error) {
					calls++
					return &protocol.Reply{}, c.errs[min(calls, len(c.errs))-1]
				})
				if calls != c.calls || !errors.Is(err, last) || time.Since(began) != c.took || (err == nil && reply == nil) {
					t.Errorf("%d calls in %s: %v, %v", calls, time.Since(began), reply, err)
				}
			})
		})
	}
}
