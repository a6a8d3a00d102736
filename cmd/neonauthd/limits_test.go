package main_test

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// fill opens connections that are served, and expects the next to be refused.
func fill(t *testing.T, socket string, n int) []*caller {
	t.Helper()
	all := make([]*caller, n)
	for i := range all {
		all[i] = call(t, socket)
		all[i].expect(t, "PING", "OK")
	}
	extra := call(t, socket)
	matches(t, extra.reply(t), "ERR busy retry-after=[1-9][0-9]*.*")
	extra.awaitEnd(t)
	return all
}

// readmitted waits until a connection is served again.
func readmitted(t *testing.T, socket string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c, err := dial(socket)
		if err != nil {
			continue
		}
		_, _ = c.conn.Write([]byte("PING\n")) // it may be turned away
		line, _ := c.line()
		c.conn.Close()
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
			h := newHome(t)
			serve(t, h, settings{limits: limits, tables: []string{alone}})
			all := fill(t, h.socket(), 3)
			for _, c := range all {
				c.expect(t, "PING", "OK")
			}
			all[0].conn.Close()
			readmitted(t, h.socket())
			all[1].expect(t, "PING", "OK")
		})
	}
}

// TestFullOrdinarySocketLeavesTheAdminSocketReachable is about the operator who
// has to revoke while an application holds every connection.
func TestFullOrdinarySocketLeavesTheAdminSocketReachable(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	serve(t, h, settings{limits: "connections = 3\nconnections_per_uid = 3", tables: []string{c.project(t, h, standin.Stack)}})
	token, _ := c.user("Ada")
	all := fill(t, h.socket(), 3)
	all[0].expect(t, "VERIFY "+token, "OK .*")
	call(t, h.adminSocket()).expect(t, "REVOKE token "+token, "OK changed=1 .*")
	all[0].expect(t, "VERIFY "+token, "NO revoked")
}
