package standin

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/distort"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

func TestFaultsThatReplaceTheAnswer(t *testing.T) {
	s := serve(t, Options{})
	user := s.AddUser(User{Email: "ada@example.org"})
	access := s.serverAccess(s.StackToken(TokenSpec{Subject: user.ID}))
	cases := []struct {
		name     string
		endpoint Endpoint
		path     string
		fault    Fault
		status   int
		header   map[string]string
		body     string
	}{
		{"429 of Stack", Me, mePath, Fault{Kind: Status, Status: 429, RetryAfter: "7"}, 429,
			map[string]string{"Retry-After": "7", "X-Retry-After": "", "Content-Type": "application/json; charset=utf-8"}, `{"message":"Too many requests"}`},
		{"429 of Neon", GetSession, sessionPath, Fault{Kind: Status, Status: 429, XRetryAfter: "5"}, 429,
			map[string]string{"X-Retry-After": "5", "Retry-After": "", "Content-Type": "text/plain;charset=UTF-8"}, neonAnswers(t)["rate-limited"].Body},
		{"500 of Neon", GetSession, sessionPath, Fault{Kind: Status, Status: 500}, 500,
			map[string]string{"Content-Type": "application/json"}, neonAnswers(t)["database-down"].Body},
		{"502 of a platform", Userinfo, "/oidc/userinfo", Fault{Kind: Status, Status: 502}, 502,
			map[string]string{"Content-Type": "text/html"}, "<h1>502</h1>"},
		{"503 by default", Discovery, "/oidc/.well-known/openid-configuration", Fault{Kind: Status}, 503, nil, "<h1>503</h1>"},
		{"known error", Me, mePath, Fault{Kind: KnownError, Code: "INVALID_SECRET_SERVER_KEY"}, 401,
			map[string]string{"X-Stack-Known-Error": "INVALID_SECRET_SERVER_KEY"}, fixtureErrors(t)["INVALID_SECRET_SERVER_KEY"][0].Body},
		{"wrapped", Me, mePath, Fault{Kind: Wrapped}, 200,
			map[string]string{"X-Stack-Known-Error": "UNPARSABLE_ACCESS_TOKEN", "X-Stack-Actual-Status": "401"}, fixtureErrors(t)["UNPARSABLE_ACCESS_TOKEN"][0].Body},
		{"answer", Me, mePath, Fault{Kind: Answer, Status: 418, Header: http.Header{"x-odd": {"1"}}, Body: "short and stout"}, 418,
			map[string]string{"X-Odd": "1"}, "short and stout"},
		{"redirect", StackKeys, stackKeysPath, Fault{Kind: Redirect, Status: 307, Location: "http://127.0.0.1:1/elsewhere"}, 307,
			map[string]string{"Location": "http://127.0.0.1:1/elsewhere"}, ""},
		{"empty keys", Keys, stackKeysPath, Fault{Kind: EmptyKeys}, 200, nil, `{"keys":[]}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.fault.Times = 1
			s.Inject(c.endpoint, c.fault)
			got := s.get(t, c.path, access...)
			if got.status != c.status || got.body != c.body {
				t.Errorf("%d %q, want %d %q", got.status, got.body, c.status, c.body)
			}
			for name, value := range c.header {
				if have := got.header.Get(name); have != value {
					t.Errorf("%s: %q, want %q", name, have, value)
				}
			}
			if again := s.get(t, c.path, access...); again.body == c.body && c.body != "" {
				t.Errorf("the fault outlived its one call: %q", again.body)
			}
		})
	}
}

func TestInternalErrorCarriesARequestID(t *testing.T) {
	s := serve(t, Options{})
	s.Inject(Me, Fault{Kind: Status, Status: 500})
	got := s.get(t, mePath)
	if id := got.header.Get("X-Hexclave-Request-Id"); got.status != 500 || id == "" || got.body != stackauth.InternalErrorText(id) {
		t.Errorf("%d %q %q", got.status, id, got.body)
	}
}

func TestFaultsThatBreakTheConnection(t *testing.T) {
	s := serve(t, Options{})
	s.Inject(Keys, Fault{Kind: Reset, Times: 1}, Fault{Kind: Truncate, Times: 1}, Fault{Kind: EndlessHeaders, Times: 1})
	if _, err := s.try(t.Context(), http.MethodGet, stackKeysPath, ""); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
	if got, err := s.try(t.Context(), http.MethodGet, stackKeysPath, ""); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(got.body, `{"keys":[{"kty"`) {
		t.Errorf("truncated: %v %q", err, got.body)
	}
	if _, err := s.try(t.Context(), http.MethodGet, stackKeysPath, ""); err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("endless headers: %v", err)
	}
	if got := s.get(t, stackKeysPath); got.status != http.StatusOK || len(kids(t, got.body)) != 2 {
		t.Errorf("afterwards: %d", got.status)
	}
}

func TestHangEndsWithTheCaller(t *testing.T) {
	s := serve(t, Options{})
	s.Inject(Any, Fault{Kind: Hang})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.try(ctx, http.MethodGet, mePath, "")
		done <- err
	}()
	if err := s.AwaitCalls(t.Context(), Me, 1); err != nil {
		t.Fatal(err)
	}
	if s.Running(Me) != 1 || s.Running(Any) != 1 {
		t.Errorf("running: %d, %d", s.Running(Me), s.Running(Any))
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := s.AwaitIdle(t.Context(), Me); err != nil {
		t.Errorf("the server still hangs: %v", err)
	}
}

func TestUntilHoldsAnswersBack(t *testing.T) {
	s := serve(t, Options{})
	gate := make(chan struct{})
	s.Inject(Keys, Fault{Until: gate})
	const n = 3
	done := make(chan int, n)
	for range n {
		go func() {
			got, _ := s.try(context.Background(), http.MethodGet, stackKeysPath, "")
			done <- got.status
		}()
	}
	if err := s.AwaitCalls(t.Context(), Keys, n); err != nil {
		t.Fatal(err)
	}
	close(gate)
	for range n {
		if status := <-done; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if s.PeakCalls(StackKeys) != n {
		t.Errorf("peak %d, want %d", s.PeakCalls(StackKeys), n)
	}
}

func TestBodiesWithoutEnd(t *testing.T) {
	s := serve(t, Options{})
	const size = 3 << 20
	s.Inject(Keys, Fault{Kind: Huge, Size: size, Times: 1}, Fault{Kind: GzipBomb, Size: size, Times: 1})
	if got := s.get(t, stackKeysPath); len(got.body) < size || got.header.Get("Content-Length") != "" {
		t.Errorf("huge: %d bytes", len(got.body))
	}
	got := s.get(t, stackKeysPath)
	unpacked, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil || got.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v, %q", err, got.header.Get("Content-Encoding"))
	}
	n, err := io.Copy(io.Discard, unpacked)
	if n != size || err != nil || len(got.body) > size/100 {
		t.Errorf("bomb: %d bytes unpack to %d, %v", len(got.body), n, err)
	}
}

func TestDripAndDelayTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{ProjectID: fixtureProject})
		began := time.Now()
		call := func() string {
			client, server := net.Pipe()
			listener := &oneConn{conn: make(chan net.Conn, 1), done: make(chan struct{})}
			listener.conn <- server
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx, listener) }()
			io.WriteString(client, "GET "+stackKeysPath+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			response, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			client.Close()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
			return string(body)
		}
		s.Inject(Keys, Fault{Latency: 2 * time.Second, Times: 1}, Fault{Kind: Drip, Interval: time.Second, Times: 1})
		plain := call()
		if took := time.Since(began); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("delay took %v", took)
		}
		began = time.Now()
		if dripped := call(); dripped != plain {
			t.Errorf("%q", dripped)
		}
		if took := time.Since(began); took < time.Duration(len(plain)-1)*time.Second {
			t.Errorf("%d bytes dripped in %v", len(plain), took)
		}
	})
}

// oneConn is a listener with one connection, for a bubble that must not touch the network.
type oneConn struct {
	conn chan net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func TestOddKeysSurroundTheGood(t *testing.T) {
	s := serve(t, Options{})
	s.SetCaching(Stack, "", true)
	tag := s.get(t, stackKeysPath).header.Get("ETag")
	s.Inject(Keys, Fault{Kind: OddKeys})
	got := s.get(t, stackKeysPath, "If-None-Match", tag)
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(got.body), &set); err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, k := range set.Keys {
		if slices.ContainsFunc(s.KeyIDs(Stack), func(kid string) bool { return strings.Contains(string(k), kid) }) {
			good++
		}
	}
	if good != 2 || len(set.Keys) != 2+len(distort.OddKeys()) || got.header.Get("ETag") != "" {
		t.Errorf("%d good keys of %d", good, len(set.Keys))
	}
}

func TestProfilesOfOthersAndOfAnySize(t *testing.T) {
	s := serve(t, Options{})
	user, session := signIn(t, s)
	s.SetProfile(user.ID, "profile_image_url", nil)
	requests := []struct {
		endpoint Endpoint
		path     string
		headers  []string
	}{
		{Me, mePath, s.serverAccess(session.AccessToken)},
		{GetSession, authoritative, cookieHeader(session.NeonCookie)},
		{Userinfo, "/oidc/userinfo", []string{"Authorization", "Bearer " + session.OIDCToken}},
	}
	for _, c := range requests {
		t.Run(string(c.endpoint), func(t *testing.T) {
			genuine := s.get(t, c.path, c.headers...)
			s.Inject(c.endpoint, Fault{Kind: OtherUser, Subject: "0ddba11a-0000-4000-8000-000000000000", Times: 1})
			other := s.get(t, c.path, c.headers...)
			if distort.ProfileID([]byte(other.body)) != "0ddba11a-0000-4000-8000-000000000000" || strings.Contains(other.body, user.ID) {
				t.Errorf("%s", other.body)
			}
			const size = 5000
			s.Inject(c.endpoint, Fault{Kind: PadProfile, Size: size, Times: 1})
			padded := s.get(t, c.path, c.headers...)
			if len(padded.body) != size || !json.Valid([]byte(padded.body)) || distort.ProfileID([]byte(padded.body)) != user.ID {
				t.Errorf("%d bytes: %.200s", len(padded.body), padded.body)
			}
			if got, want := memberNames(t, []byte(padded.body)), memberNames(t, []byte(genuine.body)); !slices.Equal(got, want) {
				t.Errorf("members %v, want %v", got, want)
			}
		})
	}
}

func TestNarrowFaultsComeFirstAndQueue(t *testing.T) {
	s := serve(t, Options{})
	s.Inject(Any, Fault{Kind: Status, Status: 502})
	s.Inject(Keys, Fault{Kind: Status, Status: 504, Times: 1}, Fault{Kind: Status, Status: 503, Times: 2})
	s.Inject(NeonKeys, Fault{})
	var got []int
	for range 4 {
		got = append(got, s.get(t, stackKeysPath).status)
	}
	if want := []int{504, 503, 503, 502}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := s.get(t, "/neondb/auth/.well-known/jwks.json").status; got != http.StatusOK {
		t.Errorf("narrow fault: %d", got)
	}
	s.Clear(Any)
	if got := s.get(t, stackKeysPath).status; got != http.StatusOK {
		t.Errorf("cleared: %d", got)
	}
	if s.Calls(StackKeys) != 5 || s.Calls(NeonKeys) != 1 || s.Calls(Keys) != 6 || s.Calls(Any) != 6 || s.Calls(Me) != 0 {
		t.Errorf("calls: %d %d %d %d %d", s.Calls(StackKeys), s.Calls(NeonKeys), s.Calls(Keys), s.Calls(Any), s.Calls(Me))
	}
}
