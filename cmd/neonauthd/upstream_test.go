package main_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// cloud is a stand-in upstream that serves on loopback.
type cloud struct {
	*standin.Standin
	stop func() // ends it, as an outage does
}

// newCloud starts a stand-in. An empty address means any free port.
func newCloud(t testing.TB, o standin.Options) *cloud {
	t.Helper()
	c := &cloud{Standin: standin.New(o)}
	c.open(t, "127.0.0.1:0")
	return c
}

// open serves on an address until the test ends or stop is called.
func (c *cloud) open(t testing.TB, address string) {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx, ln) }()
	c.stop = func() { cancel(); <-done }
	if c.BaseURL() == "" {
		c.SetBaseURL("http://" + ln.Addr().String())
	}
	t.Cleanup(c.stop)
}

// address is where the stand-in serves, or did.
func (c *cloud) address() string { return strings.TrimPrefix(c.BaseURL(), "http://") }

// project is the [[project]] table for a preset, with further keys. The stack
// one is called main and reads its key from the home.
func (c *cloud) project(t testing.TB, h *home, p standin.Preset, keys ...string) string {
	t.Helper()
	h.write(t, "server-key", c.ServerKey())
	block := strings.TrimSpace(c.ConfigBlock(p, "./server-key"))
	if p == standin.Stack {
		block = strings.Replace(block, `name = "stack"`, `name = "main"`, 1)
	}
	return block + "\n" + strings.Join(keys, "\n") + "\n"
}

// await waits until an endpoint has been called n times in all.
func (c *cloud) await(t testing.TB, e standin.Endpoint, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.AwaitCalls(ctx, e, n); err != nil {
		t.Fatalf("%d calls of %s, expected %d: %v", c.Calls(e), e, n, err)
	}
}

// selfTested waits until the daemon has asked whether its server key is right,
// which is a call of the REST API like any other, and returns their number.
func (c *cloud) selfTested(t testing.TB) int {
	t.Helper()
	c.await(t, standin.Me, 1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(t, c.AwaitIdle(ctx, standin.Me))
	return c.Calls(standin.Me)
}

// user adds a user and returns a valid Stack token of theirs.
func (c *cloud) user(name string) (token, id string) {
	u := c.AddUser(standin.User{Name: name, Email: strings.ToLower(name) + "@example.org", EmailVerified: true})
	return c.StackToken(standin.TokenSpec{Subject: u.ID}), u.ID
}

// strange returns a token with a good shape and a key id that nobody has.
func (c *cloud) strange(kid string) string {
	return c.StackToken(standin.TokenSpec{Header: map[string]any{"kid": kid}})
}

// keyServer serves key sets by path and tells of each request.
type keyServer struct {
	*httptest.Server
	mu      sync.Mutex
	sets    map[string][]byte
	served  map[string]int
	changed chan struct{} // closed and replaced at each request's end
}

func newKeyServer(t testing.TB) *keyServer {
	t.Helper()
	k := &keyServer{sets: map[string][]byte{}, served: map[string]int{}, changed: make(chan struct{})}
	k.Server = httptest.NewServer(k)
	t.Cleanup(k.Close)
	return k
}

func (k *keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	body, ok := k.sets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a caller that is gone needs no answer
	k.served[r.URL.Path]++
	close(k.changed)
	k.changed = make(chan struct{})
}

// put publishes a key set and returns its URL.
func (k *keyServer) put(path string, body []byte) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sets[path] = body
	return k.URL + path
}

// count tells how often a set was served, and gives what closes at the next request.
func (k *keyServer) count(path string) (int, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.served[path], k.changed
}

// awaitMore waits until a set has been served more than n times.
func (k *keyServer) awaitMore(t testing.TB, path string, n int) {
	t.Helper()
	timeout := time.After(patience)
	for {
		now, changed := k.count(path)
		if now > n {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: no further fetch", path)
		}
	}
}

// kids returns n key ids of the upstream's shape that it does not have.
func kids(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%0*d", prefix, 12-len(prefix), i)
	}
	return all
}
