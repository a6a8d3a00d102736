package neonauthd_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// fairnessWanted asks for the measurement. fairnessProgram names another build of the
// daemon to measure instead of this one.
const (
	fairnessWanted  = "NEONAUTHD_FAIRNESS"
	fairnessProgram = "NEONAUTHD_FAIRNESS_PROGRAM"
)

// greedyUsers are the users who take as much as they can get; the quiet user is root.
func greedyUsers() []int { return []int{20001, 20002, 20003, 20004, 20005} }

// TestFairness measures what greedy callers do to a quiet caller, for each kind of greed,
// and prints the table of docs/fairness.md. It asserts nothing about time; the tests of
// the packages assert the limits.
func TestFairness(t *testing.T) {
	need.Wish(t, fairnessWanted, "measure what greedy callers do")
	need.Root(t, "being several users")
	var table strings.Builder
	table.WriteString("\n| Greed | A quiet caller | Alone | Beside it |\n|---|---|---|---|\n")
	for _, g := range []struct {
		greed, quiet string
		keys         []string // of the project
		measure      func(g *greed) (alone, beside string)
	}{
		{"five users open all connections they get", "20 new connections refused", nil, (*greed).connections},
		{"five users have 2048 profiles each asked for, the upstream hangs", "20 unseen tokens `ERR busy`", []string{`upstream_timeout = "30s"`}, (*greed).places},
		{"two connections of forged tokens under a known key", "a hit, median and 99 of 100", nil, (*greed).verifications},
		{"live checks (`max-age=0`) of 40 users, 40 at once", "60 first profiles refused", nil, (*greed).upstream},
		{"one visitor of a web server with 60 made-up sessions", "59 other visitors' refused", nil, (*greed).sessions},
		{"400 connections ask for a profile of 1 MB and read nothing", "the daemon's memory", nil, (*greed).memory},
	} {
		t.Run(g.greed, func(t *testing.T) {
			alone, beside := g.measure(newGreed(t, g.keys...))
			fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", g.greed, g.quiet, alone, beside)
		})
	}
	fmt.Println(table.String())
}

// greed is a daemon with callers of several users.
type greed struct {
	t      *testing.T
	up     *e2e.Upstream
	folder *e2e.Folder
	daemon *e2e.Process
	admin  *e2e.Caller
}

func newGreed(t *testing.T, keys ...string) *greed {
	up, f := e2e.NewUpstream(t, standin.Options{TokenLifetime: time.Hour}), e2e.NewFolder(t)
	f.Configure(t, e2e.Settings{Tables: []string{up.Project(t, f, standin.Stack, keys...), up.Project(t, f, standin.Neon)}})
	g := &greed{t: t, up: up, folder: f, daemon: f.LaunchWith(t, func(cmd *exec.Cmd) {
		if other := os.Getenv(fairnessProgram); other != "" {
			cmd.Path, cmd.Args[0] = other, other
		}
	})}
	g.daemon.Rough = true // complaints about greedy callers are no fault
	g.daemon.Await(t, "READY=1")
	openToAll(t, f)
	g.admin = e2e.Call(t, f.AdminSocket())
	up.SelfTested(t)
	return g
}

// call connects as a greedy user, for as long as the measurement takes.
func (g *greed) call(uid int) *e2e.Caller {
	g.t.Helper()
	c, err := callAs(g.t, uid, g.folder.Socket())
	if err != nil {
		g.t.Fatal(err)
	}
	e2e.Must(g.t, c.Conn.SetDeadline(time.Time{}))
	return c
}

// stat returns a number of STATS.
func (g *greed) stat(name string) int {
	g.t.Helper()
	found := regexp.MustCompile(`"` + name + `":(\d+)`).FindStringSubmatch(g.admin.Ask(g.t, "STATS"))
	if found == nil {
		g.t.Fatalf("STATS has no %s", name)
	}
	n, err := strconv.Atoi(found[1])
	e2e.Must(g.t, err)
	return n
}

// settled waits until a number of STATS stops rising while the daemon answers many
// times.
func (g *greed) settled(name string) {
	for last, same := -1, 0; same < 500; {
		if n := g.stat(name); n == last {
			same++
		} else {
			last, same = n, 0
		}
	}
}

// refused counts the replies to n lines that begin with one of the words.
func (g *greed) refused(c *e2e.Caller, n int, line func(i int) string, words ...string) string {
	bad, began := 0, time.Now()
	for i := range n {
		reply := c.Ask(g.t, line(i))
		if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(reply, w) }) {
			bad++
		}
	}
	return fmt.Sprintf("%d of %d, in %s", bad, n, time.Since(began).Round(10*time.Millisecond))
}

func (g *greed) unseen(int) string {
	token, _ := g.up.User("quiet")
	return token
}

func (g *greed) connections() (alone, beside string) {
	quiet := func() string {
		bad := 0
		for range 20 {
			c, err := e2e.Dial(g.folder.Socket())
			e2e.Must(g.t, err)
			_, _ = c.Conn.Write([]byte("PING\n")) // the connection may be refused
			if line, _ := c.Line(); line != "OK" {
				bad++
			}
			c.Conn.Close()
		}
		return fmt.Sprintf("%d of 20", bad)
	}
	alone = quiet()
	for _, uid := range greedyUsers() {
		for {
			c := g.call(uid)
			_, _ = c.Conn.Write([]byte("PING\n"))
			if line, _ := c.Line(); line != "OK" {
				break
			}
		}
	}
	return alone, quiet()
}

