package neonauthd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/protocol"
)

// fleetHost is a daemon of a fleet.
type fleetHost struct {
	*e2e.Folder
	*e2e.Process
}

// newFleet starts n daemons with one engine and one upstream, and waits until all hear
// each other. more is text with further keys of [fleet]; project has further keys of
// [[project]].
func newFleet(t *testing.T, n int, more string, project ...string) (hosts []*fleetHost, engine *e2e.Engine, upstream *e2e.Upstream) {
	t.Helper()
	return newFleetOf(t, n, more, func(u *e2e.Upstream, f *e2e.Folder) string { return u.Project(t, f, standin.Stack, project...) })
}

// newFleetOf is newFleet with another [[project]] table.
func newFleetOf(t *testing.T, n int, more string, project func(u *e2e.Upstream, f *e2e.Folder) string) (hosts []*fleetHost, engine *e2e.Engine, upstream *e2e.Upstream) {
	t.Helper()
	place := e2e.NewFolder(t)
	engine = e2e.StartEngine(t, place.Dir)
	upstream = e2e.NewUpstream(t, standin.Options{})
	key := fleet.GenerateKey() + "\n"
	for range n {
		f := e2e.NewFolder(t)
		f.Write(t, "fleet-key", key)
		settings := e2e.Settings{Tables: []string{
			fmt.Sprintf("[fleet]\nname = \"test\"\nurls = [%q]\nkeys = [\"./fleet-key\"]\n%s\n", engine.URL, more),
			project(upstream, f),
		}}
		hosts = append(hosts, &fleetHost{f, e2e.Serve(t, f, settings)})
	}
	awaitFleet(t, hosts)
	return hosts, engine, upstream
}

func awaitFleet(t *testing.T, hosts []*fleetHost) {
	t.Helper()
	for _, h := range hosts {
		h.await(t, "FLEET", `"connected":true`, func(reply string) bool {
			return strings.Count(reply, `"state":"heard"`) == len(hosts)-1
		})
	}
}

// await repeats a line on the admin socket until the reply contains text and is as
// wanted.
func (h *fleetHost) await(t *testing.T, line, text string, wanted func(reply string) bool) {
	t.Helper()
	admin := e2e.Call(t, h.AdminSocket())
	deadline := time.Now().Add(e2e.Timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		reply := admin.Ask(t, line)
		if strings.Contains(reply, text) && wanted(reply) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: waited in vain for %s, the last reply is %s", line, text, reply)
		}
		<-tick.C
	}
}

// ctl runs neonauthctl against the host.
func (h *fleetHost) ctl(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	return outputOf(t, "neonauthctl", append([]string{"--admin-socket", h.AdminSocket()}, args...)...)
}

// outputOf returns a program's output and exit status.
func outputOf(t *testing.T, program string, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, e2e.Program(program), args...)
	cmd.Env = e2e.Environment()
	text, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func anyReply(string) bool { return true }

func TestARevocationOnOneHostIsInForceOnAll(t *testing.T) {
	hosts, _, upstream := newFleet(t, 3, "")
	token, user := upstream.User("Ada")
	var callers []*e2e.Caller
	for _, h := range hosts {
		c := e2e.Call(t, h.Socket())
		c.Expect(t, "VERIFY "+token, `OK level=claims .* source=\w+ \{.*`) // the reply says nothing about the fleet, because the daemon hears the fleet
		callers = append(callers, c)
	}
	admin := e2e.Call(t, hosts[0].AdminSocket())
	admin.Expect(t, "REVOKE subject "+user, `OK changed=1 entries=1 reached=3 of=3`)
	for _, c := range callers {
		c.Expect(t, "VERIFY "+token, `NO revoked`)
	}
	other := e2e.Call(t, hosts[2].AdminSocket())
	other.Expect(t, "UNREVOKE subject "+user, `OK changed=1 entries=0 reached=3 of=3`)
	for _, c := range callers {
		c.Expect(t, "VERIFY "+token, `OK level=claims .*`)
	}
	other.Expect(t, "PURGE token "+token, `OK entries=\d+ reached=3 of=3`)
	callers[0].Expect(t, "VERIFY "+token, `OK level=claims .* source=upstream \{.*`)
	out, code := hosts[0].ctl(t, "revoke", "subject", user)
	if code != 0 || !strings.Contains(out, "on 3 of 3 hosts") {
		t.Errorf("neonauthctl revoke ends with %d and says %q", code, out)
	}
	if out, code := hosts[0].ctl(t, "fleet"); code != 0 || strings.Count(out, "heard") < 2 || strings.Count(out, ", has confirmed 1") != 3 {
		t.Errorf("neonauthctl fleet ends with %d and says %q", code, out)
	}
}

