package hooks

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/webhook"
)

// TestWhatTheDaemonIsTold: for each kind of event the daemon gets these requests, in this
// order. If a delivery comes twice, the daemon gets them twice.
func TestWhatTheDaemonIsTold(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"type":"user.created","data":{"id":"ada"}}`:                  "PURGE project=main subject ada",
		`{"type":"user.updated","data":{"id":"ada"}}`:                  "PURGE project=main subject ada",
		`{"type":"user.deleted","data":{"id":"ada"}}`:                  "REVOKE project=main reason=user%20deleted%20(webhook) subject ada\nPURGE project=main subject ada",
		`{"type":"user.updated","data":{"id":"a b=c\u00e9"}}`:          "PURGE project=main subject a%20b=c%C3%A9",
		`{"type":"team_membership.created","data":{"user_id":"ada"}}`:  "PURGE project=main subject ada",
		`{"type":"team_permission.deleted","data":{"user_id":"ada"}}`:  "PURGE project=main subject ada",
		`{"type":"project_permission.new","data":{"user_id":"ada"}}`:   "PURGE project=main subject ada",
		`{"type":"team.deleted","data":{"id":"ada","user_id":"ada"}}`:  "",
		`{"type":"session.revoked","data":{"id":"a","user_id":"ada"}}`: "",
	} {
		s := newTestService(t, does)
		for n := 1; n <= 2; n++ {
			if w := s.deliver(t, body); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
			if got := s.daemon.asked(); got != strings.TrimSuffix(strings.Repeat(want+"\n", n), "\n") && want != "" || want == "" && got != "" {
				t.Errorf("%s, for the %d. time:\n%s\nwant\n%s", body, n, got, want)
			}
		}
	}
}

// TestOnlyWhatIsDoneIsAcknowledged: a 2xx means that the daemon has confirmed everything
// that the event requires.
func TestOnlyWhatIsDoneIsAcknowledged(t *testing.T) {
	t.Parallel()
	const whole = "OK changed=1 entries=1 reached=3 of=3"
	for _, c := range []struct {
		revoke, purge string
		want          result
	}{
		{"OK changed=1 entries=1", "OK entries=0", done},
		{"OK changed=0 entries=1", "OK entries=0", done},
		{whole, "OK entries=1 reached=3 of=3", done},
		{whole, "OK entries=1 reached=2 of=3", partly},
		{"OK changed=1 entries=1 reached=2 of=3", "OK entries=1 reached=3 of=3", partly},
		{whole, "OK entries=1 reached=3 of=3 silent=1", partly},
		{whole, "OK entries=1 reached=1 of=1 fleet=blind", partly},
		{"ERR unavailable in force, but not saved", "OK entries=0", unavailable},
		{whole, "ERR unavailable", unavailable},
		{"ERR busy retry-after=1", "OK entries=0", unavailable},
		{"ERR bad-request", "OK entries=0", unavailable},
		{"ERR forbidden", "OK entries=0", unavailable},
		{"ERR unknown-project", "OK entries=0", unavailable},
		{"ERR a-code-to-come", "OK entries=0", unavailable},
		{"NO revoked", "OK entries=0", unavailable},
		{"OK", "OK entries=0", unavailable},
		{"OK changed=1 entries=1", "OK", unavailable},
	} {
		s := newTestService(t, func(line string) string {
			if strings.HasPrefix(line, "REVOKE ") {
				return c.revoke
			}
			return c.purge
		})
		w := s.deliver(t, `{"type":"user.deleted","data":{"id":"ada"}}`)
		if w.Code != c.want.status() || (w.Code == http.StatusNoContent) != (c.want != unavailable) {
			t.Errorf("%q, %q: %d", c.revoke, c.purge, w.Code)
		}
		if page := s.scrape(); !strings.Contains(page, sample("main", "user.deleted", c.want, 1)) {
			t.Errorf("%q, %q: not counted as %s", c.revoke, c.purge, c.want)
		}
		if c.want == unavailable && !strings.Contains(s.log.String(), "level=ERROR") || c.want == partly && !strings.Contains(s.log.String(), "level=WARN") {
			t.Errorf("%q, %q: the log says %s", c.revoke, c.purge, s.log)
		}
	}
}

// TestADaemonThatIsAwayIsWaitedForAMoment. A daemon that hangs is not waited for longer
// than the sender waits.
func TestADaemonThatIsAwayIsWaitedForAMoment(t *testing.T) {
	for name, c := range map[string]struct {
		back time.Duration // the time until it answers again; 0: never
		dead bool          // it takes connections and answers nothing
		want result
		most time.Duration
	}{
		"restarts":     {back: restartWait - 500*time.Millisecond, want: done, most: restartWait},
		"stays away":   {want: unavailable, most: restartWait + restartPause},
		"answers none": {dead: true, want: unavailable, most: askTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestService(t, does)
				began := time.Now()
				s.Service.daemon.client = &client.Client{Timeout: askTimeout, Keep: -1, Dial: func(ctx context.Context) (net.Conn, error) {
					switch {
					case c.dead:
						ours, theirs := net.Pipe()
						go func() { _, _ = io.Copy(io.Discard, theirs) }()
						return ours, nil
					case c.back == 0 || time.Since(began) < c.back:
						return nil, net.ErrClosed
					}
					return s.daemon.dial(ctx)
				}}
				w := s.deliver(t, `{"type":"user.updated","data":{"id":"ada"}}`)
				if took := time.Since(began); w.Code != c.want.status() || took > c.most || readTimeout+took > 15*time.Second {
					t.Errorf("%d after %v", w.Code, took)
				}
				if s.presence.Away() != (c.want == unavailable) {
					t.Errorf("the daemon is called away: %v", s.presence.Away())
				}
				_ = s.Close()
			})
		})
	}
}

func TestASenderThatLeavesDoesNotStopWhatWasBegun(t *testing.T) {
	t.Parallel()
	s := newTestService(t, does)
	const text = `{"type":"user.deleted","data":{"id":"ada"}}`
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, signed(t, strings.NewReader(text), text).WithContext(ctx))
	if w.Code != http.StatusNoContent || !strings.Contains(s.daemon.asked(), "REVOKE ") {
		t.Errorf("%d, asked %q", w.Code, s.daemon.asked())
	}
}

func TestABodyHasItsBound(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]int{
		small - 1: 204, small: 204, small + 1: 204, webhook.MaxBody - 1: 204, webhook.MaxBody: 204, webhook.MaxBody + 1: 413, 2 * webhook.MaxBody: 413,
	} {
		text := updated(length)
		s := newTestService(t, does)
		if w := s.deliver(t, text); w.Code != want {
			t.Errorf("%d bytes: %d, want %d", length, w.Code, want)
		}
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, signed(t, io.MultiReader(strings.NewReader(text)), text)); w.Code != want { // this reader does not know its length
			t.Errorf("%d bytes of unknown length: %d, want %d", length, w.Code, want)
		}
	}
}

// TestLargeBodiesHaveFewPlacesAndUsualOnesNeedNone: a sender who does not know the secret
// cannot fill the memory. The connections of this test are not counted, so they do not
// lose their places.
func TestLargeBodiesHaveFewPlacesAndUsualOnesNeedNone(t *testing.T) {
	t.Parallel()
	s := newTestService(t, does)
	text := updated(small + 2)
	var writers []*io.PipeWriter
	codes := make(chan int, maxLarge)
	reading := make(chan struct{})
	for range maxLarge {
		body, writer := io.Pipe()
		writers = append(writers, writer)
		r := signed(t, io.MultiReader(strings.NewReader(text[:small+1]), tellingReader(reading), body), text)
		go func() {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			codes <- w.Code
		}()
		<-reading
	}
	if w := s.deliver(t, text); w.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", w.Code)
	}
	if w := s.deliver(t, updated(small)); w.Code != http.StatusNoContent {
		t.Errorf("a usual one: %d", w.Code)
	}
	for _, writer := range writers {
		_, _ = io.WriteString(writer, text[small+1:])
		_ = writer.Close()
		if code := <-codes; code != http.StatusNoContent {
			t.Errorf("one of them: %d", code)
		}
	}
	if w := s.deliver(t, text); w.Code != http.StatusNoContent {
		t.Errorf("afterwards: %d", w.Code)
	}
	if page := s.scrape(); !strings.Contains(page, sample("main", "unread", busy, 1)) {
		t.Error("it is not counted")
	}
}

// tellingReader returns an empty reader that tells when it is read.
func tellingReader(reading chan<- struct{}) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		reading <- struct{}{}
		return 0, io.EOF
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestWhatIsNotSignedIsNotRead: the body is not read if the headers are wrong or of
// another time.
func TestWhatIsNotSignedIsNotRead(t *testing.T) {
	t.Parallel()
	s := newTestService(t, does)
	for name, change := range map[string]func(*http.Request){
		"no id":          func(r *http.Request) { r.Header.Del("svix-id") },
		"another time":   func(r *http.Request) { r.Header.Set("svix-timestamp", "1780358000") },
		"another method": func(r *http.Request) { r.Method = http.MethodPut },
		"another path":   func(r *http.Request) { r.URL.Path = "/hooks/other" },
		"too long":       func(r *http.Request) { r.ContentLength = webhook.MaxBody + 1 },
	} {
		r := signed(t, readerFunc(func([]byte) (int, error) {
			t.Errorf("%s: the body is read", name)
			return 0, io.EOF
		}), "")
		change(r)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	r := signed(t, iotest.ErrReader(io.ErrUnexpectedEOF), "")
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != http.StatusRequestTimeout {
		t.Errorf("a body that does not come: %d", w.Code)
	}
	if s.daemon.asked() != "" {
		t.Errorf("the daemon was asked %q", s.daemon.asked())
	}
}

// TestAFaultOfOursIsTriedAgain. The log line repeats nothing of the delivery.
func TestAFaultOfOursIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newTestService(t, does)
	r := signed(t, readerFunc(func([]byte) (int, error) { panic("canary") }), "")
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != http.StatusInternalServerError {
		t.Errorf("%d", w.Code)
	}
	if log := s.log.String(); !strings.Contains(log, "a fault of ours; please report this line") || strings.Contains(log, "canary") {
		t.Errorf("the log says %s", log)
	}
	if page := s.scrape(); !strings.Contains(page, "\nneonauth_hooks_panics_total 1\n") || !strings.Contains(page, sample("main", "unread", fault, 1)) {
		t.Error("it is not counted")
	}
}

func TestItKnowsThatItIsAlive(t *testing.T) {
	t.Parallel()
	s := newTestService(t, does)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if page := s.scrape(); !strings.Contains(page, sample("main", "unread", badHeaders, 0)) {
		t.Error("looking after itself is counted as a delivery")
	}
}

// TestComplaintsAreRare: anybody can cause them.
func TestComplaintsAreRare(t *testing.T) {
	t.Parallel()
	s := newTestService(t, does)
	for range 100 {
		r := signed(t, strings.NewReader("{}"), "other")
		s.ServeHTTP(httptest.NewRecorder(), r)
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/canary", http.NoBody))
	}
	if n := strings.Count(s.log.String(), "\n"); n != 1 || !strings.Contains(s.log.String(), "none of the project's secrets") {
		t.Errorf("%d lines: %s", n, s.log)
	}
}
