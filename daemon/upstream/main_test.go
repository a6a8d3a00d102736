package upstream

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the fixtures are about.
const (
	stackProject = "596e1f0d-2d1c-4a2b-a2a7-78db7949ba31"
	stackUser    = "a2a49861-1bb1-40b0-b5f1-558b88acf49f"
	neonUser     = "2e72ddf6-888e-43be-a48a-6e35410f6133"
	neonSession  = "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc="

	serverKey = "ssk_canary_0123456789"
	token     = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
)

// load reads a fixture and fails on an empty one.
func load[T any](t *testing.T, name string) T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata/upstream", name))
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// serve starts a server over plain http on loopback.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// open returns a client that is closed with the test.
func open(t *testing.T, config Config) *Client {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func stackConfig(url string) Config {
	return Config{Preset: Stack, BaseURL: url, ProjectID: stackProject, ServerKey: NewSecret(serverKey), Rate: 1000}
}

func neonConfig(url string) Config {
	return Config{Preset: Neon, BaseURL: url + "/neondb/auth", Rate: 1000}
}

func oidcConfig(url string) Config {
	return Config{Preset: OIDC, BaseURL: url, Rate: 1000}
}

// profile asks for the fixtures' user.
func profile(c *Client) (Profile, error) {
	switch c.config.Preset {
	case Neon:
		return c.Profile(context.Background(), []byte(neonSession), "", fair.Asker{}, Interactive)
	default:
		return c.Profile(context.Background(), []byte(token), stackUser, fair.Asker{}, Interactive)
	}
}

// failure returns err as what it must be.
func failure(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *Error", err, err)
	}
	return e
}

// want checks meaning and denial of an error.
func want(t *testing.T, err error, m Meaning, d protocol.Reason) *Error {
	t.Helper()
	e := failure(t, err)
	if e.Meaning != m || e.Denial != d {
		t.Fatalf("got %v (%v), want %v (%v): %v", e.Meaning, e.Denial, m, d, e)
	}
	return e
}

// reply answers every request alike.
func reply(status int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

var jsonType = map[string]string{"Content-Type": "application/json"}

// roundTrip is a transport in memory.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inMemory returns a client whose requests are answered by h on the caller's goroutine, without any socket.
func inMemory(t *testing.T, config Config, h func(*http.Request) (*http.Response, error)) *Client {
	t.Helper()
	c := open(t, config)
	c.http.Store(newHTTPClient(roundTrip(h)))
	return c
}

// response builds an answer for inMemory.
func response(status int, header map[string]string, body string) *http.Response {
	w := httptest.NewRecorder()
	reply(status, header, body)(w, nil)
	return w.Result()
}

// pool trusts a test server's certificate.
func pool(s *httptest.Server) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.Certificate())
	return p
}

// short is a timeout for tests that run into it.
const short = 150 * time.Millisecond
