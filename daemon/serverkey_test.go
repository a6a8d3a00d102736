package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/secretfile"
)

// TestAKeyThatCannotBeReadIsNotCalledMissing, because an operator who is told
// that no key is set looks in the wrong place.
func TestAKeyThatCannotBeReadIsNotCalledMissing(t *testing.T) {
	for name, c := range map[string]struct{ key, says, saysNot string }{
		"unreadable": {`secret_server_key = "./empty"`, "could not be read", "no secret_server_key is set"},
		"none":       {"", "no secret_server_key is set", "could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(secretfile.Directory, "")
			w := newLiveDaemon(t, nil)
			text, err := os.ReadFile(filepath.Join(w.dir, "neonauthd.toml"))
			if err != nil {
				t.Fatal(err)
			}
			w.write("empty", "")
			w.write("neonauthd.toml", strings.Replace(string(text), `secret_server_key = "./server-key"`, c.key, 1))
			if err := w.daemon.Reload(); err != nil {
				t.Fatal(err)
			}
			if unreadable := strings.Contains(w.daemon.status(), "profiles fail: main (misconfigured: the server key could not be read"); unreadable != (name == "unreadable") {
				t.Errorf("before anybody asks the status is %q", w.daemon.status())
			}
			if reply := w.dial().Ask("PROFILE %s", w.token()); head(reply) != "ERR misconfigured" {
				t.Errorf("reply %q", reply)
			}
			if log := w.log.String(); !strings.Contains(log, c.says) || strings.Contains(log, c.saysNot) {
				t.Errorf("the log says\n%s", log)
			}
		})
	}
}

// TestAReloadSaysThatAKeyCannotBeReadAnyMore: the project goes on with the key that it has,
// but an operator who withdraws that key at the upstream has to know it.
func TestAReloadSaysThatAKeyCannotBeReadAnyMore(t *testing.T) {
	w := newLiveDaemon(t, nil)
	said := func() int { return strings.Count(w.log.String(), "server key cannot be read any more") }
	if err := w.daemon.Reload(); err != nil || said() != 0 {
		t.Fatalf("a reload without a change: %v, said %d times", err, said())
	}
	if err := os.Remove(filepath.Join(w.dir, "server-key")); err != nil {
		t.Fatal(err)
	}
	if err := w.daemon.Reload(); err != nil || said() != 1 {
		t.Errorf("a reload without the key's file: %v, said %d times", err, said())
	}
	if reply := w.dial().Ask("PROFILE %s", w.token()); !strings.HasPrefix(reply, "OK level=profile") {
		t.Errorf("reply %.100q", reply)
	}
}
