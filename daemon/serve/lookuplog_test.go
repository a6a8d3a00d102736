package serve

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestAHitAllocatesNothing, with an access log or without one: the log does its
// work elsewhere.
func TestAHitAllocatesNothing(t *testing.T) {
	k := newHarness(t, nil)
	token := k.token("ada")
	if v := k.ask(k.claims(token)); v.Status() != protocol.OK {
		t.Fatal(v.Outcome)
	}
	log, err := accesslog.New(accesslog.Options{Destination: "file:" + filepath.Join(t.TempDir(), "log"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	line := []byte("VERIFY " + token)
	for name, accessLog := range map[string]*accesslog.Log{"off": nil, "on": log} {
		k.server.accessLog = accessLog
		c := k.server.register(sink{}, sockets.Credentials{UID: 1, GID: 1}, false)
		c.adopt(k.terms)
		if n := testing.AllocsPerRun(100, func() { c.handle(line); c.out.flush() }); n != 0 {
			t.Errorf("with the access log %s a hit allocates %v times", name, n)
		}
		k.server.unregister(c)
	}
	if lost := log.Lost(); lost != 0 {
		t.Errorf("%d lines were lost", lost)
	}
}
