package neonauthd_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// keeperVariable names the environment variable with the socket that a keeper asks.
const keeperVariable = "NEONAUTHD_E2E_KEEPER"

// spied is a connection that counts lookups and can delay their replies.
type spied struct {
	net.Conn
	asked *atomic.Int64
	held  *atomic.Pointer[chan struct{}]
	late  atomic.Bool // the next reply is to be delayed
}

func (s *spied) Write(p []byte) (int, error) {
	if n := bytes.Count(p, []byte("VERIFY ")); n > 0 {
		s.asked.Add(int64(n))
		s.late.Store(true)
	}
	return s.Conn.Write(p)
}

func (s *spied) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if until := s.held.Load(); until != nil && s.late.Swap(false) {
		<-*until
	}
	return n, err
}

// spy is shared by all spied connections of a client.
type spy struct {
	asked atomic.Int64                  // lookups that crossed the socket
	held  atomic.Pointer[chan struct{}] // nil: no reply is delayed
}

// client returns a client of the socket that keeps answers.
func (s *spy) client(socket string) *client.Client {
	return &client.Client{Timeout: e2e.Timeout, Dial: func(ctx context.Context) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		return &spied{Conn: nc, asked: &s.asked, held: &s.held}, nil
	}}
}

// TestKeeper runs as an application that keeps answers, in a process that another test
// has started. Each line of standard input has a token and a number. The application asks
// that many times, and prints how many answers were accepted, and how many questions
// crossed the socket.
func TestKeeper(t *testing.T) {
	socket := os.Getenv(keeperVariable)
	if socket == "" {
		return // no test has started this process as a keeper
	}
	s := &spy{}
	c := s.client(socket)
	defer c.Close()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var token string
		var times, accepted int
		_, err := fmt.Sscan(in.Text(), &token, &times)
		e2e.Must(t, err)
		before := s.asked.Load()
		for range times {
			if _, ok := c.Verify(t.Context(), token).(client.Accepted); ok {
				accepted++
			}
		}
		fmt.Printf("accepted %d asked %d\n", accepted, s.asked.Load()-before)
	}
}

// keeper is a process that runs TestKeeper.
type keeper struct {
	*e2e.Process
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
}

func startKeeper(t *testing.T, h *e2e.Folder) *keeper {
	t.Helper()
	self, err := os.Executable()
	e2e.Must(t, err)
	cmd := exec.Command(self, "-test.run=^TestKeeper$")
	cmd.Env = e2e.Environment(keeperVariable + "=" + h.Socket())
	in, err := cmd.StdinPipe()
	e2e.Must(t, err)
	out, to, err := os.Pipe()
	e2e.Must(t, err)
	cmd.Stdout = to
	k := &keeper{Process: e2e.Start(t, h.Dir, cmd), t: t, in: in, out: bufio.NewReader(out)}
	_ = to.Close()     // the process has its own copy
	t.Cleanup(func() { // runs before the cleanup of Start, which would end it by a signal
		_ = k.in.Close()
		if code := k.AwaitEnd(t); code != 0 {
			t.Errorf("a keeper ends with %d", code)
		}
		_ = out.Close()
	})
	return k
}

// begin makes the keeper ask that many times.
func (k *keeper) begin(token string, times int) {
	k.t.Helper()
	_, err := fmt.Fprintln(k.in, token, times)
	e2e.Must(k.t, err)
}

// answers returns the keeper's result.
func (k *keeper) answers() (accepted, asked int) {
	k.t.Helper()
	for {
		line, err := k.out.ReadString('\n')
		e2e.Must(k.t, err)
		if n, _ := fmt.Sscanf(line, "accepted %d asked %d", &accepted, &asked); n == 2 {
			return accepted, asked
		}
	}
}

// keep asks until the keeper answers from memory.
func (k *keeper) keep(token string) {
	k.t.Helper()
	for deadline := time.Now().Add(e2e.Timeout); ; {
		k.begin(token, 10)
		if accepted, asked := k.answers(); accepted == 10 && asked == 0 {
			return
		}
		if time.Now().After(deadline) {
			k.t.Fatal("nothing is kept")
		}
	}
}

