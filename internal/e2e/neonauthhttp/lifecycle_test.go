package neonauthhttp_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestTheDaemonsRestartCostsNoRequest(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	// The limits are as long as a slow machine may take to start a process. The
	// test shows that a request is held until then.
	w.restartHTTP(t, "restart_patience = \"20s\"\ntimeout = \"25s\"")
	token := bearing(w.token())
	stop, answers := make(chan struct{}), make(chan int, 100)
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	for caller := range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				g := w.ask(t, "/nginx", token)
				mu.Lock()
				counts[g.StatusCode]++
				mu.Unlock()
				select {
				case answers <- caller:
				default:
				}
			}
		})
	}
	for range 3 {
		// One restart may hit a request, but not all of them may.
		for len(answers) > 0 {
			<-answers
		}
		for seen := map[int]int{}; seen[0] < 2 || seen[1] < 2 || seen[2] < 2 || seen[3] < 2; {
			seen[<-answers]++
		}
		w.daemon.Kill(t)
		w.daemon.Rough = true
		w.startDaemon(t)
	}
	for range 100 {
		<-answers
	}
	close(stop)
	wg.Wait()
	if len(counts) != 1 || counts[204] < 100 {
		t.Errorf("statuses: %v", counts)
	}
}

// TestDeathOfTheLogsReaderEndsNeitherServer closes the other end of standard
// error, and then makes the program log something.
func TestDeathOfTheLogsReaderEndsNeitherServer(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	secret := w.write(t, "secret", "whsec_MjQgYnl0ZXMsIGFzIG1hbnkgYXMgU3ZpeCBoYXM=\n")
	hooks := w.write(t, "hooks.toml", fmt.Sprintf("[[project]]\nname = \"main\"\nsecrets = [%q]\n", secret))
	for name, args := range map[string][]string{
		"neonauth-http": {"--socket", w.path("d.sock")},
		"hooks":         {"hooks", "--config", hooks, "--admin-socket", w.path("a.sock")},
	} {
		t.Run(name, func(t *testing.T) {
			read, write, err := os.Pipe()
			e2e.Must(t, err)
			socket := w.path(name + ".sock")
			cmd := exec.Command(e2e.Program("neonauth-http"), append(args, "--listen", "unix:"+socket)...)
			cmd.Stderr = write
			p := e2e.Start(t, w.dir, cmd)
			e2e.Must(t, write.Close())
			p.Await(t, "READY=1")
			e2e.Must(t, read.Close())
			p.Signal(t, syscall.SIGHUP) // both log it
			for range 5 {
				p.AwaitListening(t, "unix", socket)
			}
			p.Signal(t, syscall.SIGHUP)
			p.Signal(t, syscall.SIGTERM)
			if status := p.AwaitEnd(t); status != 0 {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

// While the daemon is away, requests do not pile up.
func TestALongOutageIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	w.restartHTTP(t, `restart_patience = "50ms"`)
	token := bearing(w.token())
	w.daemon.Kill(t)
	for i := range 20 {
		g := w.ask(t, "/nginx", token)
		if g.StatusCode != http.StatusServiceUnavailable || g.reason(t) != reasonDown {
			t.Fatalf("request %d: %s %s", i, g.Status, g.body)
		}
	}
	if g := get(t, "unix", w.path("s.sock"), "/readyz"); g.StatusCode != http.StatusServiceUnavailable {
		t.Error("readyz:", g.Status)
	}
	if g := get(t, "unix", w.path("s.sock"), "/healthz"); g.StatusCode != http.StatusOK {
		t.Error("healthz:", g.Status)
	}
	w.startDaemon(t)
	deadline := time.Now().Add(e2e.Timeout)
	for g := w.ask(t, "/nginx", token); g.StatusCode != http.StatusNoContent; g = w.ask(t, "/nginx", token) {
		if time.Now().After(deadline) {
			t.Fatal("still", g.Status)
		}
	}
	w.http.Stop(t) // its log is complete now
	if n := strings.Count(w.http.Written(), `msg="the daemon is not reachable"`); n < 1 || n > 2 {
		t.Errorf("log: %s", w.http.Written())
	}
}

// Requests in progress at the end are answered.
func TestTheEndWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	release := make(chan struct{})
	w.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: release})
	slow := make(chan got, 1)
	fresh, calls := bearing(w.long(t, "display_name", 1)), w.Calls(standin.Me)
	go func() {
		defer close(slow) // also if there is no answer
		slow <- w.ask(t, "/nginx?level=profile", fresh)
	}()
	if err := w.AwaitCalls(t.Context(), standin.Me, calls+1); err != nil {
		t.Fatal(err)
	}
	w.http.Signal(t, syscall.SIGTERM)
	w.http.Await(t, "STOPPING=1")
	close(release)
	if g := <-slow; g.Response == nil || g.StatusCode != http.StatusNoContent {
		t.Error(g.Response, g.body)
	}
	<-w.http.Ended
	if _, err := os.Stat(w.path("h.sock")); !os.IsNotExist(err) {
		t.Error("the socket is still there:", err)
	}
}

func TestReloadAppliesAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	w.restartHTTP(t, `realm = "first"`)
	realm := func() string {
		g := w.ask(t, "/nginx")
		return g.Header.Get("WWW-Authenticate")
	}
	reload := func(text string) {
		w.write(t, "http.toml", text)
		w.http.Signal(t, syscall.SIGHUP)
		w.http.Await(t, "RELOADING=1\nMONOTONIC_USEC=")
		w.http.Await(t, "READY=1")
	}
	if realm() != `Bearer realm="first"` {
		t.Fatal(realm())
	}
	reload("realm = \"second\"\ntoken_from = [\"nowhere\"]\n")
	if realm() != `Bearer realm="first"` {
		t.Error("half a reload:", realm())
	}
	reload("realm = \"second\"\ntoken_from = [\"header:X-Own\"]\nfields = [\"email\"]\n")
	if realm() != `Bearer realm="second"` {
		t.Error(realm())
	}
	g := w.ask(t, "/nginx", "X-Own: "+w.token())
	if g.StatusCode != http.StatusNoContent || g.Header.Get("Vary") != "X-Own" || g.Header.Get("X-Auth-Email") == "" || g.Header.Get("X-Auth-Name") != "" {
		t.Error(g.Status, g.Header)
	}
	reload("realm = \"third\"\nkeep = 1\nlog_format = \"json\"\n") // to change the last two takes a restart
	if realm() != `Bearer realm="second"` {
		t.Error("half a reload:", realm())
	}
	if m := w.metrics(t); !strings.Contains(m, `reloads_total{result="failed"} 2`) || !strings.Contains(m, `reloads_total{result="done"} 1`) {
		t.Error(m)
	}
	w.http.Stop(t) // its log is complete now
	if !strings.Contains(w.http.Written(), `was not reloaded, the old one holds" error="keep, log_format `+protocol.TextRestart) {
		t.Error("the operator is not told:", w.http.Written())
	}
}

