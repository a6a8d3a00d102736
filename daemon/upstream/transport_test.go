package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/transport"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestRedirectsAreNeverFollowed(t *testing.T) {
	var hits atomic.Int64
	canary := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		reply(200, jsonType, `{"id":"`+stackUser+`","sub":"`+stackUser+`","keys":[]}`)(w, r)
	})
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308, 399} {
		s := serve(t, reply(status, map[string]string{"Location": canary.URL + "/api/v1/users/me"}, ""))
		for _, config := range []Config{stackConfig(s.URL), neonConfig(s.URL), oidcConfig(s.URL)} {
			t.Run(fmt.Sprint(status, config.Preset), func(t *testing.T) {
				c := open(t, config)
				_, err := profile(c)
				want(t, err, Misconfigured, "")
				_, err = c.Keyset(context.Background(), Validators{})
				want(t, err, Misconfigured, "")
				want(t, c.SelfTest(context.Background()), Misconfigured, "")
			})
		}
	}
	if n := hits.Load(); n != 0 {
		t.Fatalf("%d requests reached the canary", n)
	}
}

// serveTLS starts a server with a certificate for 127.0.0.1 and example.com by an authority of its own.
func serveTLS(t *testing.T, h http.HandlerFunc, settings *tls.Config, http2 bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = settings
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are what the tests are about
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestTLSIsVerified(t *testing.T) {
	keys := reply(200, jsonType, `{"keys":[]}`)
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	tests := []struct {
		name     string
		settings *tls.Config
		trusted  bool
		host     string
		want     string // in the error; empty: accepted
	}{
		{"own authority", nil, true, "127.0.0.1", ""},
		{"unknown authority", nil, false, "127.0.0.1", "unknown authority"},
		{"another name", nil, true, "localhost", "another host name"},
		{"TLS 1.1", old, true, "127.0.0.1", "no agreement on TLS"},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, true, "127.0.0.1", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serveTLS(t, keys, test.settings, false)
			config := stackConfig(strings.Replace(s.URL, "127.0.0.1", test.host, 1))
			if test.trusted {
				config.Transport.Authorities = pool(s)
			}
			_, err := open(t, config).Keyset(context.Background(), Validators{})
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if e := want(t, err, Unavailable, ""); !strings.Contains(e.Error(), test.want) {
				t.Fatalf("got %v", e)
			}
		})
	}
}

func TestHTTPSToAPlainServerIsTold(t *testing.T) {
	s := serve(t, reply(200, jsonType, `{}`))
	_, err := open(t, stackConfig(strings.Replace(s.URL, "http:", "https:", 1))).Keyset(context.Background(), Validators{})
	if e := want(t, err, Unavailable, ""); !strings.Contains(e.Error(), "does not speak TLS") {
		t.Fatalf("got %v", e)
	}
}

func TestNobodyListening(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	_, err := profile(open(t, stackConfig(s.URL)))
	if e := want(t, err, Unavailable, ""); !strings.Contains(e.Error(), "connection refused") {
		t.Fatalf("got %v", e)
	}
}

func TestHTTP2IsSpokenAndConnectionsAreReused(t *testing.T) {
	var protocol atomic.Int64
	var peers atomic.Value
	peers.Store("")
	s := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		protocol.Store(int64(r.ProtoMajor))
		if seen := peers.Load().(string); !strings.Contains(seen, r.RemoteAddr) {
			peers.Store(seen + " " + r.RemoteAddr)
		}
		reply(200, jsonType, `{"keys":[]}`)(w, r)
	}, nil, true)
	config := stackConfig(s.URL)
	config.Transport.Authorities = pool(s)
	c := open(t, config)
	for range 5 {
		if _, err := c.Keyset(context.Background(), Validators{}); err != nil {
			t.Fatal(err)
		}
	}
	if protocol.Load() != 2 {
		t.Errorf("spoke HTTP/%d", protocol.Load())
	}
	if n := len(strings.Fields(peers.Load().(string))); n != 1 {
		t.Errorf("used %d connections", n)
	}
}