// office is a daemon with keepers, and its administrator.
type office struct {
	t       *testing.T
	up      *e2e.Upstream
	folder  *e2e.Folder
	daemon  *e2e.Process
	keepers []*keeper
	user    string
}

func newOffice(t *testing.T, keepers int) *office {
	t.Helper()
	o := &office{t: t, up: e2e.NewUpstream(t, standin.Options{}), folder: e2e.NewFolder(t)}
	o.daemon = e2e.Serve(t, o.folder, e2e.Settings{Tables: []string{o.up.Project(t, o.folder, standin.Stack)}})
	_, o.user = o.up.User("Ada")
	for range keepers {
		o.keepers = append(o.keepers, startKeeper(t, o.folder))
	}
	return o
}

// session returns a token of a new session. All keepers keep the answer about it.
func (o *office) session(name string) (token string) {
	o.t.Helper()
	token = o.up.StackToken(standin.TokenSpec{Subject: o.user, Session: name})
	for _, k := range o.keepers {
		k.keep(token)
	}
	return token
}

// revoke revokes a session, and returns how long that took.
func (o *office) revoke(name string) time.Duration {
	o.t.Helper()
	admin := e2e.Call(o.t, o.folder.AdminSocket())
	defer admin.Conn.Close()
	began := time.Now()
	admin.Expect(o.t, "REVOKE session "+name, "OK changed=1 entries=[0-9]+")
	return time.Since(began)
}

// nobody checks that no keeper accepts a token. Its lookups begin after the command that
// ended the token has returned.
func (o *office) nobody(name, token string) {
	o.t.Helper()
	for i, k := range o.keepers {
		k.begin(token, 100)
		if accepted, asked := k.answers(); accepted > 0 {
			o.t.Errorf("%s: keeper %d accepts %d of 100 lookups, %d asked", name, i, accepted, asked)
		}
	}
}

// TestWhatIsKeptEndsBeforeRevokeReturns, whatever happens to the keepers and to the
// daemon.
func TestWhatIsKeptEndsBeforeRevokeReturns(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 3)

	token := o.session("all-are-alive")
	o.revoke("all-are-alive")
	o.nobody("all are alive", token)

	// One keeper is stopped, and goes on after the revocation has returned. Its next
	// question is already in its input.
	token = o.session("stopped")
	o.keepers[0].Freeze(t)
	o.revoke("stopped")
	o.keepers[0].begin(token, 100)
	o.keepers[0].Signal(t, syscall.SIGCONT)
	if accepted, _ := o.keepers[0].answers(); accepted > 0 {
		t.Errorf("stopped: it accepts %d of 100 lookups", accepted)
	}
	o.nobody("stopped", token)

	// The daemon is killed and started again, and revokes at once. A keeper that knows
	// only the old run is stopped during this time; otherwise it would notice the end.
	token = o.session("killed")
	o.keepers[1].Freeze(t)
	o.daemon.Kill(t)
	began := time.Now()
	o.daemon = o.folder.Start(t)
	o.revoke("killed")
	if since := time.Since(began); since < time.Second {
		t.Errorf("a revocation by the next run took %s since the end of the one before: leases stand", since)
	}
	o.keepers[1].begin(token, 100)
	o.keepers[1].Signal(t, syscall.SIGCONT)
	if accepted, _ := o.keepers[1].answers(); accepted > 0 {
		t.Errorf("killed: it accepts %d of 100 lookups", accepted)
	}
	o.nobody("killed", token)

	// The daemon is stopped for so long that leases end, and then goes on.
	token = o.session("paused")
	o.daemon.Freeze(t)
	admin := e2e.Call(t, o.folder.AdminSocket())
	admin.Send(t, "REVOKE session paused\n")
	o.keepers[2].begin(token, 20_000)
	o.daemon.Signal(t, syscall.SIGCONT)
	e2e.Matches(t, admin.Reply(t), "OK changed=1 .*")
	o.keepers[2].answers() // some of these lookups ran at the same time as the revocation
	o.nobody("paused", token)

	// Everything is purged, and the configuration is reloaded.
	token = o.session("purged")
	admin.Expect(t, "PURGE all", "OK entries=[0-9]+")
	if code := o.daemon.Reload(t); code == "" {
		t.Error("no reload")
	}
	o.revoke("purged")
	o.nobody("purged", token)
}

