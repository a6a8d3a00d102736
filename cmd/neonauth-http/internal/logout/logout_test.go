package logout

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a receiver and a daemon that answers as it is told.
type rig struct {
	*Receiver
	t      *testing.T
	socket string
	log    bytes.Buffer

	mu     sync.Mutex
	reply  string
	asked  []string // requests without their tags
	counts map[protocol.Status]int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "nl-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &rig{t: t, socket: filepath.Join(dir, "s"), reply: "OK ended=session changed=1", counts: map[protocol.Status]int{}}
	daemon := NewClient(r.socket)
	t.Cleanup(func() { _ = daemon.Close() })
	r.Receiver = &Receiver{
		Daemon: daemon,
		Count:  func(s protocol.Status) { r.mu.Lock(); defer r.mu.Unlock(); r.counts[s]++ },
		Log:    slog.New(program.NewRare(slog.NewTextHandler(&r.log, nil))),
	}
	return r
}

// listen lets the daemon answer until the end of the test.
func (r *rig) listen() {
	ln, err := net.Listen("unix", r.socket)
	if err != nil {
		r.t.Error(err)
		return
	}
	var all sync.WaitGroup
	r.t.Cleanup(func() { _ = r.Daemon.Close(); _ = ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.answer(conn) })
		}
	})
}

func (r *rig) answer(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewScanner(conn); in.Scan(); {
		tag, line, _ := strings.Cut(in.Text(), " ")
		r.mu.Lock()
		r.asked = append(r.asked, line)
		reply := r.reply
		r.mu.Unlock()
		if reply == "" {
			continue
		}
		if _, err := conn.Write([]byte(tag + " " + reply + "\n")); err != nil {
			return
		}
	}
}

// says sets the daemon's reply from now on; "" is none.
func (r *rig) says(reply string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reply, r.asked = reply, nil
}

func (r *rig) questions() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.asked...)
}

const formType = "application/x-www-form-urlencoded"

func (r *rig) post(path, kind, body string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	q.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w
}

// wantFailure checks the response to a failure: JSON of section 2.8, never cached, never
// a redirect.
func wantFailure(t *testing.T, what string, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	var said map[string]string
	h := w.Result().Header
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != status || len(said) != 2 || said["error"] == "" || said["error_description"] == "" ||
		h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" || h.Get("Location") != "" {
		t.Errorf("%s: %d %v %s, want %d", what, w.Code, h, w.Body, status)
	}
}

func TestEachReplyOfTheDaemonBecomesAnAnswer(t *testing.T) {
	r := newRig(t)
	r.listen()
	for reply, want := range map[string]struct {
		status int
		retry  string
	}{
		"OK ended=session changed=1":           {200, ""},
		"OK ended=subject changed=0":           {200, ""},
		"NO expired":                           {400, ""},
		"NO a-new-reason":                      {400, ""},
		"ERR keys-pending retry-after=7 later": {503, "7"},
		"ERR unavailable in force, not saved":  {503, "1"},
		"ERR misconfigured set it":             {503, "1"},
		"ERR busy retry-after=1":               {503, "1"},
		"ERR forbidden":                        {503, "1"},
		"ERR unknown-verb":                     {503, "1"},
		"ERR unknown-project":                  {404, ""},
		"garbage":                              {503, "1"},
	} {
		r.says(reply)
		w := r.post("/logout/main", formType, "logout_token=a.b.c")
		if want.status == http.StatusOK {
			if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || w.Body.Len() > 0 {
				t.Errorf("%s: %d %v %s", reply, w.Code, w.Header(), w.Body)
			}
		} else {
			wantFailure(t, reply, w, want.status)
		}
		if got := w.Header().Get("Retry-After"); got != want.retry {
			t.Errorf("%s: Retry-After %q, want %q", reply, got, want.retry)
		}
		if asked := r.questions(); len(asked) != 1 || asked[0] != "LOGOUT project=main a.b.c" {
			t.Errorf("%s: asked %q", reply, asked)
		}
	}
	if r.counts[protocol.OK] != 2 || r.counts[protocol.NO] != 2 || r.counts[protocol.ERR] != 8 {
		t.Errorf("counted %v", r.counts)
	}
	if strings.Contains(r.log.String(), "a.b.c") || !strings.Contains(r.log.String(), "misconfigured") {
		t.Errorf("log: %s", r.log.String())
	}
}

