package serve

import (
	"fmt"
	"net"
	"os/user"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

func id(n uint32) *uint32 { return &n }

// myself returns a user and a group that this host knows.
func myself(t *testing.T) (uid, gid uint32, userName, groupName string) {
	t.Helper()
	u, err := user.Current()
	need.Host(t, err == nil, fmt.Sprintf("the host's user database does not know us: %v", err))
	g, err := user.LookupGroupId(u.Gid)
	need.Host(t, err == nil, fmt.Sprintf("the host's user database does not know our group: %v", err))
	one, err := parseID(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	two, err := parseID(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return *one, *two, u.Username, g.Name
}

// TestCallersThatNobodyMadeAdmitNobody: only NewCallers without tables admits everybody.
func TestCallersThatNobodyMadeAdmitNobody(t *testing.T) {
	made, err := NewCallers(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		callers Callers
		want    bool
	}{"no tables": {made, true}, "the zero value": {Callers{}, false}} {
		if p := c.callers.permission(1, 1); p.nothing() == c.want {
			t.Errorf("%s admits: %v", name, !p.nothing())
		}
	}
}

func TestTheFirstRuleThatMatchesACallerDecides(t *testing.T) {
	uid, gid, userName, groupName := myself(t)
	const stranger, elsewhere = 4_000_000_001, 4_000_000_002
	for _, c := range []struct {
		name     string
		rules    []config.Caller
		uid, gid uint32
		want     int // the index of the rule; -1: none, forbidden; -2: everything is allowed
	}{
		{"no rules", nil, stranger, elsewhere, -2},
		{"uid", []config.Caller{{UID: id(stranger)}}, stranger, elsewhere, 0},
		{"uid 0 is a uid", []config.Caller{{UID: id(0)}}, 0, elsewhere, 0},
		{"other uid", []config.Caller{{UID: id(0)}}, stranger, elsewhere, -1},
		{"gid at connect", []config.Caller{{GID: id(elsewhere)}}, stranger, elsewhere, 0},
		{"other gid", []config.Caller{{GID: id(stranger)}}, stranger, elsewhere, -1},
		{"user by name", []config.Caller{{UID: id(stranger)}, {User: userName}}, uid, elsewhere, 1},
		{"group by name", []config.Caller{{UID: id(1)}, {Group: groupName}}, stranger, gid, 1},
		{"group of the user database", []config.Caller{{Group: groupName}}, uid, elsewhere, 0},
		{"the first of two", []config.Caller{{GID: id(elsewhere)}, {UID: id(stranger)}}, stranger, elsewhere, 0},
		{"gid is no uid", []config.Caller{{UID: id(elsewhere)}}, stranger, elsewhere, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := NewCallers(c.rules)
			if err != nil {
				t.Fatal(err)
			}
			a := all.permission(c.uid, c.gid)
			got := -1
			switch {
			case a.rule != nil:
				got = slices.Index(all.rules, a.rule)
			case !a.nothing():
				got = -2
			}
			if got != c.want {
				t.Errorf("rule %d, want %d", got, c.want)
			}
		})
	}
}

func TestARuleForSomebodyTheHostDoesNotKnowIsAnError(t *testing.T) {
	for _, rule := range []config.Caller{{User: "no-such-user-here"}, {Group: "no-such-group-here"}} {
		if _, err := NewCallers([]config.Caller{{UID: id(1)}, rule}); err == nil || !strings.Contains(err.Error(), "caller 2") {
			t.Errorf("error %v, want one that names the table", err)
		}
	}
}

func TestRulesRefuseWhatACallerMayNotAsk(t *testing.T) {
	k := newHarness(t, nil)
	all, err := NewCallers([]config.Caller{
		{UID: id(1), Projects: []string{"neon"}},
		{UID: id(2), Levels: []string{"claims"}},
		{UID: id(3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uid     uint32
		project string
		level   resolve.Level
		want    protocol.Code
	}{
		{1, "neon", resolve.LevelClaims, ""},
		{1, "neon", resolve.LevelProfile, ""},
		{1, "stack", resolve.LevelClaims, protocol.CodeForbidden},
		{2, "stack", resolve.LevelClaims, ""},
		{2, "stack", resolve.LevelProfile, protocol.CodeForbidden},
		{3, "stack", resolve.LevelProfile, ""},
		{4, "stack", resolve.LevelClaims, protocol.CodeForbidden},
	} {
		a := all.permission(c.uid, 0)
		var got protocol.Code
		if r := a.refuse(&resolve.Lookup{Project: k.project(c.project), Level: c.level}); r != nil {
			got = r.Code
		}
		if got != c.want {
			t.Errorf("uid %d, %s, %s: %q, want %q", c.uid, c.project, c.level, got, c.want)
		}
		if c.want == "" != a.sees(c.project) && c.level == resolve.LevelClaims {
			t.Errorf("uid %d sees %s: %v", c.uid, c.project, a.sees(c.project))
		}
	}
}

func TestEachCallerOfARuleHasARateOfItsOwn(t *testing.T) {
	k := newHarness(t, nil)
	_, gid, _, _ := myself(t)
	for _, c := range []struct {
		rate  float64
		burst int
		wait  time.Duration
	}{{3, 3, time.Second}, {0.1, 1, 10 * time.Second}, {1e-9, 1, time.Hour}, {0, 1000, 0}} {
		all, err := NewCallers([]config.Caller{{GID: &gid, Rate: c.rate}})
		if err != nil {
			t.Fatal(err)
		}
		for _, uid := range []uint32{4_000_000_001, 4_000_000_002} {
			granted, began := 0, time.Now()
			for range 1000 {
				a := all.permission(uid, gid) // as each new connection does
				r := a.refuse(&resolve.Lookup{Project: k.project("stack"), Level: resolve.LevelClaims})
				if r == nil {
					granted++
				} else if r.Code != protocol.CodeBusy || r.RetryAfter != c.wait {
					t.Fatalf("rate %v: %s, come again after %s; want %s", c.rate, r.Code, r.RetryAfter, c.wait)
				}
			}
			if most := c.burst + 1 + int(c.rate*time.Since(began).Seconds()); granted < c.burst || granted > most {
				t.Errorf("rate %v: %d of 1000 at once were granted, want %d", c.rate, granted, c.burst)
			}
		}
	}
}

// TestProcessesOfOneUserAreToldApartByTheirGroup: state that a user's
// connections share must not give one process the group of another.
func TestProcessesOfOneUserAreToldApartByTheirGroup(t *testing.T) {
	const uid, allowed, other = 4_000_000_001, 4_000_000_002, 4_000_000_003
	k := newHarness(t, func(c *config.Config) { c.Callers = []config.Caller{{GID: id(allowed)}} })
	open := func(gid uint32) *conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
		c := k.server.register(ours, sockets.Credentials{UID: uid, GID: gid}, false)
		c.adopt(k.terms)
		t.Cleanup(func() { k.server.unregister(c) })
		return c
	}
	first, second := open(allowed), open(other)
	if first.permission.nothing() {
		t.Error("the group that a rule names is forbidden")
	}
	if !second.permission.nothing() {
		t.Error("a process of another group has the rights of its user's first connection")
	}
}

// TestARefusalOfAnAdminVerbSaysWhenToComeBack, and it is counted like any
// refusal.
func TestARefusalOfAnAdminVerbSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, nil)
		ours, theirs := net.Pipe()
		c := k.serve(0, true, ours, theirs)
		defer ours.Close()
		if reply := c.Ask("@a PURGE all"); reply != "@a ERR busy retry-after=7 PURGE" {
			t.Error(reply)
		}
		if n := k.counters.Refused.Sum(nil); n != 1 {
			t.Errorf("%d refusals are counted", n)
		}
	})
}