// TestAFleetAsksTheUpstreamOnceForAUser. After a purge, the profile is fetched again,
// once.
func TestAFleetAsksTheUpstreamOnceForAUser(t *testing.T) {
	hosts, _, upstream := newFleet(t, 3, `timeout = "1s"`)
	token, user := upstream.User("Ada")
	before := upstream.SelfTested(t)
	for _, h := range hosts {
		e2e.Call(t, h.Socket()).Expect(t, "PROFILE "+token, `OK level=profile .*`)
	}
	if n := upstream.Calls(standin.Me) - before; n > 3 { // the call for the user, and calls of the other daemons, which test their keys at the start
		t.Errorf("%d calls of the upstream", n)
	}
	e2e.Call(t, hosts[1].Socket()).Expect(t, "PROFILE "+token, `OK level=profile .* source=cache \{.*`)
	asked := upstream.Calls(standin.Me)
	e2e.Call(t, hosts[0].AdminSocket()).Expect(t, "PURGE subject "+user, `OK entries=\d+ reached=3 of=3`)
	for _, h := range hosts {
		e2e.Call(t, h.Socket()).Expect(t, "PROFILE "+token, `OK level=profile .*`)
	}
	if n := upstream.Calls(standin.Me) - asked; n != 1 {
		t.Errorf("%d calls of the upstream after the purge, expected 1", n)
	}
}

// TestABlindHostSaysSo, and does what its operator has configured.
func TestABlindHostSaysSo(t *testing.T) {
	for _, choice := range []string{"serve", "refuse"} {
		t.Run(choice, func(t *testing.T) {
			hosts, engine, upstream := newFleet(t, 2, fmt.Sprintf("when_blind = %q\nblind_after = \"2s\"", choice))
			want := map[string]string{"serve": "STATUS=1 of 1 projects have keys; does not hear its fleet", "refuse": "STATUS=1 of 1 projects have keys; has not heard its fleet for too long, and accepts nothing"}[choice]
			token, user := upstream.User("Ada")
			expired := upstream.StackToken(standin.TokenSpec{Lifetime: -time.Minute})
			h := hosts[0]
			c := e2e.Call(t, h.Socket())
			c.Expect(t, "VERIFY heard=5 "+token, `OK level=claims .* heard=\d \{.*`)
			engine.Kill(t)
			if choice == "serve" {
				h.await(t, "VERIFY "+token, " heard=", anyReply)
				h.await(t, "VERIFY heard=1 "+token, "ERR unavailable retry-after=1", anyReply)
				c.Expect(t, "VERIFY "+token, `OK level=claims .* heard=\d+ \{.*`)
			} else {
				h.await(t, "VERIFY "+token, "ERR unavailable retry-after=1", anyReply)
			}
			h.AwaitStatus(t, want) // a host that was blind at its start may have told it then
			c.Expect(t, "VERIFY "+expired, `NO expired`)
			admin := e2e.Call(t, h.AdminSocket())
			admin.Expect(t, "REVOKE subject "+user, `OK changed=1 entries=1 reached=1 of=\d( silent=\d)? fleet=blind`)
			c.Expect(t, "VERIFY "+token, map[string]string{"serve": `NO revoked`, "refuse": `NO revoked`}[choice])
			out, code := h.ctl(t, "revoke", "subject", user)
			if code != 3 || !strings.Contains(out, "does not hear") {
				t.Errorf("neonauthctl revoke ends with %d and says %q", code, out)
			}
			// The engine comes back empty, and the host sends again what it knows.
			e2e.StartEngine(t, strings.TrimSuffix(strings.TrimPrefix(engine.URL, "unix://"), "/engine"))
			awaitFleet(t, hosts)
			e2e.Call(t, hosts[1].Socket()).Expect(t, "VERIFY "+token, `NO revoked`)
		})
	}
}

