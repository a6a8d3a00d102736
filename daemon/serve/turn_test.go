package serve

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// late is a case of something that happens to a lookup between its verdict and
// its turn.
type late struct {
	name, ask string // before the token
	profile   bool   // ada's profile is in memory, 20 seconds old
	meanwhile func(k *harness, token string)
	want      string // the beginning of the reply
	fields    string // some of the reply's fields

	aged time.Duration // how old the key set is at the beginning
}

func lates() []late {
	wait := func(d time.Duration) func(*harness, string) {
		return func(k *harness, _ string) { k.clock.Advance(d) }
	}
	revoked := func(kind, value string) func(*harness, string) {
		return func(k *harness, token string) {
			if kind == "token" {
				value = revoke.SignedDigest([]byte(token))
			}
			k.revoke(kind, value, true)
		}
	}
	purge := func(kind string) func(*harness, string) {
		return func(k *harness, _ string) {
			if kind == "all" {
				k.resolver.PurgeAll()
				return
			}
			k.resolver.PurgeSubject("stack", "ada")
		}
	}
	withdraw := func(k *harness, _ string) {
		p := k.project("stack")
		old := p.State(k.clock.Read()).Keys.Set
		k.upstream.Rotate(standin.Stack, false)
		for _, key := range old.Keys() {
			k.upstream.WithdrawKey(key.ID())
		}
		k.giveKeys(p)
	}
	denied := func(k *harness, _ string) {
		k.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "USER_NOT_FOUND"})
		l := k.claims(k.token("ada"))
		l.Level, l.MaxAge = resolve.LevelProfile, 0
		if v := k.ask(l); v.Reason() != protocol.ReasonUserNotFound {
			k.t.Fatalf("another token of the user: %s", v.Outcome)
		}
	}
	return []late{
		{"nothing", "VERIFY", false, wait(0), "OK level=claims", "age=0 ttl=60 source=cache", 0},
		{"a while", "VERIFY", false, wait(7 * time.Second), "OK level=claims", "age=7 ttl=60 source=cache", 0},
		{"nearly exp", "VERIFY", false, wait(time.Hour - 3*time.Second), "OK level=claims", "age=3597 ttl=2|ttl=3", 0},
		{"the fresh time of its keys", "VERIFY", false, wait(50 * time.Minute), "OK level=claims", "age=3000 source=stale", 30 * time.Minute},
		{"exp", "VERIFY", false, wait(time.Hour), "NO expired", "", 0},
		{"its token is revoked", "VERIFY", false, revoked("token", ""), "NO revoked", "", 0},
		{"its user is revoked", "VERIFY", false, revoked("subject", "ada"), "NO revoked", "", 0},
		{"its key is withdrawn", "VERIFY", false, withdraw, "ERR busy retry-after=1", "", 0},
		{"everything is purged", "VERIFY", false, purge("all"), "ERR busy retry-after=1", "", 0},
		{"its user is purged", "VERIFY", false, purge("subject"), "ERR busy retry-after=1", "", 0},
		{name: "its keys are too old", ask: "VERIFY", meanwhile: wait(50 * time.Minute), want: "ERR busy retry-after=1", aged: keyring.Lifetime - 50*time.Minute},

		{"profile: a while", "PROFILE", true, wait(7 * time.Second), "OK level=profile", "age=27 ttl=33 source=cache", 0},
		{"profile: its fresh time", "PROFILE", true, wait(40 * time.Second), "OK level=profile", "age=60 ttl=0 source=stale", 0},
		{"profile: the caller's max-age", "PROFILE max-age=21", true, wait(1500 * time.Millisecond), "ERR busy retry-after=1", "", 0},
		{"profile: not yet the caller's max-age", "PROFILE max-age=21", true, wait(time.Second), "OK level=profile", "age=21", 0},
		{"profile: the caller's max-age, with a fallback", "PROFILE max-age=21 fallback=claims", true, wait(2 * time.Second), "OK level=claims", "age=2", 0},
		{"profile: its stale time", "PROFILE", true, wait(16 * time.Minute), "ERR busy retry-after=1", "", 0},
		{"profile: its stale time, and the fresh time of its keys, with a fallback", "PROFILE fallback=claims", true, wait(50 * time.Minute), "OK level=claims", "source=stale", 30 * time.Minute},
		{"profile: exp", "PROFILE fallback=claims", true, wait(time.Hour), "NO expired", "", 0},
		{"profile: its user is revoked", "PROFILE fallback=claims", true, revoked("subject", "ada"), "NO revoked", "", 0},
		{"profile: its user is denied", "PROFILE fallback=claims", true, denied, "NO user-not-found", "", 0},
		{"profile: its user was denied some time ago", "PROFILE fallback=claims", true, func(k *harness, token string) {
			denied(k, token)
			k.clock.Advance(resolve.DenialLifetime)
		}, "NO user-not-found", "", 0},
		{"profile: everything is purged", "PROFILE", true, purge("all"), "ERR busy retry-after=1", "", 0},

		{"a rejection stays", "VERIFY x", false, wait(time.Hour), "NO malformed", "", 0},
	}
}

