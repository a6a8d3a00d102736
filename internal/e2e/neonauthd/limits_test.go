package neonauthd_test

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// fill opens n connections that are served, and expects that the next one is
// refused.
func fill(t *testing.T, socket string, n int) []*e2e.Caller {
	t.Helper()
	all := make([]*e2e.Caller, n)
	for i := range all {
		all[i] = e2e.Call(t, socket)
		all[i].Expect(t, "PING", "OK")
	}
	extra := e2e.Call(t, socket)
	e2e.Matches(t, extra.Reply(t), "ERR busy retry-after=[1-9][0-9]*.*")
	extra.AwaitEnd(t)
	return all
}

// readmitted waits until a connection is served again.
func readmitted(t *testing.T, socket string) {
	t.Helper()
	for deadline := time.Now().Add(e2e.Timeout); time.Now().Before(deadline); {
		c, err := e2e.Dial(socket)
		if err != nil {
			continue
		}
		_, _ = c.Conn.Write([]byte("PING\n")) // the connection may be refused
		line, _ := c.Line()
		c.Conn.Close()
		if line == "OK" {
			return
		}
	}
	t.Fatal("no connection is served after others have ended")
}

func TestConnectionsAreCapped(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]string{
		"in all":     "connections = 3\nconnections_per_uid = 100",
		"for a user": "connections = 100\nconnections_per_uid = 3",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := e2e.NewFolder(t)
			e2e.Serve(t, h, e2e.Settings{Limits: limits, Tables: []string{alone}})
			all := fill(t, h.Socket(), 3)
			for _, c := range all {
				c.Expect(t, "PING", "OK")
			}
			all[0].Conn.Close()
			readmitted(t, h.Socket())
			all[1].Expect(t, "PING", "OK")
		})
	}
}

// TestFullOrdinarySocketLeavesTheAdminSocketReachable: an operator has to
// revoke while an application holds all connections.
func TestFullOrdinarySocketLeavesTheAdminSocketReachable(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Limits: "connections = 3\nconnections_per_uid = 3", Tables: []string{c.Project(t, h, standin.Stack)}})
	token, _ := c.User("Ada")
	all := fill(t, h.Socket(), 3)
	all[0].Expect(t, "VERIFY "+token, "OK .*")
	e2e.Call(t, h.AdminSocket()).Expect(t, "REVOKE token "+token, "OK changed=1 .*")
	all[0].Expect(t, "VERIFY "+token, "NO revoked")
}
