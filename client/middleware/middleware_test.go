package middleware_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/clienttest"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/client/middleware"
	"github.com/neonauthd/neonauthd/internal/httpauthtest"
	"github.com/neonauthd/neonauthd/protocol"
)

// daemon answers every lookup according to its token.
func daemon(t *testing.T) *client.Client {
	t.Helper()
	c := &client.Client{Dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go serve(far)
		return near, nil
	}}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func serve(nc net.Conn) {
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		var r protocol.Request
		if err := protocol.ParseRequest(line, &r); err != nil {
			return
		}
		reply := "NO bad-signature"
		switch string(r.Args[0]) {
		case "good.a.b":
			reply = `OK level=` + strings.ToLower(map[string]string{"VERIFY": "claims", "PROFILE": "profile"}[string(r.Verb)]) +
				` project=main sub=user-1 age=0 ttl=60 exp=4102444800 source=cache {"a":1}`
		case "anonymous.a.b":
			reply = "NO class-not-allowed"
		case "down.a.b":
			reply = "ERR unavailable retry-after=7"
		case "far.a.b":
			reply = "ERR unavailable retry-after=86400"
		case "wrong.a.b":
			reply = "ERR misconfigured"
		}
		if _, err := fmt.Fprintf(nc, "@%s %s\n", r.Tag, reply); err != nil {
			return
		}
	}
}

// show is a handler that responds with what the context says about the user.
func show(w http.ResponseWriter, r *http.Request) {
	a, ok := middleware.From(r.Context())
	fmt.Fprintf(w, "%v %s %s", ok, a.Level, a.Subject)
}