// systemd's sockets are recognised by their names, and are not removed.
func TestInheritedSocketsAreServedByName(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	var files []*os.File
	for _, name := range []string{"i.sock", "is.sock"} {
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: w.path(name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		ln.SetUnlinkOnClose(false)
		file, err := ln.File()
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		defer file.Close()
		files = append(files, file)
	}
	run := func(names string, files ...*os.File) *exec.Cmd {
		// The shell is replaced by the program, so LISTEN_PID is right.
		cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" --socket "$1"`, e2e.Program("neonauth-http"), w.path("d.sock"))
		cmd.Env = append(e2e.Environment(), fmt.Sprintf("LISTEN_FDS=%d", len(files)))
		if names != "" {
			cmd.Env = append(cmd.Env, "LISTEN_FDNAMES="+names)
		}
		cmd.ExtraFiles = files
		return cmd
	}
	if out, err := run("neonauth-http:stranger", files...).CombinedOutput(); err == nil || !strings.Contains(string(out), "stranger") {
		t.Errorf("%v: %s", err, out)
	}
	for names, n := range map[string]int{"neonauth-http:neonauth-http-status": 2, "": 1} { // a single socket needs no name
		cmd := run(names, files[:n]...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if g := get(t, "unix", w.path("i.sock"), "/nginx", bearing(w.token())); g.StatusCode != http.StatusNoContent {
			t.Error(g.Status)
		}
		if n == 2 {
			if g := get(t, "unix", w.path("is.sock"), "/readyz"); g.StatusCode != http.StatusOK {
				t.Error(g.Status)
			}
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("names %q: %v", names, err)
		}
	}
	if _, err := os.Stat(w.path("i.sock")); err != nil {
		t.Error("an inherited socket was removed:", err)
	}
}

func TestReuseIsTrueToTheVerdict(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	soon := w.token(func(spec *standin.TokenSpec) { spec.Lifetime = 20 * time.Second })
	for name, test := range map[string]struct {
		token string
		most  int
	}{
		"long": {w.token(), 60}, "short": {soon, 20},
	} {
		for _, path := range []string{"/nginx", "/nginx?level=profile"} {
			g := w.ask(t, path, bearing(test.token))
			text, ok := strings.CutPrefix(g.Header.Get("Cache-Control"), "private, max-age=")
			age, err := strconv.Atoi(text)
			if !ok || err != nil || age > test.most || age < test.most-10 {
				t.Errorf("%s at %s: Cache-Control is %q", name, path, g.Header.Get("Cache-Control"))
			}
			expires, err := http.ParseTime(g.Header.Get("Expires"))
			if left := time.Until(expires); err != nil || left > time.Duration(age)*time.Second+time.Second {
				t.Errorf("%s at %s: Expires in %s with max-age %d: %v", name, path, left, age, err)
			}
		}
	}
}

func TestSocketsAreOnlyReplacedWhenDead(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	if info, err := os.Stat(w.path("h.sock")); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	second := launch(t, w.dir, e2e.Program("neonauth-http"), nil, "--listen", "unix:"+w.path("h.sock"), "--socket", w.path("d.sock"))
	second.Rough = true
	<-second.Ended
	if !strings.Contains(second.Written(), "another process serves this socket") {
		t.Error(second.Written())
	}
	w.http.Kill(t)
	w.startHTTP(t, "")
	if g := w.ask(t, "/nginx", bearing(w.token())); g.StatusCode != 204 {
		t.Error(g.Status)
	}
}

// The watchdog gets its message only while the program judges correctly.
func TestTheWatchdogIsFed(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	p := launch(t, w.dir, e2e.Program("neonauth-http"), []string{"WATCHDOG_USEC=30000"}, "--listen", "unix:"+w.path("w.sock"), "--socket", w.path("d.sock"))
	p.Await(t, "READY=1")
	p.Await(t, "WATCHDOG=1")
	p.Await(t, "WATCHDOG=1")
}

// --listen refuses such an address, but an administrator may have a reason to
// set it in a socket unit.
func TestAnInheritedSocketOnTheNetworkIsWarnedAbout(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	for address, want := range map[string]int{"127.0.0.1:0": 0, "0.0.0.0:0": 1} {
		ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)))
		if err != nil {
			t.Fatal(err)
		}
		file, err := ln.File()
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		defer file.Close()
		cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" --socket "$1"`, e2e.Program("neonauth-http"), w.path("d.sock"))
		cmd.Env, cmd.ExtraFiles = e2e.Environment("LISTEN_FDS=1"), []*os.File{file}
		p := e2e.Start(t, w.dir, cmd)
		p.Await(t, "READY=1")
		p.Stop(t)
		if n := strings.Count(p.Stderr.String(), "can be reached from other hosts"); n != want {
			t.Errorf("%s: warned %d times:\n%s", address, n, p.Stderr.String())
		}
	}
}
