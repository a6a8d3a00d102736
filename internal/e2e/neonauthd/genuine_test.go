package neonauthd_test

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// steppedDaemon is a daemon of the build tag steppedclock, whose clock the test sets.
type steppedDaemon struct{ clock *os.File }

// serveStepped starts a daemon whose clock shows the time at.
func serveStepped(t *testing.T, h *e2e.Folder, at time.Time, s e2e.Settings) *steppedDaemon {
	t.Helper()
	program := e2e.Build(t, "neonauthd", "-tags", "steppedclock")
	h.Write(t, "clock", string(make([]byte, 8)))
	f, err := os.OpenFile(h.Path("clock"), os.O_RDWR, 0)
	e2e.Must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	d := &steppedDaemon{f}
	d.turnTo(t, at)
	h.Configure(t, s)
	p := h.LaunchWith(t, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args[0] = program, program
		cmd.Env = e2e.Environment("NEONAUTHD_STEPPED_CLOCK=" + f.Name())
	})
	p.Await(t, "READY=1")
	return d
}

// turnTo sets the daemon's clock.
func (d *steppedDaemon) turnTo(t *testing.T, at time.Time) {
	t.Helper()
	wrong := binary.NativeEndian.AppendUint64(nil, uint64(time.Until(at)))
	_, err := d.clock.WriteAt(wrong, 0)
	e2e.Must(t, err)
}

// keyFixture is an answer of the upstream to an API key.
type keyFixture struct {
	Name, Endpoint, Class, Outcome, Body, Owner string
	APIKey                                      string `json:"api_key"`
	Status                                      int
	Headers                                     map[string]string
	Malformed                                   bool
}

// want is how the reply to PROFILE begins.
func (f *keyFixture) want() string {
	switch {
	case f.Malformed || len(f.APIKey) != len("sk_")+99:
		return "NO malformed"
	case f.Outcome == "accept":
		return "OK sub=" + f.Owner + " principal=" + f.Endpoint
	case f.Outcome == "deny":
		return "NO "
	case f.Class == "operator":
		return "ERR misconfigured"
	case f.Class == "retry":
		return "ERR unavailable"
	default:
		return "ERR "
	}
}

// TestGenuineAnswersAboutAPIKeysGetTheirVerdictsAtTheSocket, each in a project of its own, whose upstream gives that answer
// to every key. -v lists them.
func TestGenuineAnswersAboutAPIKeysGetTheirVerdictsAtTheSocket(t *testing.T) {
	t.Parallel()
	var f struct {
		At      int64
		Project string `json:"project_id"`
		Paths   map[string]string
		Answers []keyFixture
	}
	readFixture(t, "stack/api-keys.json", &f)
	if len(f.Answers) < 49 {
		t.Fatalf("%d answers", len(f.Answers))
	}
	// The daemon's clock goes on, and one key ends at the instant "at".
	at := time.Unix(f.At, 0).Add(-time.Minute)
	asked, keys := make([]atomic.Int32, len(f.Answers)), fixtureBody(t, "stack/jwks.json")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d/", &n); err != nil || !strings.HasSuffix(r.URL.Path, "-api-keys/check") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(keys)
			return
		}
		asked[n].Add(1)
		for name, value := range f.Answers[n].Headers {
			w.Header().Set(name, value)
		}
		w.Header().Set("Date", at.UTC().Format(http.TimeFormat))
		w.WriteHeader(f.Answers[n].Status)
		_, _ = w.Write([]byte(f.Answers[n].Body))
	}))
	t.Cleanup(server.Close)
	h := e2e.NewFolder(t)
	h.Write(t, "server-key", "ssk_key")
	var tables []string
	for n := range f.Answers {
		tables = append(tables, fmt.Sprintf("[[project]]\nname = \"p%d\"\npreset = \"stack\"\nproject_id = %q\nbase_url = \"%s/%d\"\nsecret_server_key = \"./server-key\"\napi_keys = [\"user\", \"team\"]\nallow = [\"team\"]\n", n, f.Project, server.URL, n))
	}
	serveStepped(t, h, at, e2e.Settings{Tables: tables})
	peer := e2e.Call(t, h.Socket())
	var list strings.Builder
	for n := range f.Answers {
		a := &f.Answers[n]
		got := "not asked: an empty text is no argument"
		if a.APIKey != "" {
			got = e2e.Head(peer.Ask(t, fmt.Sprintf("PROFILE project=p%d %s", n, a.APIKey)))
		}
		if strings.HasPrefix(got, "OK ") {
			got = "OK sub=" + e2e.Field(got, "sub") + " principal=" + e2e.Field(got, "principal")
		}
		fmt.Fprintf(&list, "%-26s %-12s %s\n", a.Name, a.Outcome, got)
		if want := a.want(); a.APIKey != "" && !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", a.Name, got, want)
		}
		if times, whole := asked[n].Load(), a.want() != "NO malformed"; whole != (times > 0) {
			t.Errorf("%s: the upstream was asked %d times", a.Name, times)
		}
	}
	t.Logf("%d answers about API keys:\n%s", len(f.Answers), &list)
}

// TestGenuineLogoutTokensGetTheirVerdictsAtTheSocket, at the time of each. -v lists them.
func TestGenuineLogoutTokensGetTheirVerdictsAtTheSocket(t *testing.T) {
	t.Parallel()
	var config struct {
		BaseURL  string `json:"base_url"`
		Resource string
		Client   struct {
			ID string `json:"client_id"`
		}
		Variants map[string]string `json:"issuer_variants"`
	}
	readFixture(t, "oauth/config.json", &config)
	var tokens []struct {
		Name, Expect, Token string
		At                  int64
		Ends                struct{ Sub, Sid string }
	}
	readFixture(t, "oauth/logout-tokens.json", &tokens)
	if len(tokens) < 27 {
		t.Fatalf("%d tokens", len(tokens))
	}
	keys := newKeyServer(t)
	h := e2e.NewFolder(t)
	d := serveStepped(t, h, time.Unix(tokens[0].At, 0), e2e.Settings{Tables: []string{fmt.Sprintf(
		"[[project]]\nname = \"mcp\"\npreset = \"neon\"\nbase_url = %q\nissuers = [%q]\njwks_url = %q\nresources = [%q]\nlogout_client_ids = [%q]\n",
		config.BaseURL, config.Variants["origin"], keys.put("/keys", fixtureBody(t, "oauth/jwks.json")), config.Resource, config.Client.ID)}})
	peer := e2e.Call(t, h.Socket())
	var list strings.Builder
	for _, token := range tokens {
		d.turnTo(t, time.Unix(token.At, 0))
		got := e2e.Head(decided(t, keys, peer, "/keys", "LOGOUT project=mcp "+token.Token))
		fmt.Fprintf(&list, "%-16s %-7s %s\n", token.Name, token.Expect, got)
		ends := map[bool]string{true: "OK ended=session ", false: "OK ended=subject "}[token.Ends.Sid != ""]
		switch {
		case token.Expect == "reject" && !strings.HasPrefix(got, "NO "), token.Expect == "accept" && !strings.HasPrefix(got, ends):
			t.Errorf("%s: %s, and it is to be %sed", token.Name, got, token.Expect)
		case token.Expect == "either" && !strings.HasPrefix(got, "NO ") && !strings.HasPrefix(got, ends):
			t.Errorf("%s: %s", token.Name, got)
		}
	}
	t.Logf("%d logout tokens:\n%s", len(tokens), &list)
}