func TestResponseHeadersAreAcceptedUpToTheirLimit(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for size, ok := range map[int]bool{MaxHeaderBytes / 2: true, MaxHeaderBytes + 1024: false, 1 << 20: false} {
			s := serveTLS(t, reply(200, map[string]string{"Content-Type": "application/json", "X-Pad": strings.Repeat("x", size)}, `{}`), nil, http2)
			config := stackConfig(s.URL)
			config.Transport.Authorities = pool(s)
			_, err := open(t, config).Keyset(context.Background(), Validators{})
			if (err == nil) != ok {
				t.Errorf("%d bytes of header, HTTP/2 %v: %v", size, http2, err)
			} else if err != nil {
				want(t, err, Unavailable, "")
			}
		}
	}
}

func TestErrorAnswersLeaveTheConnectionUsable(t *testing.T) {
	peers := map[string]bool{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		peers[r.RemoteAddr] = true
		reply(503, nil, strings.Repeat("x", maxErrorBody))(w, r)
	})
	c := open(t, stackConfig(s.URL))
	for range 4 {
		_, err := c.Keyset(context.Background(), Validators{})
		want(t, err, Unavailable, "")
	}
	if len(peers) != 1 {
		t.Errorf("used %d connections", len(peers))
	}
}

func TestRequestsSayWhatTheyMustAndNoMore(t *testing.T) {
	var got http.Header
	var target string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, target = r.Header.Clone(), r.URL.String()
		reply(500, nil, "")(w, r)
	})
	config := stackConfig(s.URL + "/")
	config.UserAgent = "neonauthd/0 (test)"
	plain, admitting := open(t, config), config
	admitting.AllowAnonymous, admitting.AllowRestricted = true, true

	_, _ = profile(plain)
	if target != "/api/v1/users/me" {
		t.Errorf("asked %s", target)
	}
	for name, value := range map[string]string{
		"X-Stack-Access-Type": "server", "X-Stack-Project-Id": stackProject, "X-Stack-Secret-Server-Key": serverKey,
		"X-Stack-Access-Token": token, "User-Agent": "neonauthd/0 (test)", "Accept-Encoding": "identity", "Accept": "application/json",
	} {
		if got.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, got.Get(name), value)
		}
		got.Del(name)
	}
	if len(got) != 0 {
		t.Errorf("also sent %v", got)
	}

	_, _ = profile(open(t, admitting))
	if got.Get("X-Stack-Allow-Anonymous-User") != "true" || got.Get("X-Stack-Allow-Restricted-User") != "true" {
		t.Error("admitted classes are not announced")
	}

	_, _ = plain.Keyset(context.Background(), Validators{})
	if target != "/api/v1/projects/"+stackProject+"/.well-known/jwks.json?include_anonymous=true" {
		t.Errorf("asked %s", target)
	}
	for name := range got {
		if strings.HasPrefix(name, "X-") {
			t.Errorf("a key-set request carries %s", name)
		}
	}
}

// TestAProxyThatRefusesIsTheOperatorsMatter: a proxy that cannot reach the upstream is not. Neither says anything about
// the user.
func TestAProxyThatRefusesIsTheOperatorsMatter(t *testing.T) {
	for status, c := range map[int]struct {
		meaning Meaning
		circuit CircuitState
	}{
		407: {Misconfigured, Closed}, 403: {Misconfigured, Closed}, 404: {Misconfigured, Closed}, 302: {Misconfigured, Closed},
		502: {Unavailable, Open}, 504: {Unavailable, Open},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			proxy := e2e.NewProxy(t, nil)
			proxy.Answer = fmt.Sprintf("HTTP/1.1 %d canary\r\n\r\n", status)
			config := stackConfig("https://api.example.com")
			var err error
			if config.Transport.Route.Proxy, err = transport.ParseProxy("http://" + proxy.Address()); err != nil {
				t.Fatal(err)
			}
			client := open(t, config)
			for range 40 {
				_, err := profile(client)
				if e := want(t, err, c.meaning, ""); !e.Local && (!strings.Contains(e.Error(), "the proxy") || strings.Contains(e.Error(), "canary")) {
					t.Fatalf("got %v", e)
				}
			}
			if is := client.Governor().Circuit; is != c.circuit {
				t.Errorf("the circuit is %s", is)
			}
			_, err = client.Keyset(context.Background(), Validators{})
			want(t, err, c.meaning, "")
		})
	}
}
