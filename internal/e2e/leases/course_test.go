package leases_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

const (
	people   = 24 // each has a token
	revokers = 12 // each revokes its own part of the people
	callers  = 4  // of each asking program, for each kind of caller that it has
)

// course is a round: the daemon, the programs that ask it, and the changes.
type course struct {
	folder *e2e.Folder
	up     *e2e.Upstream
	daemon *e2e.Process
	people []person
	askers []*asker

	mu      sync.Mutex
	changes []change // for each token, in the order in which they began
	failed  error
}

// person can be revoked in several ways.
type person struct {
	token string
	ways  []string // arguments of REVOKE and UNREVOKE
}

func newCourse(t testing.TB) *course {
	t.Helper()
	c := &course{folder: e2e.NewFolder(t), up: e2e.NewUpstream(t, standin.Options{TokenLifetime: time.Hour})}
	tokens := ""
	for n := range people {
		user := c.up.AddUser(standin.User{Name: fmt.Sprint("person ", n)})
		session, err := c.up.SignIn(user.ID)
		e2e.Must(t, err)
		token := session.AccessToken
		c.people = append(c.people, person{token, []string{"token " + token, "session " + session.SessionID, "subject " + user.ID}})
		tokens += token + "\n"
	}
	c.folder.Write(t, "tokens", tokens)
	keys := "jwks_refresh = \"1s\"\njwks_cooldown = \"100ms\"\n"
	c.daemon = e2e.Serve(t, c.folder, e2e.Settings{Tables: []string{c.up.Project(t, c.folder, standin.Stack, keys), c.up.Project(t, c.folder, standin.Neon, keys)}})
	return c
}

// program is an asking program in one language.
type program struct {
	name    string
	command []string
	env     string
}

func (c *course) programs(t testing.TB) []program {
	t.Helper()
	self, err := os.Executable()
	e2e.Must(t, err)
	python, err := filepath.Abs("../../../client/python/src")
	e2e.Must(t, err)
	return []program{
		{"Go", []string{self}, askerVariable + "=1"},
		{"Node", []string{"node", "ask.mjs"}, "NODE_OPTIONS="},
		{"Python", []string{"python3", "-B", "ask.py"}, "PYTHONPATH=" + python},
	}
}

// asker is a running asking program.
type asker struct {
	*e2e.Process
	name  string
	relay *relay // nil: it asks the daemon directly
	stdin io.Closer
	told  e2e.Output
}

func (c *course) startAsker(t testing.TB, p program, burst int, slowly bool) {
	t.Helper()
	a := &asker{name: p.name}
	socket := c.folder.Socket()
	if slowly {
		a.name += " through a slow relay"
		path := c.folder.Path(p.name)
		a.relay = newRelay(t, path, socket)
		socket = path
	}
	args := append(p.command[1:], socket, c.folder.Path("tokens"), fmt.Sprint(callers), fmt.Sprint(burst))
	cmd := exec.Command(p.command[0], args...)
	cmd.Env = e2e.Environment(p.env)
	stdin, err := cmd.StdinPipe()
	e2e.Must(t, err)
	a.stdin, cmd.Stdout = stdin, &a.told
	a.Process = e2e.Start(t, c.folder.Dir, cmd)
	c.askers = append(c.askers, a)
}

// end ends the program by closing its input, and returns the runs that it has seen.
func (a *asker) end(t testing.TB) []run {
	t.Helper()
	_ = a.stdin.Close()
	if status := a.AwaitEnd(t); status != 0 {
		t.Errorf("%s ended with %d:\n%s", a.name, status, e2e.Shorten(a.Stderr.String()))
	}
	seen, err := parseRuns(a.told.String())
	e2e.Must(t, err)
	return seen
}

