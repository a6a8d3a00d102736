package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestRotationIsNoticedByTokensThatNameNoKey: a signature that the only fitting
// key has not made proves nothing while a newer key may exist.
func TestRotationIsNoticedByTokensThatNameNoKey(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		oidc := &c.Projects[2]
		oidc.Algorithms = []string{"EdDSA"}
		oidc.JWKSCooldown = Duration(100 * time.Millisecond)
	})
	unnamed := standin.TokenSpec{Alg: "EdDSA", RemoveHeader: []string{"kid"}}
	k := w.dial()
	if reply := k.ask("VERIFY project=oidc %s", w.upstream.OIDCToken(unnamed)); !strings.HasPrefix(reply, "OK ") {
		t.Fatal(reply)
	}
	w.upstream.Rotate(standin.OIDC, false)
	if reply := k.ask("VERIFY project=oidc %s", w.upstream.OIDCToken(unnamed)); !strings.HasPrefix(reply, "OK ") {
		t.Errorf("after the rotation: %s", reply)
	}
	w.clock.advance(time.Second)
	unnamed.Forged = true
	if reply := k.ask("VERIFY project=oidc %s", w.upstream.OIDCToken(unnamed)); reply != "NO bad-signature" {
		t.Errorf("forged: %s", reply)
	}
}