// check fails unless reply is the expected one.
func (l *late) check(t *testing.T, reply string) {
	t.Helper()
	if !strings.HasPrefix(reply, l.want) {
		t.Errorf("%.120s; want %s", reply, l.want)
	}
	for _, f := range strings.Fields(l.fields) {
		if either, or, _ := strings.Cut(f, "|"); !strings.Contains(reply, " "+either+" ") && (or == "" || !strings.Contains(reply, " "+or+" ")) {
			t.Errorf("%.120s; want %s", reply, f)
		}
	}
}

// prepare brings the daemon into the state in which the lookup begins, and
// returns the lookup's line without LF.
func (l *late) prepare(k *harness) (line, token string) {
	k.clock.Advance(l.aged)
	token = k.token("ada")
	if strings.Contains(l.ask, " x") {
		return l.ask, token
	}
	if l.profile {
		k.profileOf("ada", 5000)
		k.clock.Advance(20 * time.Second)
		token = k.token("ada")
	}
	if v := k.ask(k.claims(token)); v.Status() != protocol.OK {
		k.t.Fatal(v.Outcome)
	}
	return l.ask + " " + token, token
}

// TestAReplyIsJudgedAgainWhenItsTurnComes lets a lookup wait behind a slow one,
// on a connection that goes on and on one that is drained.
func TestAReplyIsJudgedAgainWhenItsTurnComes(t *testing.T) {
	for _, drained := range []bool{false, true} {
		for _, l := range lates() {
			t.Run(fmt.Sprintf("%s, drained %v", l.name, drained), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := newHarness(t, nil)
					line, token := l.prepare(k)
					c := k.connect(1)
					defer c.Conn.Close()
					c.Send(fmt.Sprintf("VERIFY deadline=2000 %s\n%s\n", k.pend(), line))
					synctest.Wait()
					if drained {
						for open := range k.server.conns {
							open.drain(drainGrace)
						}
					}
					l.meanwhile(k, token)
					if reply := c.Receive(); !strings.HasPrefix(reply, "ERR ") {
						t.Fatalf("the slow lookup: %s", reply)
					}
					l.check(t, c.Receive())
				})
			})
		}
	}
}

// TestAReplyIsJudgedAgainWhenAnotherIsWrittenFirst lets the verdict of a tagged
// lookup wait for a peer that is slow to read an earlier reply.
func TestAReplyIsJudgedAgainWhenAnotherIsWrittenFirst(t *testing.T) {
	for _, l := range lates() {
		t.Run(l.name, func(t *testing.T) {
			k := newHarness(t, nil)
			line, token := l.prepare(k)
			ours, theirs := net.Pipe()
			c := k.server.register(theirs, sockets.Credentials{UID: 1}, false)
			defer k.server.unregister(c)
			c.adopt(k.terms)
			c.out.mu.Lock() // as a write does
			var answering sync.WaitGroup
			answering.Go(func() {
				c.handle([]byte("@tag " + line))
				c.out.flush()
			})
			for !strings.Contains(stacks(), "(*outbox).verdict") {
				runtime.Gosched()
			}
			l.meanwhile(k, token)
			c.out.mu.Unlock()
			reader := e2e.NewTalk(t, ours)
			l.check(t, strings.TrimPrefix(reader.Receive(), "@tag "))
			answering.Wait()
			if n := k.server.bodies.Taken(); n != 0 {
				t.Errorf("%d bytes are held still", n)
			}
		})
	}
}

// stacks returns the stacks of goroutines that wait for a lock.
func stacks() string {
	all := make([]byte, 1<<20)
	var waiting strings.Builder
	for _, g := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(g, "[sync.Mutex.Lock") {
			waiting.WriteString(g)
		}
	}
	return waiting.String()
}

// TestWhatWaitsForItsTurnCountsForNoMoreThanItIs: the answers behind a slow
// lookup are counted until no more lines are read.
func TestWhatWaitsForItsTurnCountsForNoMoreThanItIs(t *testing.T) {
	o := newOutbox(nil, fair.ID{}, nil, &Server{wide: newWideBuffers(), counters: NewCounters(nil)}, 1000, outboxCalls{asItWas, notInFleet, func() {}})
	o.reserve(nil)
	body, token := make([]byte, 600), make([]byte, 900)
	v := newHarness(t, nil).accepted(resolve.LevelClaims, body)
	for n := 0; o.held < MaxHeld; n++ {
		if o.held != n*(answerBytes+len(body)+len(token)) {
			t.Fatalf("%d answers count for %d bytes", n, o.held)
		}
		o.verdict(nil, nil, &question{Lookup: resolve.Lookup{Token: token}}, v, fair.Held{})
	}
}
