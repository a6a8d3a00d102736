package standin

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixtureProject and fixtureNow are those of the fixtures.
const fixtureProject = "596e1f0d-2d1c-4a2b-a2a7-78db7949ba31"

var fixtureNow = time.Unix(1780272000, 0)

// clock is a settable time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// served is a stand-in on a listener, with a client of its own.
type served struct {
	*Standin
	clock  *clock
	client *http.Client
}

// serve runs a stand-in until the test ends, and checks that it then ends.
func serve(t *testing.T, o Options) *served {
	t.Helper()
	c := &clock{now: fixtureNow}
	o.Now = c.Now
	fallback(&o.ProjectID, func() string { return fixtureProject })
	s := New(o)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.SetBaseURL("http://" + listener.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener) }()
	transport := &http.Transport{DisableCompression: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return &served{s, c, client}
}

// reply is a response with its body read.
type reply struct {
	status int
	header http.Header
	body   string
}

// try sends a request; headers are pairs.
func (s *served) try(ctx context.Context, method, path, body string, headers ...string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.BaseURL()+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(text)}, err
}

func (s *served) get(t *testing.T, path string, headers ...string) reply {
	t.Helper()
	return s.do(t, http.MethodGet, path, "", headers...)
}

func (s *served) do(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	got, err := s.try(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// serverAccess are the headers of a well configured daemon, with more behind.
func (s *served) serverAccess(token string, more ...string) []string {
	return append([]string{"x-stack-access-type", "server", "x-stack-project-id", s.ProjectID(),
		"x-stack-secret-server-key", s.ServerKey(), "x-stack-access-token", token}, more...)
}

const mePath = "/api/v1/users/me"

// load decodes a file of the upstream fixtures.
func load(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "upstream", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// memberNames lists the names of a JSON object in order, nested ones by path.
func memberNames(t *testing.T, text []byte) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	var names []string
	if _, err := decoder.Token(); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		if value[0] == '{' {
			for _, inner := range memberNames(t, value) {
				names = append(names, name.(string)+"."+inner)
			}
		}
	}
	return names
}

// payload is the decoded middle of a token.
func payload(t *testing.T, token string) []byte {
	t.Helper()
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		t.Fatalf("%d segments", len(segments))
	}
	raw, ok := mint.ReadBase64(segments[1])
	if !ok {
		t.Fatal("payload is not base64")
	}
	return raw
}