func TestEachAnswerHasItsStatus(t *testing.T) {
	c := daemon(t)
	nobody := func(*http.Request, client.Accepted) bool { return false }
	for _, test := range []struct {
		name      string
		guard     *middleware.Guard
		headers   []string
		status    int
		challenge string
		retry     string
		body      string
	}{
		{name: "accepted", headers: []string{"Bearer good.a.b"}, status: 200, body: "true claims user-1"},
		{name: "scheme in any case", headers: []string{"bEARER  good.a.b"}, status: 200, body: "true claims user-1"},
		{name: "profile", guard: &middleware.Guard{Profile: true}, headers: []string{"Bearer good.a.b"}, status: 200, body: "true profile user-1"},
		{name: "rejected", headers: []string{"Bearer bad.a.b"}, status: 401,
			challenge: `Bearer error="invalid_token", error_description="bad-signature"`},
		{name: "rejected with realm", guard: &middleware.Guard{Realm: `a"b` + "\n"}, headers: []string{"Bearer bad.a.b"}, status: 401,
			challenge: `Bearer realm="a\"b?", error="invalid_token", error_description="bad-signature"`},
		{name: "malformed", headers: []string{"Bearer a b"}, status: 401,
			challenge: `Bearer error="invalid_token", error_description="malformed"`},
		{name: "field in place of a token", headers: []string{"Bearer project=other"}, status: 401,
			challenge: `Bearer error="invalid_token", error_description="malformed"`},
		{name: "no token", status: 401, challenge: "Bearer"},
		{name: "other scheme", headers: []string{"Basic Zm9v"}, status: 401, challenge: "Bearer"},
		{name: "other scheme that begins alike", headers: []string{"Bearerish good.a.b"}, status: 401, challenge: "Bearer"},
		{name: "bearer alone looks nowhere else", guard: &middleware.Guard{Token: middleware.Bearer}, headers: []string{"Bearer good.a.b"}, status: 200, body: "true claims user-1"},
		{name: "a search that found nothing to ask about", guard: &middleware.Guard{Token: func(*http.Request) (string, middleware.Found) { return "", middleware.FoundOne }},
			status: 401, challenge: `Bearer error="invalid_token", error_description="malformed"`},
		{name: "a search that found two tokens", guard: &middleware.Guard{Optional: true, Token: func(*http.Request) (string, middleware.Found) { return "", middleware.FoundTwo }},
			status: 400, challenge: `Bearer error="invalid_request", error_description="two-tokens"`},
		{name: "a search that cannot read the token", guard: &middleware.Guard{Optional: true, Token: func(*http.Request) (string, middleware.Found) { return "", middleware.FoundUnreadable }},
			status: 400, challenge: `Bearer error="invalid_request", error_description="unreadable-token"`},
		{name: "class not allowed", headers: []string{"Bearer anonymous.a.b"}, status: 403,
			challenge: `Bearer error="insufficient_scope", error_description="class-not-allowed"`},
		{name: "not allowed here", guard: &middleware.Guard{Allow: nobody}, headers: []string{"Bearer good.a.b"}, status: 403,
			challenge: `Bearer error="insufficient_scope"`},
		{name: "unknown", headers: []string{"Bearer down.a.b"}, status: 503, retry: "7"},
		{name: "unknown for long", headers: []string{"Bearer far.a.b"}, status: 503, retry: "60"},
		{name: "unknown without advice", headers: []string{"Bearer wrong.a.b"}, status: 503, retry: "1"},
		{name: "optional without token", guard: &middleware.Guard{Optional: true}, status: 200, body: "false none "},
		{name: "optional with bad token", guard: &middleware.Guard{Optional: true}, headers: []string{"Bearer bad.a.b"}, status: 401,
			challenge: `Bearer error="invalid_token", error_description="bad-signature"`},
		{name: "optional when unknown", guard: &middleware.Guard{Optional: true}, headers: []string{"Bearer down.a.b"}, status: 503, retry: "7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.guard == nil {
				test.guard = new(middleware.Guard)
			}
			test.guard.Client = c
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header["Authorization"] = test.headers
			w := httptest.NewRecorder()
			test.guard.Wrap(http.HandlerFunc(show)).ServeHTTP(w, r)
			got := w.Result()
			body, _ := io.ReadAll(got.Body)
			if got.StatusCode != test.status {
				t.Errorf("status is %d, want %d", got.StatusCode, test.status)
			}
			if c := got.Header.Get("WWW-Authenticate"); c != test.challenge {
				t.Errorf("challenge is %s, want %s", c, test.challenge)
			}
			if got.Header.Get("Retry-After") != test.retry {
				t.Errorf("Retry-After is %q, want %q", got.Header.Get("Retry-After"), test.retry)
			}
			if test.status == 200 && string(body) != test.body {
				t.Errorf("the handler saw %q, want %q", body, test.body)
			}
			if test.status != 200 && got.Header.Get("Cache-Control") != "no-store" {
				t.Error("a refusal could be cached")
			}
		})
	}
}

func TestDaemonThatIsDownIsNoDenial(t *testing.T) {
	g := middleware.Guard{Client: &client.Client{Socket: "/nonexistent/socket"}}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Authorization", "Bearer good.a.b")
	w := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(show)).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func TestTokenFromCookie(t *testing.T) {
	g := middleware.Guard{Client: daemon(t), Token: middleware.Cookie("session")}
	for _, test := range []struct {
		name    string
		cookies []string
		status  int
	}{
		{"good", []string{"session=good.a.b"}, 200},
		{"none", []string{"other=good.a.b"}, 401},
		{"empty", []string{"session="}, 401},
		{"two", []string{"session=good.a.b", "session=bad.a.b"}, 400},
		{"one twice", []string{"session=good.a.b", "session=good.a.b"}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header["Cookie"] = test.cookies
			w := httptest.NewRecorder()
			g.Wrap(http.HandlerFunc(show)).ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("status is %d, want %d", w.Code, test.status)
			}
		})
	}
}

func TestRefuseWritesTheBody(t *testing.T) {
	g := middleware.Guard{Client: daemon(t), Refuse: func(w http.ResponseWriter, _ *http.Request, status int, why client.Answer) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "sorry: %v", why)
	}}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Authorization", "Bearer bad.a.b")
	w := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(show)).ServeHTTP(w, r)
	if w.Code != 401 || w.Body.String() != "sorry: rejected: bad-signature" || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
}

