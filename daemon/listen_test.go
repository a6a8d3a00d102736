package daemon

import (
	"net"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/internal/e2e"
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

func TestMetricsForTheNetworkAreWarnedAbout(t *testing.T) {
	for address, want := range map[string]int{"127.0.0.1:0": 0, "0.0.0.0:0": 1} {
		w := newLiveDaemon(t, func(c *config.Config) { c.MetricsListen = address })
		e2e.Until(t, "the daemon serves", func() bool { return strings.Contains(w.log.String(), "msg=serving") })
		if n := strings.Count(w.log.String(), "metrics are served to every host"); n != want {
			t.Errorf("%s: warned %d times", address, n)
		}
	}
}
