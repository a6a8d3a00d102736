// Package httpauthtest plays the cases of client/testdata/httpauth, each of
// which is a request and the expected response, with an http.Handler.
package httpauthtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// Case is a request with what is expected of the guard.
type Case struct {
	Name     string
	Method   string   // "" is GET
	Headers  []string // "Name: value"
	Places   []string
	Token    string // the guard's search in one place: "bearer" or "cookie:NAME"; "" is none
	Profile  bool
	Realm    string
	Optional bool

	// The requirements for the user.
	EmailVerified bool `json:"email_verified"`
	Team          string
	Kinds         []string
	Scopes        []string

	Resource string // the address of the protected resource that the guard is configured with; "": none

	Asked      []string
	User       string // "" is a refusal
	Status     int
	Challenge  string
	RetryAfter string `json:"retry_after"`

	// Joined is for interfaces that join repeated headers.
	Joined json.RawMessage
}

// Play plays each case of a file in a test of its own, with the handler that
// start makes for it. user returns the user for whom the response says that the
// request got through; "" for a refusal.
func Play(t *testing.T, path string, start func(*testing.T, *client.Client, Case) http.Handler, user func(*http.Response) string) {
	t.Helper()
	replies, cases := load(t, path)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			d := &daemon{replies: replies}
			asks := d.client(t)
			w := httptest.NewRecorder()
			start(t, asks, c).ServeHTTP(w, c.request(t))
			c.check(t, w.Result(), user, d.tokens())
		})
	}
}

func load(t *testing.T, path string) (replies map[string]string, cases []Case) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Daemon map[string]string
		Cases  []Case
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(file.Cases) == 0 || len(file.Daemon) == 0 {
		t.Fatalf("%s has no cases", path)
	}
	return file.Daemon, file.Cases
}

// request returns the case's bytes as a server reads them.
func (c *Case) request(t *testing.T) *http.Request {
	t.Helper()
	method := c.Method
	if method == "" {
		method = http.MethodGet
	}
	text := method + " / HTTP/1.1\r\nHost: site.example\r\n" + strings.Join(append(c.Headers, "\r\n"), "\r\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	return r.WithContext(t.Context())
}

func (c *Case) check(t *testing.T, got *http.Response, user func(*http.Response) string, asked []string) {
	t.Helper()
	if !slices.Equal(asked, c.Asked) {
		t.Errorf("the daemon was asked about %q, want %q", asked, c.Asked)
	}
	if who := user(got); who != c.User || c.User == "" && got.StatusCode != c.Status {
		t.Errorf("%d for %q, want %d for %q", got.StatusCode, who, c.Status, c.User)
	}
	if !reflect.DeepEqual(got.Header.Values("WWW-Authenticate"), values(c.Challenge)) {
		t.Errorf("challenge is %q, want %q", got.Header.Values("WWW-Authenticate"), c.Challenge)
	}
	if !reflect.DeepEqual(got.Header.Values("Retry-After"), values(c.RetryAfter)) {
		t.Errorf("Retry-After is %q, want %q", got.Header.Values("Retry-After"), c.RetryAfter)
	}
	if c.User == "" && got.Header.Get("Cache-Control") != "no-store" {
		t.Error("a refusal could be cached")
	}
}

func values(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// Client returns a client of a daemon that answers each lookup with the line
// for its token in replies. Both end with the test.
func Client(t *testing.T, replies map[string]string) *client.Client {
	t.Helper()
	return (&daemon{replies: replies}).client(t)
}

// daemon answers each lookup by its token, and notes the lookup.
type daemon struct {
	replies map[string]string

	mu    sync.Mutex
	asked []string
}

func (d *daemon) client(t *testing.T) *client.Client {
	t.Helper()
	c := &client.Client{Keep: -1, Dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go d.serve(far)
		return near, nil
	}}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (d *daemon) serve(conn net.Conn) {
	defer conn.Close()
	lines := protocol.NewLineReader(conn, protocol.MaxRequestLine)
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		var r protocol.Request
		if protocol.ParseRequest(line, &r) != nil {
			return
		}
		if _, err := fmt.Fprintf(conn, "@%s %s\n", r.Tag, d.reply(protocol.Verb(r.Verb), string(r.Args[0]))); err != nil {
			return
		}
	}
}

func (d *daemon) reply(verb protocol.Verb, token string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, token)
	reply, ok := d.replies[token]
	if !ok {
		return "NO " + string(protocol.ReasonBadSignature)
	}
	level := protocol.LevelClaims
	if verb == protocol.PROFILE {
		level = protocol.LevelProfile
	}
	return strings.ReplaceAll(reply, "LEVEL", level)
}

func (d *daemon) tokens() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.asked...)
}
