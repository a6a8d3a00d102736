package keyring

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/standintest"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is how long a lookup waits at most.
const testTimeout = 5 * time.Second

// rig is a ring in a synctest bubble. Its upstream is the stand-in's handler,
// without a connection.
type rig struct {
	*Ring
	t        *testing.T
	upstream *standin.Standin
	log      *e2e.Output
	clock    *clocktest.Clock // follows the bubble's clock
	began    time.Time
	cancel   context.CancelFunc
	ended    chan struct{}

	mu       sync.Mutex
	attempts []call
	latency  time.Duration
	trouble  func() (upstream.KeySetResponse, error) // in place of the stand-in's answer
}

// call is one call of the upstream.
type call struct {
	at          time.Duration // since the rig was made
	conditional bool
	latest      bool // caches were asked not to answer
}

// newRig makes a ring that does not run yet. It must be called in a bubble.
func newRig(t *testing.T, store Store) *rig {
	return newRigAhead(t, store, 0)
}

// newRigAhead makes the ring of a host whose clock is ahead from the start; below
// 0: behind.
func newRigAhead(t *testing.T, store Store, ahead time.Duration) *rig {
	b := &rig{t: t, log: &e2e.Output{}, clock: clocktest.Following(), began: time.Now()}
	b.upstream = standin.New(standin.Options{BaseURL: "http://127.0.0.1:9", TokenLifetime: 48 * time.Hour})
	b.upstream.SetCaching(standin.Stack, "", false)
	b.clock.Step(ahead)
	b.Ring = New(Config{
		Fetch:      b.ask,
		Algorithms: []keyset.Algorithm{keyset.ES256},
		Rhythm:     Rhythm{Refresh: 10 * time.Minute, MaxAge: time.Hour, Cooldown: 30 * time.Second},
		Store:      store,
		Now:        b.clock.Now,
		Log:        slog.New(slog.NewTextHandler(b.log, nil)),
	})
	return b
}

// bench runs test in a bubble with a ring that has fetched once.
func bench(t *testing.T, test func(*rig)) {
	benchWith(t, func(*Config) {}, test)
}

// benchWith is bench, with the changes that set makes to the configuration.
func benchWith(t *testing.T, set func(*Config), test func(*rig)) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, Store{})
		set(b.config())
		b.start()
		defer b.stop()
		synctest.Wait()
		test(b)
	})
}

func (b *rig) start() {
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(context.Background())
	b.ended = make(chan struct{})
	go func() {
		defer close(b.ended)
		b.Run(ctx)
	}()
}

// retime changes the rhythm.
func (b *rig) retime(change func(*Rhythm)) {
	rhythm := b.config().Rhythm
	change(&rhythm)
	b.Retime(rhythm)
	synctest.Wait()
}

func (b *rig) stop() {
	b.cancel()
	<-b.ended
}

// sleep lets the bubble's time pass, and lets everything happen that is due in
// it.
func (b *rig) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// ask is the Fetch function of the ring.
func (b *rig) ask(ctx context.Context, v upstream.Validators, latest bool) (upstream.KeySetResponse, error) {
	b.mu.Lock()
	b.attempts = append(b.attempts, call{time.Since(b.began), v != upstream.Validators{}, latest})
	latency, trouble := b.latency, b.trouble
	b.mu.Unlock()
	r := b.call(v) // before the latency, so that keys published meanwhile are not in the answer
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			return upstream.KeySetResponse{}, ctx.Err()
		}
	}
	if trouble != nil {
		return trouble()
	}
	answer := upstream.KeySetResponse{MaxAge: -1, Validators: upstream.Validators{ETag: r.Header().Get("ETag")}}
	if s, ok := strings.CutPrefix(r.Header().Get("Cache-Control"), "max-age="); ok {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.t.Error(err)
		}
		answer.MaxAge = time.Duration(n) * time.Second
	}
	switch r.Code {
	case http.StatusOK:
		answer.Body = r.Body.Bytes()
	case http.StatusNotModified:
		answer.NotModified = true
	default:
		return answer, &upstream.Error{Meaning: upstream.Unavailable}
	}
	return answer, nil
}

func (b *rig) call(v upstream.Validators) *httptest.ResponseRecorder {
	return get(b.t, b.upstream, v)
}

// get asks for the key set of Stack without a connection.
func get(t testing.TB, s *standin.Standin, v upstream.Validators) *httptest.ResponseRecorder {
	u, err := url.Parse(s.KeysURL(standin.Stack))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, u.RequestURI(), nil)
	r.RemoteAddr = "127.0.0.1:1"
	if v.ETag != "" {
		r.Header.Set("If-None-Match", v.ETag)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// fetched counts the calls of the upstream so far.
func (b *rig) fetched() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.attempts)
}

// history returns a copy of all calls.
func (b *rig) history() []call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]call(nil), b.attempts...)
}

// behave sets how the upstream answers from now on.
func (b *rig) behave(latency time.Duration, trouble func() (upstream.KeySetResponse, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latency, b.trouble = latency, trouble
}

// down is an upstream that fails, with that Retry-After.
func down(after time.Duration) func() (upstream.KeySetResponse, error) {
	return func() (upstream.KeySetResponse, error) {
		return upstream.KeySetResponse{}, &upstream.Error{Meaning: upstream.Unavailable, RetryAfter: after}
	}
}

// body is an upstream that answers 200 with text.
func body(text string) func() (upstream.KeySetResponse, error) {
	return func() (upstream.KeySetResponse, error) {
		return upstream.KeySetResponse{Body: []byte(text), MaxAge: -1}, nil
	}
}

// look asks for a key id until the result is final, as a lookup does. Changed
// means that the key is there or, if kid is empty, that there is a set.
func (b *rig) look(kid string) (SeekResult, time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	var search Search
	for {
		tried := b.current.Load()
		if tried != nil && (kid == "" || tried.set.Find(kid) != nil) {
			return Changed, 0
		}
		if f, wait := b.Seek(ctx, &search, kid, tried); f != Changed {
			return f, wait
		}
	}
}

// wantLook fails unless look finds want.
func (b *rig) wantLook(what, kid string, want SeekResult) (wait time.Duration) {
	b.t.Helper()
	f, wait := b.look(kid)
	if f != want {
		b.t.Errorf("%s: finding %d, want %d", what, f, want)
	}
	if f == Pending && wait <= 0 {
		b.t.Errorf("%s: pending without a time to come again", what)
	}
	return wait
}

// wantFetched fails unless there were n calls of the upstream.
func (b *rig) wantFetched(what string, n int) {
	b.t.Helper()
	if got := b.fetched(); got != n {
		b.t.Errorf("%s: %d fetches, want %d: %v", what, got, n, b.history())
	}
}

// signer returns the id of the key that now signs normal users' tokens.
func (b *rig) signer() string {
	return standintest.KeyID(b.t, b.upstream.StackToken(standin.TokenSpec{}))
}

func bogus(i int) string { return fmt.Sprintf("bogus-%d", i) }
