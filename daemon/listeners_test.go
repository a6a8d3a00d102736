package daemon

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/configcheck"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/program"
)

// TestOnlyAUnixSocketTellsWhoAsks: on any other socket each connection would be
// refused.
func TestOnlyAUnixSocketTellsWhoAsks(t *testing.T) {
	for _, name := range []string{socketName, adminName} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := &Listeners{}
		if err := l.adopt(map[string]net.Listener{name: ln}); err == nil || !strings.Contains(err.Error(), "not a Unix socket") {
			t.Errorf("%s: %v", name, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAnAdminSocketForEverybodyIsRefused, because everybody could revoke and purge. An ordinary socket for everybody is a
// choice.
func TestAnAdminSocketForEverybodyIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		mode   os.FileMode
		refuse bool
	}{
		{adminName, 0o666, true},
		{adminName, 0o777, true},
		{adminName, 0o660, false},
		{adminName, 0o600, false},
		{socketName, 0o666, false},
	} {
		dir, err := os.MkdirTemp("/tmp", "s") // everybody can enter it, unlike the folder of a test
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		path := filepath.Join(dir, "s")
		ln, err := net.Listen("unix", path)
		if err := errors.Join(err, os.Chmod(dir, 0o755), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		l := &Listeners{}
		err = l.adopt(map[string]net.Listener{c.name: ln})
		if refused := program.ExitStatus(err) == program.ExitConfig && strings.Contains(err.Error(), "write SocketMode=0600"); refused != c.refuse || !refused && err != nil {
			t.Errorf("%s, mode %#o: %v", c.name, c.mode, err)
		}
		var out bytes.Buffer
		if _, err := configcheck.Run(t.Context(), &out, config.Config{Socket: filepath.Join(dir, "d"), AdminSocket: path, StateDir: dir}, configcheck.Options{}); err != nil {
			t.Error(err)
		}
		if warned := strings.Contains(out.String(), "warn          admin_socket: "+path+" is open to every user"); warned != (c.mode&0o002 != 0) {
			t.Errorf("%s, mode %#o, the check says %q", c.name, c.mode, out.String())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMetricsForTheNetworkAreWarnedAbout(t *testing.T) {
	for address, want := range map[string]int{"127.0.0.1:0": 0, "0.0.0.0:0": 1} {
		w := newLiveDaemon(t, func(c *config.Config) { c.MetricsListen = address })
		e2e.Until(t, "the daemon serves", func() bool { return strings.Contains(w.log.String(), "msg=serving") })
		if n := strings.Count(w.log.String(), "metrics are served to every host"); n != want {
			t.Errorf("%s: warned %d times", address, n)
		}
	}
}