// TestAHostThatRefusesDoesNotAcceptAgainBecauseItStarts, or because its settings change:
// the others have counted it as one that accepts nothing.
func TestAHostThatRefusesDoesNotAcceptAgainBecauseItStarts(t *testing.T) {
	hosts, engine, upstream := newFleet(t, 1, "when_blind = \"refuse\"\nblind_after = \"1s\"")
	h := hosts[0]
	token, _ := upstream.User("Ada")
	expired := upstream.StackToken(standin.TokenSpec{Lifetime: -time.Minute})
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, `OK level=claims .*`)
	engine.Kill(t)
	h.await(t, "VERIFY "+token, "ERR unavailable retry-after=1", anyReply)
	refuses := func(when string) {
		t.Helper()
		c := e2e.Call(t, h.Socket())
		if reply := c.Ask(t, "VERIFY "+token); !strings.HasPrefix(reply, "ERR unavailable retry-after=1") {
			t.Errorf("%s: %s", when, reply)
		}
		c.Expect(t, "VERIFY "+expired, `NO expired`)
	}
	h.Write(t, "neonauthd.toml", strings.Replace(readFile(t, h.Config()), "[fleet]\n", "[fleet]\ntimeout = \"60ms\"\n", 1))
	e2e.Call(t, h.AdminSocket()).Expect(t, "RELOAD", `OK`)
	refuses("after a reload")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = h.End(sig) // after SIGKILL always an error
		h.Process = h.Start(t)
		refuses(fmt.Sprintf("after a start that followed %v", sig))
	}
	e2e.StartEngine(t, strings.TrimSuffix(strings.TrimPrefix(engine.URL, "unix://"), "/engine"))
	h.await(t, "VERIFY "+token, "OK level=claims", anyReply)
	h.Stop(t)
	h.Process = h.Start(t)
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, `OK level=claims .*`) // the start has waited until the host hears
}

// TestAHostJoinsAndLeavesByAReload. If the new table cannot be used, the old one stays in
// force.
func TestAHostJoinsAndLeavesByAReload(t *testing.T) {
	hosts, _, _ := newFleet(t, 2, "")
	h := hosts[0]
	joined := readFile(t, h.Config())
	admin := e2e.Call(t, h.AdminSocket())
	h.Write(t, "neonauthd.toml", strings.Replace(joined, "./fleet-key", "./no-such-key", 1))
	admin.Expect(t, "RELOAD", `ERR misconfigured .*no-such-key.*`)
	admin.Expect(t, "FLEET", `OK \{"name":"test",.*`)
	before, rest, _ := strings.Cut(joined, "[fleet]")
	_, after, _ := strings.Cut(rest, "[[project]]")
	h.Write(t, "neonauthd.toml", before+"[[project]]"+after)
	admin.Expect(t, "RELOAD", `OK`)
	admin.Expect(t, "FLEET", `OK \{"name":"",.*`)
	admin.Expect(t, "REVOKE subject x", `OK changed=1 entries=1`)
	hosts[1].await(t, "FLEET", `"state":"left"`, anyReply)
	h.Write(t, "neonauthd.toml", joined)
	h.Signal(t, syscall.SIGHUP)
	awaitFleet(t, hosts)
	e2e.Call(t, hosts[1].AdminSocket()).Expect(t, "UNREVOKE subject x", `OK changed=1 .*`)
}

// TestWhatIsWrongWithAFleetIsSaidByCheck in words for an operator.
func TestWhatIsWrongWithAFleetIsSaidByCheck(t *testing.T) {
	hosts, engine, _ := newFleet(t, 1, "")
	h := hosts[0]
	good := readFile(t, h.Config())
	check := func() (string, int) { return outputOf(t, "neonauthd", "--config", h.Config(), "--check") }
	if out, code := check(); code != 0 || !strings.Contains(out, `fleet "test"`) {
		t.Errorf("a good fleet: exit %d, %s", code, out)
	}
	h.Write(t, "fleet-key", fleet.GenerateKey()+"\n")
	if out, code := check(); code == 0 || !strings.Contains(out, "key") {
		t.Errorf("another key: exit %d, %s", code, out)
	}
	h.Write(t, "neonauthd.toml", strings.Replace(good, engine.URL, "unix:///nowhere", 1))
	if out, code := check(); code == 0 || !strings.Contains(out, "cannot connect") {
		t.Errorf("no engine: exit %d, %s", code, out)
	}
}

