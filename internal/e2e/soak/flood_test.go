package soak_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/pause"
)

// floodOf is the environment variable with the number of tokens.
const floodOf = "NEONAUTHD_FLOOD"

// flood is a daemon that gets only junk, and sometimes a good token.
type flood struct {
	t      *testing.T
	up     *e2e.Upstream
	folder *e2e.Folder
	daemon *e2e.Process
	good   []string
}

// size is how much of the host's resources the daemon uses.
type size struct{ descriptors, threads, mebibytes, logLines, metricLines int }

func (s size) String() string {
	return fmt.Sprintf("%d descriptors, %d threads, %d MiB, %d lines of log, %d of metrics", s.descriptors, s.threads, s.mebibytes, s.logLines, s.metricLines)
}

// TestFloods sends n junk tokens, as many tokens with invented key ids, and
// opens a tenth as many connections. Each junk token is refused or not judged,
// each good token between them is accepted, and afterwards the daemon uses no
// more resources than before. "make flood" runs it.
func TestFloods(t *testing.T) {
	need.Wish(t, floodOf, "flood the daemon; instead of 1, say with how many tokens, such as 1000000")
	n, err := strconv.Atoi(os.Getenv(floodOf))
	if err != nil || n < 10_000 {
		n = 10_000
	}
	f := newFlood(t)
	f.tokens(n/20, f.junk, `NO (malformed|bad-signature)`) // after this, what grows only once has grown
	f.connections(n / 200)
	before := f.size()
	fmt.Printf("\nat first           %s\n", before)
	for _, step := range []struct {
		name string
		run  func() string
	}{
		{"junk tokens", func() string { return f.tokens(n, f.junk, `NO (malformed|bad-signature)`) }},
		{"invented key ids", func() string {
			return f.tokens(n, f.invented, `NO unknown-key|ERR keys-pending retry-after=[0-9]+`)
		}},
		{"connections", func() string { return f.connections(n / 10) }},
	} {
		fetches, began := f.up.Calls(standin.StackKeys), time.Now()
		result := step.run()
		took := time.Since(began)
		after := f.size()
		fetches = f.up.Calls(standin.StackKeys) - fetches
		fmt.Printf("%-18s %s in %s, key sets fetched: %d; then %s\n", step.name, result, took.Round(time.Second), fetches, after)
		if most := 2 + int(took/(30*time.Second)); fetches > most {
			t.Errorf("%s: %d key sets were fetched, one in a cooldown of 30 s would be %d", step.name, fetches, most)
		}
		if after.descriptors > before.descriptors+8 || after.threads > before.threads+8 || after.logLines > before.logLines+20 || after.metricLines > before.metricLines {
			t.Errorf("%s: the daemon takes %s, before it took %s", step.name, after, before)
		}
	}
	if calls := f.up.Calls(standin.Me); calls > 1 {
		t.Errorf("%d calls of users/me, of which one is the daemon's own", calls)
	}
}

func newFlood(t *testing.T) *flood {
	up, folder := e2e.NewUpstream(t, standin.Options{TokenLifetime: 6 * time.Hour}), e2e.NewFolder(t)
	folder.Configure(t, e2e.Settings{Top: fmt.Sprintf("metrics_listen = %q\n", "unix:"+folder.Path("run/metrics.sock")), Tables: []string{up.Project(t, folder, standin.Stack)}})
	text, err := os.ReadFile(folder.Config())
	if err != nil {
		t.Fatal(err)
	}
	folder.Write(t, "neonauthd.toml", strings.Replace(string(text), `"debug"`, `"info"`, 1))
	f := &flood{t: t, up: up, folder: folder, daemon: e2e.Start(t, folder.Dir, exec.Command(e2e.Build(t, "neonauthd"), "--config", folder.Config()))}
	f.daemon.Await(t, "READY=1")
	up.SelfTested(t)
	for i := range 50 {
		token, _ := up.User(fmt.Sprint("user", i))
		f.good = append(f.good, token)
	}
	return f
}

