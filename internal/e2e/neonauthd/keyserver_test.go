package neonauthd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// keyServer serves key sets by path and counts the requests.
type keyServer struct {
	*httptest.Server
	mu      sync.Mutex
	sets    map[string][]byte
	served  map[string]int
	changed chan struct{} // closed and replaced at the end of each request
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
	_, _ = w.Write(body) // it fails only if the caller has left
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

// count returns how often a set was served, and a channel that is closed at the end of
// the next request.
func (k *keyServer) count(path string) (int, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.served[path], k.changed
}

// awaitMore waits until a set has been served more than n times.
func (k *keyServer) awaitMore(t testing.TB, path string, n int) {
	t.Helper()
	timeout := time.After(e2e.Timeout)
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

// kids returns n key ids in the upstream's form that the upstream does not have.
func kids(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%0*d", prefix, 12-len(prefix), i)
	}
	return all
}