// TestARefusalThatSaysNoStatusHasItsOwn: the response has the status of the
// refusal, where net/http would say 200.
func TestARefusalThatSaysNoStatusHasItsOwn(t *testing.T) {
	for name, refuse := range map[string]func(http.ResponseWriter){
		"nothing":     func(http.ResponseWriter) {},
		"a body":      func(w http.ResponseWriter) { fmt.Fprint(w, "sorry") },
		"early hints": func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) },
		"what is flushed": func(w http.ResponseWriter) {
			fmt.Fprint(w, "sorry")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		},
		"a flush before all else": func(w http.ResponseWriter) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		},
		"its own": func(w http.ResponseWriter) { http.Error(w, "sorry", http.StatusUnauthorized) },
	} {
		g := middleware.Guard{Client: daemon(t), Refuse: func(w http.ResponseWriter, _ *http.Request, _ int, _ client.Answer) { refuse(w) }}
		server := httptest.NewServer(g.Wrap(http.HandlerFunc(show)))
		response, err := http.Get(server.URL)
		server.Close()
		if err != nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %v, %v", name, response, err)
		}
	}
}

func TestBearerAndCookieLookInOnePlaceOnly(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("X-Stack-Access-Token", "sdk.a.b")
	for name, search := range map[string]func(*http.Request) (string, middleware.Found){"bearer": middleware.Bearer, "cookie": middleware.Cookie("session")} {
		if token, found := search(r); token != "" || found != middleware.FoundNone {
			t.Errorf("%s found %q", name, token)
		}
	}
}

func TestAPlaceThatIsNonePanicsBeforeTheFirstRequest(t *testing.T) {
	for name, do := range map[string]func(){
		"guard":  func() { (&middleware.Guard{Places: []httpauth.Place{"cookies"}}).Wrap(http.NotFoundHandler()) },
		"cookie": func() { middleware.Cookie("a b") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "neonauthd: ") {
					t.Errorf("it says %s", text)
				}
			}()
			do()
		})
	}
}

func TestAGuardThatIsHeldWronglyPanicsBeforeTheFirstRequest(t *testing.T) {
	var none *middleware.Guard
	var handler http.HandlerFunc
	wrapping := func(g *middleware.Guard) func() { return func() { g.Wrap(http.NotFoundHandler()) } }
	for says, do := range map[string]func(){
		"write guard := &middleware.Guard{}":              func() { none.Wrap(http.NotFoundHandler()) },
		"wants the handler that the Guard protects":       func() { new(middleware.Guard).Wrap(nil) },
		"handler that the Guard protects, and got nil":    func() { new(middleware.Guard).Wrap(handler) },
		"set Profile: true":                               wrapping(&middleware.Guard{Options: []client.Option{client.WithProject("main"), client.MaxAge(0)}}),
		"MaxAge or client.FallbackClaims":                 wrapping(&middleware.Guard{Options: []client.Option{client.FallbackClaims()}}),
		"client.Heard needs a second or more":             wrapping(&middleware.Guard{Options: []client.Option{client.Heard(time.Second - 1)}}),
		"each request would get 503: ":                    wrapping(&middleware.Guard{Options: []client.Option{client.MaxAge(0), client.Heard(0)}, Profile: true}),
		"client.WithProject a name that is not empty":     wrapping(&middleware.Guard{Options: []client.Option{client.WithProject("")}}),
		"Guard.Require: kinds: ":                          wrapping(&middleware.Guard{Require: httpauth.Requirements{Kinds: []client.Kind{client.KindNormal, client.KindUnknown}}}),
		"Guard.Require: scopes: number 2 is not one word": wrapping(&middleware.Guard{Require: httpauth.Requirements{Scopes: []string{"read", "a b"}}}),
	} {
		t.Run(says, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "neonauthd: ") || !strings.Contains(text, says) {
					t.Errorf("it says %s", text)
				}
			}()
			do()
		})
	}
}

