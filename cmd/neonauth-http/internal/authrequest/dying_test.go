package authrequest

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/presence"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestADyingDaemonIsNotAskedAgainAtOnce: for a moment it still takes
// connections, and ends each with the question unanswered.
func TestADyingDaemonIsNotAskedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := time.Now().Add(retryPause / 2)
		serve := func(nc net.Conn) {
			defer nc.Close()
			lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
			line, err := lines.ReadLine()
			var r protocol.Request
			if err != nil || time.Now().Before(dead) || protocol.ParseRequest(line, &r) != nil {
				return
			}
			_, _ = nc.Write([]byte("@" + string(r.Tag) + " NO expired\n"))
		}
		c := &client.Client{Dial: func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			go serve(far)
			return near, nil
		}}
		defer c.Close()
		a := &asker{client: c, daemon: presence.New(c, time.Now, func(error) {}, func(time.Duration) {}), now: time.Now}
		answer := a.ask(t.Context(), &requirement{level: client.LevelClaims}, question{token: "a.b.c"}, time.Now().Add(time.Minute), time.Minute)
		if no, ok := answer.(client.Rejected); !ok || no.Reason != protocol.ReasonExpired {
			t.Errorf("got %v", answer)
		}
	})
}
