package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is how long a test waits for something that must happen soon.
const testTimeout = 20 * time.Second

// handClock is a clock that the test sets. advance moves both readings; Step and Sleep
// move them apart.
type handClock struct {
	*clocktest.Clock
	reads *atomic.Int64 // calls of now
}

func newClock() handClock { return handClock{clocktest.New(), new(atomic.Int64)} }

func (c handClock) now() time.Time {
	c.reads.Add(1)
	return c.Now()
}

func (c handClock) advance(d time.Duration) { c.Advance(d) }

// liveDaemon is a daemon with a stand-in upstream, on real sockets, and with a clock
// that the test sets.
type liveDaemon struct {
	t        testing.TB
	clock    handClock
	upstream *standin.Standin
	user     standin.User
	tested   int // calls of users/me by the self-tests
	dir      string
	floor    time.Time // ClockFloor of the next start
	config   config.Config
	log      *e2e.Output
	daemon   *Daemon
	stop     context.CancelFunc
	// admitting is locked by a test while no connection is to be admitted.
	admitting sync.Mutex
	ended     chan error
}

// newLiveDaemon starts a daemon for project "main" of the stand-in. change, if not
// nil, changes the configuration first.
func newLiveDaemon(t testing.TB, change func(*config.Config)) *liveDaemon {
	t.Helper()
	w := &liveDaemon{t: t, clock: newClock(), dir: t.TempDir(), log: &e2e.Output{}}
	// Making sockets sets the umask of the whole process, also for tests that run in
	// parallel. This folder may have been made with that umask.
	if err := os.Chmod(w.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w.upstream = standin.New(standin.Options{Now: w.clock.Right, TokenLifetime: time.Hour})
	server := httptest.NewServer(w.upstream)
	t.Cleanup(server.Close)
	w.upstream.SetBaseURL(server.URL)
	w.user = w.upstream.AddUser(standin.User{Name: "Ada", Email: "ada@example.org", EmailVerified: true})

	w.write("server-key", w.upstream.ServerKey())
	text := fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\n", w.socket(), w.adminSocket(), filepath.Join(w.dir, "state"))
	text += strings.Replace(w.upstream.ConfigBlock(standin.Stack, "./server-key"), `name = "stack"`, `name = "main"`, 1)
	text += w.upstream.ConfigBlock(standin.Neon, "") + w.upstream.ConfigBlock(standin.OIDC, "")
	w.write("neonauthd.toml", text)
	loaded, err := config.Load(filepath.Join(w.dir, "neonauthd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&loaded)
	}
	w.config = loaded
	if slices.ContainsFunc(loaded.Projects, func(p config.Project) bool { return p.Preset == "oidc" }) {
		w.makeOIDCKeys()
	}
	w.start()
	t.Cleanup(w.halt)
	return w
}

func (w *liveDaemon) socket() string      { return filepath.Join(w.dir, "n.sock") }
func (w *liveDaemon) adminSocket() string { return filepath.Join(w.dir, "a.sock") }

func (w *liveDaemon) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// makeOIDCKeys makes the upstream generate the keys of its project "oidc". On a busy
// machine this takes longer than a test waits for an answer.
func (w *liveDaemon) makeOIDCKeys() { get(w.upstream, w.upstream.KeysURL(standin.OIDC)) }

// start runs the daemon until halt.
func (w *liveDaemon) start() {
	w.t.Helper()
	former := w.upstream.Calls(standin.Me)
	w.startTelling(nil)
	if w.config.Projects[0].Preset == "stack" && w.config.Projects[0].SecretServerKey != "" {
		w.tested++
		w.awaitCalls(former + 1 - w.tested) // wait for the self-test of this start, not of an earlier one
	}
}

// startTelling runs the daemon until halt. The daemon tells notify its state.
func (w *liveDaemon) startTelling(notify func(string)) {
	w.t.Helper()
	listeners, err := Listen(&w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	listeners.Ordinary = admitted{listeners.Ordinary, &w.admitting}
	w.daemon, err = New(w.config, Options{
		Version: "test",
		// Most tests need no wait for an earlier run.
		NoFormerRun: true,
		Now:         w.clock.now,
		ClockFloor:  w.floor,
		Logger:      slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Reload:      func() (config.Config, error) { return config.Load(filepath.Join(w.dir, "neonauthd.toml")) },
		Notify:      notify,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.ended = stop, make(chan error, 1)
	go func(d *Daemon) { w.ended <- d.Run(ctx, listeners) }(w.daemon)
}

// admitted is a listener that accepts only while the lock is free.
type admitted struct {
	net.Listener
	lock *sync.Mutex
}

func (a admitted) Accept() (net.Conn, error) {
	nc, err := a.Listener.Accept()
	a.lock.Lock()
	defer a.lock.Unlock()
	return nc, err
}

// calls returns how many lookups have reached users/me.
func (w *liveDaemon) calls() int { return w.upstream.Calls(standin.Me) - w.tested }

// awaitCalls waits until n lookups have reached users/me.
func (w *liveDaemon) awaitCalls(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := w.upstream.AwaitCalls(ctx, standin.Me, n+w.tested); err != nil {
		w.t.Fatal(err)
	}
}

// halt stops the daemon and waits for its end.
func (w *liveDaemon) halt() {
	if w.stop == nil {
		return
	}
	w.stop()
	w.stop = nil
	select {
	case err := <-w.ended:
		if err != nil {
			w.t.Errorf("Run: %v", err)
		}
	case <-time.After(testTimeout):
		w.t.Error("Run did not end")
	}
}

// token returns a fresh access token of the daemon's user.
func (w *liveDaemon) token() string {
	return w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID})
}

// talk is a connection on which each line is answered before the next is sent.
type talk struct{ *e2e.Talk }

func (w *liveDaemon) dial() *talk      { return dial(w.t, w.socket()) }
func (w *liveDaemon) dialAdmin() *talk { return dial(w.t, w.adminSocket()) }

func dial(t testing.TB, socket string) *talk {
	t.Helper()
	return &talk{e2e.NewTalk(t, e2e.Call(t, socket).Conn)}
}

// head returns a reply up to its first field.
func head(reply string) string {
	words := strings.Fields(reply)
	if len(words) > 1 && !strings.Contains(words[1], "=") {
		return words[0] + " " + words[1]
	}
	return words[0]
}