// TestAReplyThatComesLateIsNotKept: the reply was decided before a revocation, and
// arrives after the revocation has returned.
func TestAReplyThatComesLateIsNotKept(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0)
	s := &spy{}
	c := s.client(o.folder.Socket())
	defer c.Close()
	first := o.session("first")
	for deadline := time.Now().Add(e2e.Timeout); ; { // until the client has a watch
		before := s.asked.Load()
		if _, ok := c.Verify(t.Context(), first).(client.Accepted); !ok {
			t.Fatal("not accepted")
		}
		if s.asked.Load() == before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is kept")
		}
	}
	token := o.session("late")
	until := make(chan struct{})
	s.held.Store(&until)
	under := make(chan client.Answer)
	go func() { under <- c.Verify(context.Background(), token) }()
	o.await(`"upstream":2}`) // until both tokens are verified
	o.revoke("late")
	s.held.Store(nil)
	close(until)
	<-under // it may be accepted, because the lookup was in progress
	for range 100 {
		if a, ok := c.Verify(t.Context(), token).(client.Rejected); !ok {
			t.Fatalf("a later lookup is %v", a)
		}
	}
}

// await waits until the daemon's counters contain a text.
func (o *office) await(text string) {
	o.t.Helper()
	for deadline := time.Now().Add(e2e.Timeout); !strings.Contains(o.stats(), text); {
		if time.Now().After(deadline) {
			o.t.Fatalf("no %s in %s", text, o.stats())
		}
	}
}

func (o *office) stats() string {
	o.t.Helper()
	admin := e2e.Call(o.t, o.folder.AdminSocket())
	defer admin.Conn.Close()
	return admin.Ask(o.t, "STATS")
}

// source returns how many lookups had an answer from this source.
func (o *office) source(name string) int {
	o.t.Helper()
	found := regexp.MustCompile(`"` + name + `":(\d+)`).FindStringSubmatch(o.stats())
	if found == nil {
		o.t.Fatalf("no %s in %s", name, o.stats())
	}
	n, err := strconv.Atoi(found[1])
	e2e.Must(o.t, err)
	return n
}

// TestAHitInTheProcessCrossesNoSocket: the client only reports the number of its hits to
// the daemon.
func TestAHitInTheProcessCrossesNoSocket(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	token := o.session("quiet")
	const times = 100_000
	o.keepers[0].begin(token, times)
	accepted, asked := o.keepers[0].answers()
	if accepted != times || asked > times/1000 { // a busy machine may let the lease lapse
		t.Errorf("%d of %d lookups were accepted, %d crossed the socket", accepted, times, asked)
	}
	_ = o.keepers[0].in.Close()
	o.keepers[0].AwaitEnd(t)
	if hits := o.source("client"); hits < times-asked {
		t.Errorf("the daemon has heard of %d hits of %d", hits, times)
	}
}

// TestAnAnswerThatWaitedMayBeKeptAfterTheEventThatItCaused: the profile that the lookup has
// waited for replaces another one, which clients are told to forget. The answer has the
// revision of that event, so that a client keeps the answer.
func TestAnAnswerThatWaitedMayBeKeptAfterTheEventThatItCaused(t *testing.T) {
	t.Parallel()
	c, h, _ := serving(t)
	token, id := c.User("Ada")
	peer, watch := e2e.Call(t, h.Socket()), e2e.Call(t, h.Socket())
	watch.Expect(t, "WATCH", `OK lease=1000 rev=\S+`)
	peer.Expect(t, "PROFILE keep=1 "+token, `OK level=profile .* rev=\S+ handles=.*`)
	c.SetProfile(id, "display_name", "Countess of Lovelace")
	answer := peer.Ask(t, "PROFILE keep=1 max-age=0 "+token)
	event := watch.Reply(t)
	if rev := e2e.Field(event, "rev"); rev == "" || !strings.HasSuffix(e2e.Field(answer, "rev"), "."+rev) {
		t.Errorf("event %q, answer %s", event, e2e.Head(answer))
	}
	if handle := e2e.Field(event, "forget"); !strings.Contains(e2e.Field(answer, "handles"), handle) {
		t.Errorf("the event is about %q, not about a thing of the answer", handle)
	}
}
