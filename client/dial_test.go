package client_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestLongSocketPathIsRefusedWithTheReason(t *testing.T) {
	c := &client.Client{Socket: "/" + strings.Repeat("x", 107)}
	u, ok := c.Verify(t.Context(), "a.b.c").(client.Unknown)
	if !ok || !errors.Is(u.Err, client.ErrUnreachable) || !strings.Contains(u.Err.Error(), "107") {
		t.Errorf("got %v", u)
	}
}

// TestEachErrorOfDialingStaysAnError, also one that does not come from the kernel and wraps nothing:
// without an error there would have to be a connection.
func TestEachErrorOfDialingStaysAnError(t *testing.T) {
	for _, err := range []error{
		context.DeadlineExceeded,
		&net.OpError{Op: "dial", Net: "unix", Err: context.Canceled},
		&net.OpError{Op: "dial", Net: "unix", Err: os.ErrNotExist},
		&net.OpError{Op: "dial", Net: "unix", Err: os.ErrPermission},
	} {
		if cause := errors.Unwrap(err); !errors.Is(client.Hint(err), cmp.Or(cause, err)) {
			t.Errorf("%v became %v", err, client.Hint(err))
		}
	}
	if err := client.Hint(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func TestSocketComesFromFieldThenEnvironmentThenDefault(t *testing.T) {
	t.Setenv(client.SocketVariable, "")
	if got := new(client.Client).Path(); got != protocol.DefaultSocket {
		t.Errorf("without anything set it is %s", got)
	}
	t.Setenv(client.SocketVariable, "/from/environment")
	if got := new(client.Client).Path(); got != "/from/environment" {
		t.Errorf("with the environment set it is %s", got)
	}
	if got := (&client.Client{Socket: "/own"}).Path(); got != "/own" {
		t.Errorf("with the field set it is %s", got)
	}
}

// TestCausesTellWhatToDo tests the two usual mistakes of an installation.
func TestCausesTellWhatToDo(t *testing.T) {
	dir := t.TempDir()
	closed := filepath.Join(dir, "s")
	if err := os.WriteFile(closed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, hint := range map[string]string{
		filepath.Join(dir, "none"): "is neonauthd running",
		closed:                     "is neonauthd running",
	} {
		c := &client.Client{Socket: path}
		if err := c.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), hint) || !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	}
}

// TestASocketOfAStrangerIsNotAsked: in a folder where everybody can make files,
// another user can listen where the daemon is expected.
func TestASocketOfAStrangerIsNotAsked(t *testing.T) {
	need.Root(t, "giving a socket to another user")
	const stranger = 65534
	for name, c := range map[string]struct {
		folder os.FileMode
		owner  int
		asked  bool
	}{
		"ours in a folder of all":          {0o777 | os.ModeSticky, 0, true},
		"a stranger's in a folder of all":  {0o777 | os.ModeSticky, stranger, false},
		"ours where all can replace it":    {0o777, 0, false},
		"another user's in its own folder": {0o755, stranger, true},
		"another user's in a group's":      {0o775, stranger, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "s")
			listener, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			if err := errors.Join(os.Lchown(path, c.owner, c.owner), os.Chmod(dir, c.folder)); err != nil {
				t.Fatal(err)
			}
			var requests atomic.Int32
			var serving sync.WaitGroup
			serving.Go(func() { answerEach(listener, &requests) })
			cl := &client.Client{Socket: path}
			err = cl.Ping(t.Context())
			if c.asked != (err == nil) || c.asked != (requests.Load() > 0) {
				t.Errorf("%d requests, and the answer %v", requests.Load(), err)
			}
			if !c.asked && (!errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), "keep the daemon's socket in a folder")) {
				t.Errorf("got %v", err)
			}
			_ = cl.Close()
			_ = listener.Close()
			serving.Wait()
		})
	}
}

// answerEach answers one line of each connection with OK.
func answerEach(listener net.Listener, requests *atomic.Int32) {
	for {
		nc, err := listener.Accept()
		if err != nil {
			return
		}
		if line, err := bufio.NewReader(nc).ReadString('\n'); err == nil {
			requests.Add(1)
			tag, _, _ := strings.Cut(line, " ")
			_, _ = io.WriteString(nc, tag+" OK\n")
		}
		_ = nc.Close()
	}
}

// TestAbstractSocketsAreNotAsked: an abstract socket is in no folder and
// belongs to no user.
func TestAbstractSocketsAreNotAsked(t *testing.T) {
	listener, err := net.Listen("unix", "@neonauthd-"+rand.Text())
	need.Host(t, err == nil, "abstract sockets")
	defer listener.Close()
	c := &client.Client{Socket: listener.Addr().String()}
	if err := c.Ping(t.Context()); !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), "abstract") {
		t.Errorf("got %v", err)
	}
}

// TestFailedDialsBackOff: while a daemon is down, a busy program dials about 20
// times a second, not in every call. It finds the daemon soon after the daemon
// is back.
func TestFailedDialsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials int
		down := true
		c := &client.Client{Dial: func(context.Context) (net.Conn, error) {
			dials++
			if down {
				return nil, errors.New("no")
			}
			near, far := net.Pipe()
			go answerAccepted(far)
			return near, nil
		}}
		defer c.Close()
		ask := func() client.Answer { return c.Verify(t.Context(), "a.b.c") }
		start := time.Now()
		for time.Since(start) < 10*time.Second {
			u, ok := ask().(client.Unknown)
			if !ok || !errors.Is(u.Err, client.ErrUnreachable) {
				t.Fatalf("got %v", u)
			}
			time.Sleep(time.Millisecond)
		}
		if dials < 150 || dials > 250 {
			t.Errorf("10000 calls in 10 s dialled %d times", dials)
		}
		down = false
		start = time.Now()
		for {
			if _, ok := ask().(client.Accepted); ok {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(start); took > 50*time.Millisecond {
			t.Errorf("the daemon that is back is found after %s", took)
		}
	})
}