// junk returns a text that is not a token, or a token that nobody has signed.
func (f *flood) junk(i int) string {
	parts := strings.Split(f.good[i%len(f.good)], ".")
	switch number := fmt.Sprintf("%08d", i); i % 4 {
	case 0:
		parts[2] = number + parts[2][8:]
	case 1:
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"` + number + `"}`))
	case 2:
		parts = []string{"junk" + number}
	case 3:
		parts[0] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","` + number + `"`))
	}
	return strings.Join(parts, ".")
}

// invented returns a token with a key id that does not exist.
func (f *flood) invented(i int) string {
	_, rest, _ := strings.Cut(f.good[i%len(f.good)], ".")
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"ES256","kid":"k%011d"}`, i)) + "." + rest
}

// tokens asks about n tokens of a kind over four connections, and about a good
// token after each hundred. Every reply has to be a right one.
func (f *flood) tokens(n int, kind func(int) string, right string) string {
	const askers, batch = 4, 100
	refused, good := regexp.MustCompile("^("+right+")$"), regexp.MustCompile(`^OK level=claims .* source=(cache|upstream) `)
	var all sync.WaitGroup
	for a := range askers {
		all.Go(func() {
			caller, err := e2e.Dial(f.folder.Socket())
			if err != nil {
				f.t.Error(err)
				return
			}
			defer caller.Conn.Close()
			for from := a * batch; from < n; from += askers * batch {
				_ = caller.Conn.SetDeadline(time.Now().Add(e2e.Timeout))
				var text strings.Builder
				for i := range batch {
					text.WriteString("VERIFY " + kind(from+i) + "\n")
				}
				text.WriteString("VERIFY " + f.good[from/batch%len(f.good)] + "\n")
				go io.WriteString(caller.Conn, text.String()) // a failure shows in the replies
				for i := range batch + 1 {
					wanted := refused
					if i == batch {
						wanted = good
					}
					if line, err := caller.Line(); err != nil || !wanted.MatchString(line) {
						f.t.Errorf("question %d: %q, %v", from+i, e2e.Shorten(line), err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	return fmt.Sprintf("%d, and %d good ones", n, n/batch)
}

// connections opens n connections, each for one question.
func (f *flood) connections(n int) string {
	const askers = 4
	var all sync.WaitGroup
	for range askers {
		all.Go(func() {
			for range n / askers {
				caller, err := e2e.Dial(f.folder.Socket())
				if err != nil {
					f.t.Error(err)
					return
				}
				_, _ = io.WriteString(caller.Conn, "PING\n")
				line, err := caller.Line()
				caller.Conn.Close()
				if err != nil || line != "OK" {
					f.t.Errorf("PING: %q, %v", line, err)
					return
				}
			}
		})
	}
	all.Wait()
	return fmt.Sprint(n)
}

// size returns the daemon's resources after its connections have ended.
func (f *flood) size() (s size) {
	process := filepath.Join("/proc", strconv.Itoa(f.daemon.Cmd.Process.Pid))
	s.metricLines = f.metricLines()
	last := -1
	for begun := time.Now(); last != s.descriptors && time.Since(begun) < e2e.Timeout; {
		last = s.descriptors
		pause.For(f.t.Context(), 300*time.Millisecond)
		open, err := os.ReadDir(filepath.Join(process, "fd"))
		if err != nil {
			f.t.Fatal(err)
		}
		s.descriptors = len(open)
	}
	status, err := os.ReadFile(filepath.Join(process, "status"))
	if err != nil {
		f.t.Fatal(err)
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(regexp.MustCompile(name + `:\s+(\d+)`).FindStringSubmatch(string(status))[1])
		return n
	}
	s.threads, s.mebibytes, s.logLines = number("Threads"), number("VmRSS")/1024, strings.Count(f.daemon.Written(), "\n")
	return s
}

func (f *flood) metricLines() int {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.folder.Path("run/metrics.sock"))
	}}
	response, err := (&http.Client{Transport: transport, Timeout: e2e.Timeout}).Get("http://daemon/metrics")
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		f.t.Fatalf("%s, %v", response.Status, err)
	}
	return strings.Count(string(text), "\n")
}