func TestOptionsThatHaveAnEffectAreTaken(t *testing.T) {
	claims := []client.Option{{}, client.WithProject("main"), client.Heard(time.Second), client.Deadline(time.Second), client.OnBehalfOf("visitor")}
	(&middleware.Guard{Options: claims}).Wrap(http.NotFoundHandler())
	(&middleware.Guard{Options: append(claims, client.MaxAge(0), client.FallbackClaims()), Profile: true}).Wrap(http.NotFoundHandler())
}

// TestSharedCases plays the cases that guards of other languages play too.
func TestSharedCases(t *testing.T) {
	for _, file := range []string{"cases.json", "requirements.json", "guards.json"} {
		start := func(t *testing.T, asks *client.Client, c httpauthtest.Case) http.Handler {
			g := &middleware.Guard{Client: asks, Profile: c.Profile, Realm: c.Realm, Optional: c.Optional}
			g.Require = httpauth.Requirements{EmailVerified: c.EmailVerified, Team: c.Team, Scopes: c.Scopes}
			if c.Resource != "" {
				resource, err := resourceOf(&httpauthtest.ResourceCase{Resource: c.Resource, Servers: []string{httpauthtest.Server}})
				if err != nil {
					t.Fatal(err)
				}
				g.Resource = resource
			}
			for _, name := range c.Kinds {
				g.Require.Kinds = append(g.Require.Kinds, kindCalled(t, name))
			}
			if name, ok := strings.CutPrefix(c.Token, "cookie:"); ok {
				g.Token = middleware.Cookie(name)
			} else if c.Token == "bearer" {
				g.Token = middleware.Bearer
			}
			for _, p := range c.Places {
				g.Places = append(g.Places, httpauth.Place(p))
			}
			return g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a, ok := middleware.From(r.Context())
				w.Header().Set("User", map[bool]string{true: a.Subject, false: "nobody"}[ok])
			}))
		}
		httpauthtest.Play(t, "../testdata/httpauth/"+file, start, func(got *http.Response) string { return got.Header.Get("User") })
	}
}

// TestAGuardServesWhatItsResourceTells: without a token it serves the metadata,
// and nothing else.
func TestAGuardServesWhatItsResourceTells(t *testing.T) {
	right, _ := httpauthtest.Resources(t, "../testdata/httpauth/resources.json")
	for _, c := range right {
		t.Run(c.Name, func(t *testing.T) {
			resource, err := resourceOf(&c)
			if err != nil {
				t.Fatal(err)
			}
			guard := &middleware.Guard{Client: new(clienttest.Fake), Resource: resource}
			httpauthtest.PlayResource(t, &c, guard.Wrap(http.HandlerFunc(show)), http.StatusUnauthorized)
		})
	}
}

func kindCalled(t *testing.T, name string) client.Kind {
	t.Helper()
	for kind := client.KindNormal; kind <= client.KindTeam; kind++ {
		if kind.String() == name {
			return kind
		}
	}
	t.Fatalf("no kind is called %q", name)
	return client.KindUnknown
}

// TestGuardsWithoutAClientShareOne: a program that makes a Guard for each
// request does not use up the daemon's connections.
func TestGuardsWithoutAClientShareOne(t *testing.T) {
	dir, err := os.MkdirTemp("", "na") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	t.Setenv(client.SocketVariable, socket)
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var connections atomic.Int32
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go serve(nc)
		}
	}()
	for range 300 {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Authorization", "Bearer bad.a.b")
		w := httptest.NewRecorder()
		new(middleware.Guard).Wrap(http.HandlerFunc(show)).ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Fatalf("got %d %v", w.Code, w.Header())
		}
	}
	if n := connections.Load(); n > 100 { // one, and one more for each second that a busy machine pauses
		t.Errorf("300 guards made %d connections", n)
	}
}

func resourceOf(c *httpauthtest.ResourceCase) (*httpauth.Resource, error) {
	return httpauth.NewResource(httpauth.Metadata{Resource: c.Resource, AuthorizationServers: c.Servers, Scopes: c.Scopes, Name: c.Title})
}