// startRevoking begins to revoke people and to let them in again. The function that it returns ends this.
func (c *course) startRevoking() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for first := range revokers {
		all.Go(func() {
			for ctx.Err() == nil {
				n := first + revokers*rand.N(people/revokers)
				c.revoke(n)
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// revoke revokes a person for a while. Half of the time it first purges the token, so that lookups of it are in
// progress during the revocation.
func (c *course) revoke(n int) {
	p := c.people[n]
	way := p.ways[rand.N(len(p.ways))]
	var purging sync.WaitGroup
	if rand.N(2) == 0 {
		purging.Go(func() { c.fail(c.admin("PURGE token " + p.token)) })
		pauseUpTo(50 * time.Millisecond)
	}
	c.change(n, true, "REVOKE "+way)
	time.Sleep(2*window + rand.N(2*window))
	c.change(n, false, "UNREVOKE "+way)
	time.Sleep(2*window + rand.N(2*window))
	purging.Wait()
}

// change makes a change, whatever happens to the daemon in the meantime.
func (c *course) change(n int, revoke bool, line string) {
	begin := now()
	c.fail(c.admin(line))
	made := change{n, revoke, span{begin, now()}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes = append(c.changes, made)
}

// fail records an error; nil is ignored.
func (c *course) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = errors.Join(c.failed, err)
}

// admin repeats a request on the admin socket until it succeeds. If the daemon was killed, it asks the next run as soon
// as that serves.
func (c *course) admin(line string) error {
	for end := time.Now().Add(e2e.Timeout); ; time.Sleep(time.Millisecond) {
		reply, err := askOnce(c.folder.AdminSocket(), line)
		if err == nil && strings.HasPrefix(reply, "OK") {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%.20s: %.100s, %w", line, reply, err)
		}
	}
}

func askOnce(socket, line string) (reply string, err error) {
	c, err := e2e.Dial(socket)
	if err != nil {
		return "", err
	}
	defer c.Conn.Close()
	if _, err := io.WriteString(c.Conn, line+"\n"); err != nil {
		return "", err
	}
	return c.Line()
}

// fault is something that goes wrong. happen returns when it is over.
type fault struct {
	name   string
	happen func(t *testing.T, c *course)
}

var faults = []fault{
	{"processes that ask are stopped, and go on", func(t *testing.T, c *course) {
		some := make([]*asker, 0, len(c.askers))
		for _, a := range c.askers {
			if rand.N(2) == 0 {
				some = append(some, a)
				e2e.Must(t, a.Stand())
			}
		}
		pauseUpTo(2 * time.Second)
		for _, a := range some {
			a.Signal(t, syscall.SIGCONT)
		}
	}},
	{"the daemon is killed", func(t *testing.T, c *course) {
		c.daemon.Kill(t)
		c.daemon = c.folder.Start(t)
	}},
	{"the daemon is restarted in order", func(t *testing.T, c *course) {
		c.daemon.Stop(t)
		c.daemon = c.folder.Start(t)
	}},
	{"the daemon is stopped, and goes on", func(t *testing.T, c *course) {
		e2e.Must(t, c.daemon.Stand())
		pauseUpTo(1500 * time.Millisecond)
		c.daemon.Signal(t, syscall.SIGCONT)
	}},
	{"connections are lost at the daemon's end", func(_ *testing.T, c *course) { c.cut(true) }},
	{"connections are lost at the client's end", func(_ *testing.T, c *course) { c.cut(false) }},
	{"a watch does not read, and is lost", func(t *testing.T, c *course) {
		watch := e2e.Call(t, c.folder.Socket())
		watch.Expect(t, "WATCH", `OK lease=1000 rev=\S+`)
		pauseUpTo(2 * time.Second)
		_ = watch.Conn.Close()
	}},
	{"everything is purged", func(t *testing.T, c *course) { e2e.Must(t, c.admin("PURGE all")) }},
	{"the configuration is reloaded", func(t *testing.T, c *course) { c.daemon.Reload(t) }},
	{"keys rotate", func(_ *testing.T, c *course) {
		c.up.Rotate(standin.Neon, false)
		pauseUpTo(time.Second)
	}},
}

// cut closes most connections through relays.
func (c *course) cut(far bool) {
	for _, a := range c.askers {
		if a.relay != nil {
			a.relay.cut(0.7, far)
		}
	}
	pauseUpTo(slowFor)
}

func pauseUpTo(most time.Duration) { time.Sleep(rand.N(most)) }