// TestARevocationEndsAnswersThatProcessesOfAnotherHostKeep: after REVOKE has returned and
// has reached all hosts, no client of any host accepts, not even from its own memory.
func TestARevocationEndsAnswersThatProcessesOfAnotherHostKeep(t *testing.T) {
	hosts, engine, upstream := newFleet(t, 2, "when_blind = \"refuse\"\nblind_after = \"2s\"")
	admin := e2e.Call(t, hosts[0].AdminSocket())
	c := &client.Client{Socket: hosts[1].Socket(), Timeout: e2e.Timeout}
	t.Cleanup(func() { _ = c.Close() })
	verify := func(token string) client.Answer { return c.Verify(t.Context(), token) }
	for n := range 20 {
		token, user := upstream.User(fmt.Sprint("user", n))
		for range 3 { // the first answer comes from the daemon, the others from memory
			if _, ok := verify(token).(client.Accepted); !ok {
				t.Fatalf("user %d: %v", n, verify(token))
			}
		}
		admin.Expect(t, "REVOKE subject "+user, `OK changed=1 entries=\d+ reached=2 of=2`)
		if no, ok := verify(token).(client.Rejected); !ok || no.Reason != protocol.ReasonRevoked {
			t.Fatalf("user %d after REVOKE has returned: %v", n, verify(token))
		}
	}
	token, _ := upstream.User("last")
	if _, ok := verify(token).(client.Accepted); !ok {
		t.Fatal(verify(token))
	}
	engine.Kill(t)
	hosts[1].await(t, "VERIFY "+token, "ERR unavailable retry-after=1", anyReply)
	deadline := time.Now().Add(e2e.Timeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		if _, unknown := verify(token).(client.Unknown); unknown {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what is kept outlives the time that the host may be blind")
		}
	}
}

func TestTheExampleOfAFleetDoesWhatItSays(t *testing.T) {
	for _, name := range []string{"redis-server", "curl", "bash"} {
		need.Program(t, name, name)
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "examples/fleet/start"))
	cmd.Env = e2e.Environment("PATH=" + filepath.Dir(e2e.Program("neonauthd")) + ":" + os.Getenv("PATH"))
	p := e2e.Start(t, e2e.NewFolder(t).Dir, cmd)
	p.Rough = true
	deadline := time.Now().Add(e2e.Timeout)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.Stdout.String(), "Ctrl-C ends everything.") {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to its end:\n%s", p.Written())
		}
		<-tick.C
	}
	for _, text := range []string{"asked of the third:\naccepted\n", "in force on 3 of 3 hosts\n", "asked of the third again:\nrejected: revoked\n"} {
		if !strings.Contains(p.Stdout.String(), text) {
			t.Errorf("it does not say %q:\n%s", text, p.Written())
		}
	}
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)
}

// TestHostsThatMissAtOnceCallTheUpstreamOnce for each user. A few more calls are allowed,
// because a host that gets no answer from the engine in time asks the upstream by itself.
func TestHostsThatMissAtOnceCallTheUpstreamOnce(t *testing.T) {
	const daemons, users = 8, 200
	hosts, _, upstream := newFleet(t, daemons, "timeout = \"1s\"\nwait = \"10s\"", "upstream_rate = 1000")
	var tokens []string
	for n := range users {
		token, _ := upstream.User(fmt.Sprint("user", n))
		tokens = append(tokens, token)
	}
	upstream.Await(t, standin.Me, daemons) // each daemon tests its key at the start
	before := upstream.Calls(standin.Me)
	var asking sync.WaitGroup
	var answered, unknown atomic.Int64
	ctx, stop := context.WithTimeout(t.Context(), e2e.Timeout)
	defer stop()
	for _, h := range hosts {
		c := &client.Client{Socket: h.Socket(), Timeout: e2e.Timeout}
		t.Cleanup(func() { _ = c.Close() })
		for _, token := range tokens {
			asking.Go(func() {
				for ctx.Err() == nil { // on a slow machine an answer may be unknown; applications then ask again too
					switch a := c.Profile(ctx, token).(type) {
					case client.Accepted:
						if a.Level == client.LevelProfile {
							answered.Add(1)
						}
						return
					case client.Rejected:
						t.Error(a)
						return
					case client.Unknown:
						unknown.Add(1)
					}
				}
			})
		}
	}
	asking.Wait()
	calls := upstream.Calls(standin.Me) - before
	t.Logf("%d daemons and %d users: %d of %d answers, %d calls, %d times unknown at first", daemons, users, answered.Load(), daemons*users, calls, unknown.Load())
	if answered.Load() != daemons*users || calls > users+users/20 {
		t.Errorf("%d of %d answers, %d calls, expected at most %d", answered.Load(), daemons*users, calls, users+users/20)
	}
}