func answerAccepted(nc net.Conn) {
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	for {
		r, err := readRequest(lines)
		if err != nil || accept(nc, r) != nil {
			return
		}
	}
}

// TestCallersBeyondTheLimitShareItsConnections: callers wait, each at most its
// own time, and every caller gets an answer even if the caller that dials gives
// up.
func TestCallersBeyondTheLimitShareItsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		c := &client.Client{Conns: 1, Dial: func(ctx context.Context) (net.Conn, error) {
			if dials.Add(1) == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			near, far := net.Pipe()
			go answerAccepted(far)
			return near, nil
		}}
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if u, ok := c.Verify(ctx, "a.b.c").(client.Unknown); !ok || !errors.Is(u.Err, context.Canceled) {
				t.Errorf("the caller that gave up got %v", u)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			start := time.Now()
			if u, ok := c.Verify(t.Context(), "a.b.c", client.Deadline(10*time.Millisecond)).(client.Unknown); !ok ||
				!errors.Is(u.Err, context.DeadlineExceeded) || time.Since(start) != 10*time.Millisecond {
				t.Errorf("the caller in a hurry got %v after %s", u, time.Since(start))
			}
		})
		for range 20 {
			wg.Go(func() {
				if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
					t.Errorf("a caller that waited got %v", a)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		cancel()
		wg.Wait()
		if dials.Load() != 2 {
			t.Errorf("%d dials", dials.Load())
		}
	})
}

// TestRestartKillsAllIdleConnections: the idle connections of a pool end
// together, and no caller notices.
func TestRestartKillsAllIdleConnections(t *testing.T) {
	const callers = 5
	var mu sync.Mutex
	var open []net.Conn
	here := make(chan struct{}, callers)
	held := make(chan struct{})
	daemon := func(n int, nc net.Conn) {
		mu.Lock()
		open = append(open, nc)
		mu.Unlock()
		if n <= callers {
			here <- struct{}{}
			<-held // so that each caller needs a connection of its own
		}
		answerAccepted(nc)
	}
	c := daemonFunc(daemon).client(callers)
	defer c.Close()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if a := c.Verify(t.Context(), "a.b.c", client.Deadline(testTimeout)); !isAccepted(a) {
				t.Errorf("got %v", a)
			}
		})
	}
	for range callers {
		<-here
	}
	close(held)
	wg.Wait()
	for _, nc := range connections(&mu, &open) {
		_ = nc.Close()
	}
	if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
		t.Errorf("after the restart got %v", a)
	}
	if n := len(connections(&mu, &open)); n != callers+1 {
		t.Errorf("%d connections in all", n)
	}
}

func isAccepted(a client.Answer) bool {
	_, ok := a.(client.Accepted)
	return ok
}

func connections(mu *sync.Mutex, open *[]net.Conn) []net.Conn {
	mu.Lock()
	defer mu.Unlock()
	return append([]net.Conn(nil), *open...)
}

// TestCloseEndsCallsThatConnect: the daemon's queue of connections is full.
func TestCloseEndsCallsThatConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client.Client{Dial: func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		begun := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				a := c.Verify(t.Context(), "a.b.c")
				if u, ok := a.(client.Unknown); !ok || !errors.Is(u.Err, client.ErrClosed) || time.Since(begun) > 0 {
					t.Errorf("got %v after %s", a, time.Since(begun))
				}
			})
		}
		synctest.Wait()
		_ = c.Close()
		wg.Wait()
	})
}

// TestCloseEndsCallsThatWaitForAStubbornDial: the Dial function does not look
// at its context.
func TestCloseEndsCallsThatWaitForAStubbornDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := make(chan struct{})
		c := &client.Client{Conns: 1, Dial: func(context.Context) (net.Conn, error) {
			<-dial
			return nil, os.ErrClosed
		}}
		var wg sync.WaitGroup
		wg.Go(func() { c.Verify(t.Context(), "a.b.c") })
		synctest.Wait()
		waiting := make(chan client.Answer)
		wg.Go(func() { waiting <- c.Verify(t.Context(), "a.b.c") })
		synctest.Wait()
		_ = c.Close()
		a := <-waiting
		if u, ok := a.(client.Unknown); !ok || !errors.Is(u.Err, client.ErrClosed) {
			t.Errorf("got %v", a)
		}
		close(dial)
		wg.Wait()
	})
}

// TestConnectingWithoutTimeIsNoWordAboutTheDaemon: a TCP dial whose time is
// over returns an error of its own kind.
func TestConnectingWithoutTimeIsNoWordAboutTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		c := &client.Client{Dial: func(ctx context.Context) (net.Conn, error) {
			if dials.Add(1) == 1 {
				<-ctx.Done()
				return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
			}
			near, far := net.Pipe()
			go answerAccepted(far)
			return near, nil
		}}
		defer c.Close()
		u, ok := c.Verify(t.Context(), "a.b.c", client.Deadline(5*time.Millisecond)).(client.Unknown)
		if !ok || !errors.Is(u.Err, context.DeadlineExceeded) {
			t.Errorf("the caller in a hurry got %v", u)
		}
		if a := c.Verify(t.Context(), "a.b.c"); !isAccepted(a) {
			t.Errorf("the next one got %v", a)
		}
	})
}
