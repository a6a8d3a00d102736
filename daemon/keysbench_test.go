package daemon

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

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// keysBench is one project's keysets with the stand-in's handler behind them,
// without a connection, in a bubble of its own time.
type keysBench struct {
	*keysets
	t        *testing.T
	upstream *standin.Standin
	log      *logBuffer
	clock    *clocktest.Clock // follows the bubble's
	began    time.Time
	cancel   context.CancelFunc
	ended    chan struct{}

	mu       sync.Mutex
	attempts []keysAttempt
	latency  time.Duration
	trouble  func() (upstream.Keyset, error) // instead of the stand-in's answer
}

// keysAttempt is one call of the upstream.
type keysAttempt struct {
	at          time.Duration // since the bench began
	conditional bool
}

// newKeysBench makes keysets that do not run yet. To be called in a bubble.
func newKeysBench(t *testing.T, store keysStore) *keysBench {
	return newKeysBenchAhead(t, store, 0)
}

// newKeysBenchAhead makes keysets of a host whose clock is ahead from the start,
// or behind.
func newKeysBenchAhead(t *testing.T, store keysStore, ahead time.Duration) *keysBench {
	b := &keysBench{t: t, log: &logBuffer{}, clock: clocktest.Following(), began: time.Now()}
	b.upstream = standin.New(standin.Options{BaseURL: "http://127.0.0.1:9", TokenLifetime: 48 * time.Hour})
	b.upstream.SetCaching(standin.Stack, "", false)
	b.clock.Step(ahead)
	b.keysets = newKeysets(&keysets{
		fetch:    b.ask,
		allowed:  []keyset.Algorithm{keyset.ES256},
		refresh:  10 * time.Minute,
		maxAge:   time.Hour,
		cooldown: 30 * time.Second,
		store:    store,
		now:      b.clock.Now,
		log:      slog.New(slog.NewTextHandler(b.log, nil)),
	})
	return b
}

// bench runs test in a bubble with keysets that have fetched once.
func bench(t *testing.T, test func(*keysBench)) {
	synctest.Test(t, func(t *testing.T) {
		b := newKeysBench(t, keysStore{})
		b.start()
		defer b.stop()
		synctest.Wait()
		test(b)
	})
}

func (b *keysBench) start() {
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(context.Background())
	b.ended = make(chan struct{})
	go func() {
		defer close(b.ended)
		b.run(ctx)
	}()
}

func (b *keysBench) stop() {
	b.cancel()
	<-b.ended
}

// sleep lets the bubble's time pass, and everything due in it happen.
func (b *keysBench) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// ask is the keysets' fetch.
func (b *keysBench) ask(ctx context.Context, v upstream.Validators) (upstream.Keyset, error) {
	b.mu.Lock()
	b.attempts = append(b.attempts, keysAttempt{time.Since(b.began), v != upstream.Validators{}})
	latency, trouble := b.latency, b.trouble
	b.mu.Unlock()
	r := b.call(v) // before the latency: what is published meanwhile is not in it
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			return upstream.Keyset{}, ctx.Err()
		}
	}
	if trouble != nil {
		return trouble()
	}
	answer := upstream.Keyset{MaxAge: -1, Validators: upstream.Validators{ETag: r.Header().Get("ETag")}}
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

func (b *keysBench) call(v upstream.Validators) *httptest.ResponseRecorder {
	u, err := url.Parse(b.upstream.KeysURL(standin.Stack))
	if err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, u.RequestURI(), nil)
	if v.ETag != "" {
		r.Header.Set("If-None-Match", v.ETag)
	}
	w := httptest.NewRecorder()
	b.upstream.ServeHTTP(w, r)
	return w
}

// fetched counts the calls of the upstream so far.
func (b *keysBench) fetched() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.attempts)
}

// history is a copy of all calls.
func (b *keysBench) history() []keysAttempt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]keysAttempt(nil), b.attempts...)
}

// behave sets how the upstream answers from now on.
func (b *keysBench) behave(latency time.Duration, trouble func() (upstream.Keyset, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latency, b.trouble = latency, trouble
}

// down is an upstream that fails, asking for patience.
func down(after time.Duration) func() (upstream.Keyset, error) {
	return func() (upstream.Keyset, error) {
		return upstream.Keyset{}, &upstream.Error{Meaning: upstream.Unavailable, RetryAfter: after}
	}
}

// body is an upstream that answers 200 with text.
func body(text string) func() (upstream.Keyset, error) {
	return func() (upstream.Keyset, error) { return upstream.Keyset{Body: []byte(text), MaxAge: -1}, nil }
}

// look asks for a key id until it is decided, as a lookup does: keysChanged
// means that the key is there, or for no key id that there is a set.
func (b *keysBench) look(kid string) (finding, time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), DefaultDeadline)
	defer cancel()
	for {
		tried := b.current.Load()
		if tried != nil && (kid == "" || tried.set.Find(kid) != nil) {
			return keysChanged, 0
		}
		if f, wait := b.seek(ctx, fair.ID{}, kid, tried, func() {}); f != keysChanged {
			return f, wait
		}
	}
}

// wantLook fails unless looking for kid comes to want.
func (b *keysBench) wantLook(what, kid string, want finding) (wait time.Duration) {
	b.t.Helper()
	f, wait := b.look(kid)
	if f != want {
		b.t.Errorf("%s: finding %d, want %d", what, f, want)
	}
	if f == keysPending && wait <= 0 {
		b.t.Errorf("%s: pending without a time to come again", what)
	}
	return wait
}

// wantFetched fails unless there were n calls of the upstream.
func (b *keysBench) wantFetched(what string, n int) {
	b.t.Helper()
	if got := b.fetched(); got != n {
		b.t.Errorf("%s: %d fetches, want %d: %v", what, got, n, b.history())
	}
}

// signer is the id of the key that signs normal users' tokens now.
func (b *keysBench) signer() string {
	kid, plausible := keyset.KeyID([]byte(b.upstream.StackToken(standin.TokenSpec{})))
	if !plausible {
		b.t.Fatal("the stand-in's token names no key")
	}
	return kid
}

func bogus(i int) string { return fmt.Sprintf("bogus-%d", i) }
