package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// during runs a demo without a daemon, and act while it runs.
func during(t *testing.T, o Options, act func(s *Running)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Self, o.Control, o.Out = "neonauthd", "neonauthctl", io.Discard
	o.Screen = func(_ io.Writer, s *Running) error {
		act(s)
		return nil
	}
	o.Serve = func(_ context.Context, load func() (config.Config, error), _ bool, ready func()) error {
		_, err := load()
		ready()
		return err
	}
	if err := Run(ctx, o); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatSomebodyNamedKeepsWhatIsTheirs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "demo")
	for range 2 {
		during(t, Options{Dir: dir}, func(s *Running) {
			for _, name := range slices.DeleteFunc(written(), func(name string) bool { return name == stateDir }) { // the daemon's
				info, err := os.Stat(filepath.Join(s.Dir, name))
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v %v", name, info, err)
				}
			}
			if err := Run(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another demo runs in this folder") {
				t.Errorf("a second demo: %v", err)
			}
		})
		if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(left) != 2 {
			t.Errorf("left: %q, %v", left, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, validFile), []byte("of a demo that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	during(t, Options{Dir: dir}, func(*Running) {})
}

func TestAFolderWithFilesOfOthersIsRefused(t *testing.T) {
	for _, name := range written() {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		err := Run(t.Context(), Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "--dir") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestASeedHasAPort(t *testing.T) {
	port := seedPort("word")
	if port != seedPort("word") || port == seedPort("words") || port < 20000 || port > 29999 {
		t.Errorf("the port is %d", port)
	}
	// If Listen fails, another program has the port, and that is as good.
	if blocked, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
		defer blocked.Close()
	}
	during(t, Options{Seed: "word"}, func(s *Running) {
		var text bytes.Buffer
		if err := errors.Join(Screen(&text, s), StandinScreen(&text, s)); err != nil || s.PortTaken != port {
			t.Errorf("told that port %d is taken: %v", s.PortTaken, err)
		}
		if n := strings.Count(text.String(), "Another program has port "+strconv.Itoa(port)); n != 2 {
			t.Errorf("the screens say so %d times", n)
		}
	})
}

func TestTokenFilesAreRenewedBeforeTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := openFolder(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		upstream := newUpstream("word", "http://127.0.0.1:1")
		if err := f.prepare(upstream, false); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			renew(ctx, f, upstream, &screen{out: &out}, "./neonauthd")
		}()
		last := map[string]string{}
		for i := range 3 {
			for _, name := range []string{validFile, forgedFile, opaqueFile, logoutFile, apiKeyFile, resourceFile, leaverFile} {
				text, err := os.ReadFile(f.file(name))
				if err != nil || string(text) == last[name] {
					t.Errorf("round %d: %s is the same (error: %v)", i, name, err)
				}
				last[name] = string(text)
			}
			time.Sleep(TokenLifetime/2 + time.Second)
		}
		cancel()
		<-ended
		if n := strings.Count(out.String(), "ends within 30m; the next one: ./neonauthd demo token\n"); n != 3 {
			t.Errorf("it says %d times how to get the next token:\n%s", n, &out)
		}
		if err := os.RemoveAll(f.path); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheLineToPasteHoldsAnyFolder(t *testing.T) {
	for _, dir := range []string{"/tmp/demo", "/tmp/my demo", "/tmp/it's; echo no $HOME `id` \"x\" \\"} {
		s := &Running{Dir: dir}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", s.Exports()+"\nprintf '%s\\n' \"$NEONAUTHD_SOCKET\" \"$NEONAUTHD_ADMIN_SOCKET\" \"$DEMO\"").CombinedOutput()
		if want := dir + "/neonauthd.sock\n" + dir + "/admin.sock\n" + dir + "\n"; err != nil || string(out) != want {
			t.Errorf("%s\nis pasted as\n%s (error: %v)", s.Exports(), out, err)
		}
	}
}

func TestANameOfAUserIsOne(t *testing.T) {
	long := strings.Repeat("n", maxUser-len(domain))
	for name, good := range map[string]bool{
		"ada": true, "Ada": true, "ada+1@example.com": true, "a_b.c-d": true, long + domain: true, "n" + long + domain: false,
		"": false, "ada lovelace": false, "@example.org": false, "ada@": false, "a@b@c": false, "a/b": false, "a\nb": false, "é": false,
	} {
		if fault := CheckUser(name); (fault == "") != good {
			t.Errorf("%.40q: %q", name, fault)
		}
	}
}

func TestMintAsksTheUpstreamOfADemoAlone(t *testing.T) {
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	_, port, _ := net.SplitHostPort(elsewhere.Listener.Addr().String())
	for _, text := range []string{
		"", "nonsense", "http://", "http://localhost:" + port, "https://127.0.0.1:" + port, "http://192.0.2.1:80", "http://0.0.0.0:" + port, "http://127.0.0.1:1",
		"http://127.0.0.1.evil.example:" + port, "http://\x7f:" + port,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, urlFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if token, err := Mint(t.Context(), dir, Spec{}); !errors.Is(err, errNotRunning) || token != "" {
			t.Errorf("%q: %q, %v", text, token, err)
		}
	}
	for _, dir := range []string{"", t.TempDir(), "/nonexistent"} {
		if _, err := Mint(t.Context(), dir, Spec{}); !errors.Is(err, errNotRunning) {
			t.Errorf("%q: %v", dir, err)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("another server was asked %d times", n)
	}
}

func TestMintTellsOfABan(t *testing.T) {
	during(t, Options{Seed: "ban"}, func(s *Running) {
		id := standin.New(standin.Options{Seed: "ban"}).ID("ada" + domain)
		c := control{s.URL + "/_standin", http.DefaultClient}
		if err := c.post(t.Context(), "/users/"+id+"/ban", map[string]any{}, new(map[string]bool)); err != nil {
			t.Fatal(err)
		}
		if _, err := Mint(t.Context(), s.Dir, Spec{}); err == nil || !strings.Contains(err.Error(), "a ban") {
			t.Errorf("%v", err)
		}
		if token, err := Mint(t.Context(), s.Dir, Spec{User: "grace"}); err != nil || strings.Count(token, ".") != 2 {
			t.Errorf("%q, %v", token, err)
		}
	})
}

// TestEachKindIsMade by the upstream of a demo, with the typ that tells it.
func TestEachKindIsMade(t *testing.T) {
	during(t, Options{Seed: "kinds"}, func(s *Running) {
		for _, kind := range kinds() {
			made, err := Mint(t.Context(), s.Dir, Spec{Kind: kind})
			if err != nil {
				t.Errorf("%s: %v", kind, err)
				continue
			}
			header, _, signed := strings.Cut(made, ".")
			text, _ := base64.RawURLEncoding.DecodeString(header)
			typ, wants := map[string]string{"resource": `"typ":"at+jwt"`, "logout": `"typ":"logout+jwt"`, "proof": `"typ":"dpop+jwt"`, "id": `"alg":"EdDSA"`}[kind]
			switch {
			case wants != signed || !strings.Contains(string(text), typ), kind == "id" && strings.Contains(string(text), "typ"):
				t.Errorf("%s: %s", kind, text)
			case strings.HasSuffix(kind, "-key") && !strings.HasPrefix(made, "sk_"):
				t.Errorf("%s: %.3s", kind, made)
			}
		}
	})
	if fault := checkKind("idtoken"); fault == "" || strings.Contains(fault, "idtoken") {
		t.Errorf("%q", fault)
	}
}
