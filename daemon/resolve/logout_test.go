package resolve

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestFewLogoutTokensWaitForKeys, because anybody can make such tokens up. The others are told to come again, and a
// token that names a known key is judged at once.
func TestFewLogoutTokensWaitForKeys(t *testing.T) {
	k := newHarness(t, func(c *config.Config) {
		for i := range c.Projects {
			if p := &c.Projects[i]; p.Preset == "neon" {
				p.LogoutClientIDs = []string{"client"}
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	judge := func(token string) Ending {
		return k.resolver.Logout(ctx, &Lookup{Project: k.project("neon"), Token: []byte(token), MaxAge: -1})
	}
	const made = 32
	told := make(chan Ending, made)
	for n := range made {
		token := k.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Client: "client", Header: map[string]any{"kid": fmt.Sprint("nobody-", n)}})
		go func() { told <- judge(token) }()
	}
	hear := func(n int) {
		t.Helper()
		for range n {
			select {
			case e := <-told:
				if e.Outcome != protocol.Unknown(protocol.CodeKeysPending) {
					t.Errorf("made up: %v", e.Outcome)
				}
			case <-time.After(testTimeout):
				t.Fatal("more of them wait")
			}
		}
	}
	hear(made - MaxLogoutsWaiting)
	if e := judge(k.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Client: "client"})); e.Status() != protocol.OK {
		t.Errorf("a token of a known key: %v", e.Outcome)
	}
	if n := len(told); n > 0 {
		t.Errorf("%d less than %d wait", n, MaxLogoutsWaiting)
	}
	cancel()
	hear(MaxLogoutsWaiting)
}
