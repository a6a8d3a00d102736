package neonauthd_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
	"github.com/neonauthd/neonauthd/protocol/dialogue"
)

// TestDialoguesOfTheProtocolAreTrue plays every dialogue of the contract, one
// after another against one daemon. Each dialogue must leave the daemon as it
// was.
func TestDialoguesOfTheProtocolAreTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../protocol/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	all, err := dialogue.Dialogues(text)
	if err != nil {
		t.Fatal(err)
	}
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack), c.Members()}})
	values := placeholders(c)
	// The dialogues are played twice, so that the second round notices what a
	// dialogue leaves behind.
	for round := range 2 {
		for _, d := range all {
			socket := h.Socket()
			if d.Admin {
				socket = h.AdminSocket()
			}
			peer := e2e.Call(t, socket)
			if err := d.Play(peer.Conn, values); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			peer.Conn.Close()
		}
	}
}

// placeholders are the values of the contract's last table.
func placeholders(c *e2e.Upstream) map[string]string {
	valid, id := c.User("Ada")
	restricted := c.AddUser(standin.User{Name: "Rex", Restricted: true})
	session := standin.TokenSpec{Subject: id, Session: "of-the-dialogue"}
	return map[string]string{
		"VALID":       valid,
		"SUBJECT":     string(protocol.AppendValue(nil, id)),
		"EXPIRED":     c.StackToken(standin.TokenSpec{Subject: id, IssuedAt: time.Now().Add(-time.Hour), Lifetime: time.Minute}),
		"FORGED":      c.StackToken(standin.TokenSpec{Subject: id, Forged: true}),
		"RESTRICTED":  c.StackToken(standin.TokenSpec{Subject: restricted.ID}),
		"UNKNOWN_KEY": c.Strange("nobody-has-it"),
		"ENDED":       c.ResourceToken(standin.Neon, session),
		"LOGOUT":      c.LogoutToken(standin.Neon, session),
		"HUGE":        strings.Repeat("a", protocol.MaxToken+1),
		"LONG":        strings.Repeat("a", protocol.MaxRequestLine),
	}
}
