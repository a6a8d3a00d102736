package hooks

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// theTime is the time of all tests.
var theTime = time.Unix(1780358400, 0)

// secretOf returns a secret made from a letter.
func secretOf(letter string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 24)))
}

// fakeDaemon answers every line with what answer returns, and remembers the lines.
type fakeDaemon struct {
	mu     sync.Mutex
	lines  []string
	answer func(line string) string
}

func (d *fakeDaemon) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		in := bufio.NewReader(theirs)
		for {
			text, err := in.ReadString('\n')
			if err != nil {
				return
			}
			tag, line, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
			d.mu.Lock()
			d.lines = append(d.lines, line)
			d.mu.Unlock()
			if _, err := io.WriteString(theirs, tag+" "+d.answer(line)+"\n"); err != nil {
				return
			}
		}
	}()
	return ours, nil
}

// asked returns the lines so far.
func (d *fakeDaemon) asked() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, "\n")
}

// testService is a Service before a fakeDaemon, with a project main that has secretOf("a").
type testService struct {
	*Service
	daemon *fakeDaemon
	log    *bytes.Buffer
}

func newTestService(t *testing.T, answer func(line string) string) *testService {
	t.Helper()
	set, err := Load(configured(t, "[[project]]\nname = \"main\"\nsecrets = [\"./s\"]\n", map[string]string{"s": secretOf("a")}))
	if err != nil {
		t.Fatal(err)
	}
	s := &testService{daemon: &fakeDaemon{answer: answer}, log: new(bytes.Buffer)}
	s.Service = New("dev", "", set, slog.New(slog.NewTextHandler(s.log, nil)), func() time.Time { return theTime })
	s.Service.daemon.client.Dial = s.daemon.dial
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func does(string) string { return "OK changed=1 entries=1" }

// configured writes a configuration and the files that it names, and returns its
// path.
func configured(t *testing.T, text string, files map[string]string) string {
	t.Helper()
	dir := need.Folder(t)
	path := filepath.Join(dir, "hooks.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// signed returns a delivery of a body, signed with secretOf("a").
func signed(t *testing.T, body io.Reader, text string) *http.Request {
	t.Helper()
	hook, err := standardwebhooks.NewWebhook(secretOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := hook.Sign("msg_1", theTime, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/hooks/main", body)
	r.Header.Set("svix-id", "msg_1")
	r.Header.Set("svix-timestamp", strconv.FormatInt(theTime.Unix(), 10))
	r.Header.Set("svix-signature", signature)
	return r
}

func (s *testService) deliver(t *testing.T, text string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, signed(t, strings.NewReader(text), text))
	return w
}

func (s *testService) scrape() string {
	w := httptest.NewRecorder()
	s.Status().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	return w.Body.String()
}

// updated returns a delivery about a user, padded to a length.
func updated(length int) string {
	const head, tail = `{"type":"user.updated","data":{"id":"ada","m":"`, `"}}`
	return head + strings.Repeat("x", length-len(head)-len(tail)) + tail
}

func sample(project, event string, is result, n int) string {
	return fmt.Sprintf("\nneonauth_hooks_deliveries_total{project=%q,event=%q,result=%q} %d\n", project, event, string(is), n)
}