func (g *greed) places() (alone, beside string) {
	quiet := e2e.Call(g.t, g.folder.Socket())
	ask := func(i int) string { return "VERIFY " + g.unseen(i) }
	alone = g.refused(quiet, 20, ask, "ERR busy")
	token, _ := g.up.User("greedy")
	answer := make(chan struct{})
	defer close(answer)
	g.up.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: answer})
	for _, uid := range greedyUsers() {
		for range 8 {
			g.call(uid).Send(g.t, strings.Repeat("@x PROFILE deadline=60000 max-age=0 "+token+"\n", 256))
		}
	}
	g.settled("in_flight")
	return alone, g.refused(quiet, 20, ask, "ERR busy")
}

func (g *greed) verifications() (alone, beside string) {
	quiet := e2e.Call(g.t, g.folder.Socket())
	token, _ := g.up.User("quiet")
	hits := func() string {
		took := make([]time.Duration, 3000)
		for i := range took {
			began := time.Now()
			quiet.Ask(g.t, "VERIFY "+token)
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		return fmt.Sprintf("%d us, %d us", took[len(took)/2].Microseconds(), took[len(took)*99/100].Microseconds())
	}
	alone = hits()
	good, _ := g.up.User("greedy")
	e2e.Must(g.t, os.Chmod(filepath.Dir(e2e.Program("neonauthctl")), 0o755))
	ctx, stop := context.WithCancel(g.t.Context())
	defer stop()
	// The greedy caller is a process of its own, as in practice: two connections with 64
	// lookups in flight each.
	junk := exec.CommandContext(ctx, e2e.Program("neonauthctl"), "--socket", g.folder.Socket(), "bench", "--misses", "100", "-c", "2", "-d", "64", "-t", "1m")
	junk.Stdin = strings.NewReader(good)
	junk.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(greedyUsers()[0]), Gid: uint32(greedyUsers()[0])}}
	e2e.Must(g.t, junk.Start())
	for before := g.stat("rejected"); g.stat("rejected") < before+1000; {
		continue
	}
	beside = hits()
	stop()
	_ = junk.Wait() // it was killed
	return alone, beside
}

func (g *greed) upstream() (alone, beside string) {
	ask := func(i int) string { return "PROFILE " + g.unseen(i) }
	quiet := e2e.Call(g.t, g.folder.Socket())
	alone = g.refused(quiet, 60, ask, "ERR")
	ctx, stop := context.WithCancel(g.t.Context())
	var all sync.WaitGroup
	var once sync.Once
	refused := make(chan struct{})
	for range 40 {
		token, _ := g.up.User("greedy")
		c := g.call(greedyUsers()[0])
		all.Go(func() {
			for ctx.Err() == nil {
				_, _ = c.Conn.Write([]byte("PROFILE max-age=0 " + token + "\n"))
				if line, _ := c.Line(); strings.HasPrefix(line, "ERR") {
					once.Do(func() { close(refused) })
				}
			}
		})
	}
	select {
	case <-refused: // the greedy user has used up its share
	case <-time.After(e2e.Timeout):
		g.t.Error("the greedy user is never refused")
	}
	beside = g.refused(quiet, 60, ask, "ERR")
	stop()
	all.Wait()
	return alone, beside
}

func (g *greed) sessions() (alone, beside string) {
	c := g.call(greedyUsers()[0]) // the web server
	label := func(string) string { return "" }
	if reply := c.Ask(g.t, "VERIFY for=x a.b.c"); !strings.HasPrefix(reply, "ERR bad-request") {
		label = func(visitor string) string { return "for=" + visitor + " " }
	}
	ask := func(visitor, made string) func(i int) string {
		return func(i int) string {
			return fmt.Sprintf("PROFILE project=neon %s%s%032d.%s", label(strings.ReplaceAll(visitor, "#", fmt.Sprint(i))), made, i, base64.StdEncoding.EncodeToString(make([]byte, 32)))
		}
	}
	g.refused(c, 60, ask("junk", "j"), "ERR")
	return "0 of 59", g.refused(c, 59, ask("visitor#", "v"), "ERR")
}

func (g *greed) memory() (alone, beside string) {
	rss := func() string {
		status, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(g.daemon.Cmd.Process.Pid), "status"))
		e2e.Must(g.t, err)
		n, err := strconv.Atoi(regexp.MustCompile(`VmRSS:\s+(\d+)`).FindStringSubmatch(string(status))[1])
		e2e.Must(g.t, err)
		return fmt.Sprintf("%d MiB", n>>10)
	}
	g.up.Inject(standin.Me, standin.Fault{Kind: standin.PadProfile, Size: 1 << 20})
	token, _ := g.up.User("greedy")
	quiet := e2e.Call(g.t, g.folder.Socket())
	quiet.Expect(g.t, "PROFILE "+token, "OK .*")
	alone = rss()
	for range 400 {
		g.call(greedyUsers()[0]).Send(g.t, "PROFILE "+token+"\n")
	}
	g.settled("profile")
	quiet.Expect(g.t, "PROFILE "+token, "OK .*")
	return alone, rss()
}