// TestOnlyALogoutRequestReachesTheDaemon, without other parameters of the sender.
func TestOnlyALogoutRequestReachesTheDaemon(t *testing.T) {
	r := newRig(t)
	r.listen()
	long := strings.Repeat("t", protocol.MaxToken)
	body := func(n int) string {
		return "logout_token=a.b.c&x=" + strings.Repeat("x", n-len("logout_token=a.b.c&x="))
	}
	for _, c := range []struct {
		name, path, kind, body string
		status                 int
	}{
		{"plain", "/logout/main", formType, "logout_token=a.b.c", 200},
		{"with a charset", "/logout/main", "Application/X-WWW-Form-Urlencoded; charset=utf-8", "logout_token=a.b.c", 200},
		{"with more members", "/logout/main", formType, "x=1&logout_token=a.b.c&y=%0a", 200},
		{"with a query", "/logout/main?logout_token=d.e.f&project=other", formType, "logout_token=a.b.c", 200},
		{"another project", "/logout/a-B_c.1", formType, "logout_token=a.b.c", 200},
		{"longest name but one", "/logout/" + strings.Repeat("n", 31), formType, "logout_token=a.b.c", 200},
		{"longest name", "/logout/" + strings.Repeat("n", 32), formType, "logout_token=a.b.c", 200},
		{"longer name", "/logout/" + strings.Repeat("n", 33), formType, "logout_token=a.b.c", 404},
		{"longest body but one", "/logout/main", formType, body(MaxBody - 1), 200},
		{"longest body", "/logout/main", formType, body(MaxBody), 200},
		{"longer body", "/logout/main", formType, body(MaxBody + 1), 413},
		{"longest token but one", "/logout/main", formType, "logout_token=" + long[1:], 200},
		{"longest token", "/logout/main", formType, "logout_token=" + long, 200},
		{"longer token", "/logout/main", formType, "logout_token=" + long + "t", 400},
		{"no project", "/logout/", formType, "logout_token=a.b.c", 404},
		{"no slash", "/logout", formType, "logout_token=a.b.c", 404},
		{"two slashes", "//logout/main", formType, "logout_token=a.b.c", 404},
		{"more path", "/logout/main/", formType, "logout_token=a.b.c", 404},
		{"encoded path", "/logout/m%61in", formType, "logout_token=a.b.c", 404},
		{"dots", "/logout/../nginx", formType, "logout_token=a.b.c", 404},
		{"the other listener's", "/nginx", formType, "logout_token=a.b.c", 404},
		{"no type", "/logout/main", "", "logout_token=a.b.c", 400},
		{"JSON", "/logout/main", "application/json", `{"logout_token":"a.b.c"}`, 400},
		{"multipart", "/logout/main", "multipart/form-data; boundary=x", "--x--", 400},
		{"no body", "/logout/main", formType, "", 400},
		{"no token", "/logout/main", formType, "token=a.b.c", 400},
		{"empty token", "/logout/main", formType, "logout_token=", 400},
		{"two tokens", "/logout/main", formType, "logout_token=a.b.c&logout_token=a.b.c", 400},
		{"wrongly encoded", "/logout/main", formType, "logout_token=%zz", 400},
		{"with a blank", "/logout/main", formType, "logout_token=a.b.c+d", 400},
		{"a second line", "/logout/main", formType, "logout_token=" + url.QueryEscape("a.b.c\nREVOKE key x"), 400},
		{"a field", "/logout/main", formType, "logout_token=project%3Dother", 400},
	} {
		r.says("OK ended=session changed=1")
		w := r.post(c.path, c.kind, c.body)
		asked := r.questions()
		if c.status != http.StatusOK {
			wantFailure(t, c.name, w, c.status)
			if len(asked) > 0 {
				t.Errorf("%s: asked %q", c.name, asked)
			}
		} else if w.Code != http.StatusOK || len(asked) != 1 || strings.Contains(asked[0], "d.e.f") || strings.Contains(asked[0], "project=other") {
			t.Errorf("%s: %d, asked %.80q", c.name, w.Code, asked)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodOptions, http.MethodConnect} {
		q := httptest.NewRequest(method, "/logout/main?logout_token=a.b.c", nil)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		if wantFailure(t, method, w, http.StatusMethodNotAllowed); w.Header().Get("Allow") != http.MethodPost {
			t.Errorf("%s: Allow %q", method, w.Header().Get("Allow"))
		}
	}
}

// TestARestartOfTheDaemonCostsNoLogout. The logout would be lost, because its sender
// tries only once.
func TestARestartOfTheDaemonCostsNoLogout(t *testing.T) {
	r := newRig(t)
	answered := make(chan int)
	go func() { answered <- r.post("/logout/main", formType, "logout_token=a.b.c").Code }()
	timer := time.NewTimer(4 * retryPause)
	select {
	case code := <-answered:
		t.Fatalf("%d before there is a daemon", code)
	case <-timer.C:
	}
	r.listen()
	if code := <-answered; code != http.StatusOK {
		t.Errorf("%d after it has come", code)
	}
}

// TestASenderThatLeavesCostsNoLogout. It would not send the token again, so the receiver
// goes on without it, also across a restart of the daemon.
func TestASenderThatLeavesCostsNoLogout(t *testing.T) {
	r := newRig(t)
	left, leave := context.WithCancel(t.Context())
	leave()
	q := httptest.NewRequestWithContext(left, http.MethodPost, "/logout/main", strings.NewReader("logout_token=a.b.c"))
	q.Header.Set("Content-Type", formType)
	w, answered := httptest.NewRecorder(), make(chan struct{})
	go func() { defer close(answered); r.ServeHTTP(w, q) }()
	r.listen()
	<-answered
	if asked := r.questions(); w.Code != http.StatusOK || len(asked) != 1 || r.counts[protocol.OK] != 1 || r.log.Len() > 0 {
		t.Errorf("%d, asked %q, counted %v, log %s", w.Code, asked, r.counts, r.log.String())
	}
}

// TestNoAnswerIsNoRefusal, and comes within the sender's time. The log says why there is none.
func TestNoAnswerIsNoRefusal(t *testing.T) {
	if Timeout >= 5*time.Second {
		t.Errorf("a sender waits five seconds, not %s", Timeout)
	}
	for name, c := range map[string]struct {
		listens bool
		reply   string
		log     string
	}{
		"away":     {false, "", "not reachable"},
		"silent":   {true, "", "did not answer about a logout token in time"},
		"no reply": {true, "garbage", "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.within = 7 * retryPause / 2 // as if the time were nearly over
			if r.says(c.reply); c.listens {
				r.listen()
			}
			wantFailure(t, name, r.post("/logout/main", formType, "logout_token=a.b.c"), http.StatusServiceUnavailable)
			if log := r.log.String(); r.counts[protocol.ERR] != 1 || strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, c.log) {
				t.Errorf("counted %v, log %s", r.counts, log)
			}
		})
	}
}
