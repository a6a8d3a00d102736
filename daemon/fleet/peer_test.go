package fleet

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/lease"
)

// TestWordsThatNobodyWritesAnyMoreAreNoHost: those of a host that ended under a key
// that is no longer known, say. After an hour they leave the engine.
func TestWordsThatNobodyWritesAnyMoreAreNoHost(t *testing.T) {
	p := newPeers(newKeyring("test", []Key{testKey(t, 1)}), hostsKey, "own")
	now := time.Now()
	found := map[string]string{"x": "junk"}
	p.hear(found, now.UnixMilli(), now)
	now = now.Add(heardWithin)
	if _, of, silent := p.count(true, false, func(cursor) bool { return true }, now); of != 1 || silent != 0 {
		t.Errorf("of %d, %d silent", of, silent)
	}
	found["x"] = "more junk" // somebody writes
	p.hear(found, now.UnixMilli(), now)
	for _, since := range []time.Duration{heardWithin, silentFor} {
		if _, of, silent := p.count(true, false, func(cursor) bool { return true }, now.Add(since)); of != 2 || silent != 1 {
			t.Errorf("%s later of %d, %d silent", since, of, silent)
		}
	}
	if over := p.over(found, now.UnixMilli(), now.Add(silentFor)); over != nil {
		t.Errorf("they leave too early: %q", over)
	}
	now = now.Add(silentFor + 1)
	p.hear(found, now.UnixMilli(), now)
	if over := p.over(found, now.UnixMilli(), now); !slices.Equal(over, []string{"x", sha1Hex("more junk")}) {
		t.Errorf("they stay: %q", over)
	}
	if p.hear(map[string]string{}, now.UnixMilli(), now); len(p.all) != 0 {
		t.Error("they are remembered")
	}
}

// TestWordsOfLongAgoAreNoHostHoweverLongAgo: the engine's clock may say anything.
func TestWordsOfLongAgoAreNoHostHoweverLongAgo(t *testing.T) {
	for _, since := range []int64{silentFor.Milliseconds() + 1, math.MaxInt64 / 1_000_000, math.MaxInt64/1_000_000 + 1, 1 << 44, 1 << 60} {
		p := newPeers(newKeyring("test", []Key{testKey(t, 1)}), hostsKey, "own")
		now := time.Now()
		p.hear(map[string]string{"x": p.sealWords("x", words{Run: "r", Number: 1, Time: now.UnixMilli()})}, now.UnixMilli()+since, now)
		if len(p.all) != 0 {
			t.Errorf("words of %d ms ago are of a host that was heard %s ago", since, now.Sub(p.all["x"].at))
		}
	}
}

// TestTheEnginesTimesFitIntoADuration, whatever it says.
func TestTheEnginesTimesFitIntoADuration(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "x": 0, "-1": 0, "0": 0, "1790000000000": 1790000000000, "9223372036854775807": mostMilli, "99999999999999999999": 0,
	} {
		if got := parseNumber(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	for _, row := range []struct {
		seconds, micros string
		want            int64
	}{{"1790000000", "123999", 1790000000123}, {"9223372036854775807", "999999", mostMilli}, {"-5", "", 0}} {
		if got := parseTime(row.seconds, row.micros); got != row.want {
			t.Errorf("%s s and %s us are %d ms, want %d", row.seconds, row.micros, got, row.want)
		}
	}
	if d := time.Duration(mostMilli) * time.Millisecond; d.Milliseconds() != mostMilli {
		t.Errorf("%d ms are %s", int64(mostMilli), d)
	}
}

// TestWhatTheEngineLosesOfAHostDoesNotEndIt: the field of a host is missing, after a
// flush for example. If its words ever opened it may be cut off and accepting, also if
// the newest do not open.
func TestWhatTheEngineLosesOfAHostDoesNotEndIt(t *testing.T) {
	for name, row := range map[string]struct {
		opened, left, otherKey bool
		stays                  bool // it is silent
		again                  bool // its words are written again
	}{
		"it opens":                     {opened: true, stays: true, again: true},
		"it took leave":                {opened: true, left: true},
		"it opened, then other key":    {opened: true, otherKey: true, stays: true},
		"it came back with other key":  {opened: true, left: true, otherKey: true, stays: true},
		"it never opened, as junk may": {otherKey: true},
	} {
		p := newPeers(newKeyring("test", []Key{testKey(t, 1)}), hostsKey, "own")
		now := time.Now()
		if row.opened {
			p.hear(map[string]string{"x": p.sealWords("x", words{Run: "r", Number: 1, Time: now.UnixMilli(), Left: row.left})}, now.UnixMilli(), now)
		}
		if row.otherKey {
			p.hear(map[string]string{"x": "other key"}, now.UnixMilli(), now)
		}
		for _, since := range []time.Duration{heardWithin, silentFor} {
			then := now.Add(since)
			p.hear(map[string]string{}, then.UnixMilli(), then)
			if _, of, silent := p.count(true, false, func(cursor) bool { return true }, then); silent == 1 != row.stays || of != 1+silent {
				t.Errorf("%s: %s later of %d, %d silent", name, since, of, silent)
			}
			if again := p.lost(then); len(again) == 2 != row.again {
				t.Errorf("%s: %s later %d texts are written again", name, since, len(again))
			}
		}
		then := now.Add(silentFor + 1)
		if p.hear(map[string]string{}, then.UnixMilli(), then); len(p.all) != 0 {
			t.Errorf("%s: it is remembered", name)
		}
	}
}

// TestNewSettingsTakeOverWhatIsKnownOfOthers: the keys may be others. What cannot be opened
// any more is of a host with another key, which may be accepting, unless it has left; what
// can be opened from now on is read again.
func TestNewSettingsTakeOverWhatIsKnownOfOthers(t *testing.T) {
	first, second := testKey(t, 1), testKey(t, 2)
	for name, row := range map[string]struct {
		before, after []Key
		left          bool // says the other host, under the first key
		silent        int  // hosts, when it is heard no more
		state         Host // of the other host then
	}{
		"the same key":         {[]Key{first}, []Key{first}, false, 1, Host{Silent: true, Opens: true}},
		"a key comes":          {[]Key{first}, []Key{second, first}, false, 1, Host{Silent: true, Opens: true, OldKey: true}},
		"a key comes too late": {[]Key{second}, []Key{second, first}, false, 1, Host{Silent: true, Opens: true, OldKey: true}},
		"a key goes":           {[]Key{second, first}, []Key{second}, false, 1, Host{Silent: true}},
		"it has left":          {[]Key{first}, []Key{second, first}, true, 0, Host{Left: true, Opens: true, OldKey: true}},
		"it has left before":   {[]Key{second, first}, []Key{second}, true, 0, Host{Left: true, Opens: true, OldKey: true}},
		"its leave is read":    {[]Key{second}, []Key{second, first}, true, 1, Host{Left: true, Opens: true, OldKey: true}},
	} {
		now := time.Now()
		other := newPeers(newKeyring("test", []Key{first}), hostsKey, "x")
		before := newPeers(newKeyring("test", row.before), hostsKey, "own")
		found := map[string]string{"x": ""}
		for i := range uint64(2) {
			found["x"] = other.sealWords("x", words{Run: "r", Number: i + 1, Time: now.UnixMilli(), Left: row.left && i == 1})
			before.hear(found, now.UnixMilli(), now)
		}
		after := newPeers(newKeyring("test", row.after), hostsKey, "")
		after.takeOver(before)
		if after.own != "own" {
			t.Errorf("%s: it is called %q", name, after.own)
		}
		then := now.Add(heardWithin)
		if _, of, silent := after.count(true, false, func(cursor) bool { return true }, then); silent != row.silent || of != 1+silent {
			t.Errorf("%s: not told anything, of %d, %d silent", name, of, silent)
		}
		after.hear(found, then.UnixMilli(), now)
		got := after.list(false, then)
		if len(got) != 1 {
			t.Fatalf("%s: %d hosts", name, len(got))
		}
		is := Host{Silent: got[0].Silent, Left: got[0].Left, Opens: got[0].Opens, OldKey: got[0].OldKey}
		if is != row.state {
			t.Errorf("%s: %+v, want %+v", name, is, row.state)
		}
	}
}

// TestOlderWordsOfAHostEndNothing: the engine has failed over to an older copy, or somebody
// writes words again that a host has sealed in an earlier run. The host, which is cut off,
// does not refuse, and may be accepting.
func TestOlderWordsOfAHostEndNothing(t *testing.T) {
	const soon = heartbeat
	const late = 2 * heardWithin
	sealer := newPeers(newKeyring("test", []Key{testKey(t, 1)}), hostsKey, "x")
	start := time.Now()
	said := func(run string, number uint64, at time.Duration, left bool, refuse time.Duration) string {
		return sealer.sealWords("x", words{Run: run, Number: number, Time: start.Add(at).UnixMilli(), Left: left, Refuse: refuse.Milliseconds()})
	}
	usual := said("1", 7, 0, false, heardWithin)
	leave := said("1", 8, time.Millisecond, true, heardWithin)
	newest := said("2", 1, time.Second, false, 0)
	for name, row := range map[string]struct {
		read  []string // one after the other, after newest
		after time.Duration
		left  bool
	}{
		"it leaves":                                     {[]string{said("2", 2, 2*time.Second, true, 0)}, soon, true},
		"it starts again, and leaves":                   {[]string{said("3", 1, 2*time.Second, false, 0), said("3", 2, 3*time.Second, true, 0)}, soon, true},
		"it leaves, and starts again":                   {[]string{said("2", 2, 2*time.Second, true, 0), said("3", 1, 3*time.Second, false, 0)}, soon, false},
		"the engine's clock is set back, and it leaves": {[]string{said("2", 2, -time.Minute, true, 0)}, soon, true},
		"an older leave at once":                        {[]string{leave}, soon, false},
		"an older leave":                                {[]string{leave}, late, false},
		"older terms":                                   {[]string{usual}, late, false},
		"the words before an older leave, and it":       {[]string{usual, leave}, late, false},
		"both, and the first again":                     {[]string{usual, leave, newest, leave}, late, false},
	} {
		p := newPeers(newKeyring("test", []Key{testKey(t, 1)}), hostsKey, "own")
		now := start
		for _, raw := range append([]string{usual, leave, newest}, row.read...) {
			now = now.Add(row.after)
			p.hear(map[string]string{"x": raw}, now.UnixMilli(), now)
		}
		then := now.Add(heardWithin + refuseMargin + heardWithin)
		_, of, silent := p.count(true, false, func(cursor) bool { return true }, then)
		if left := p.all["x"].left(); left != row.left || silent == 1 == left || of != 1+silent {
			t.Errorf("%s: it has left: %v; of %d, %d silent", name, left, of, silent)
		}
	}
}

// TestAHostThatRefusesCountsUntilItCertainlyAcceptsNothing: it may have heard the fleet for a
// while after its last words, and its clients may use a lease that it granted just before it
// began to refuse.
func TestAHostThatRefusesCountsUntilItCertainlyAcceptsNothing(t *testing.T) {
	const refuse = 5 * time.Second
	spoken := time.Now()
	one := &peer{opens: true, at: spoken, words: words{Refuse: refuse.Milliseconds()}}
	accepts := lastHeard + refuse + lease.Term // at the longest
	for since, silent := range map[time.Duration]bool{refuse: true, accepts: true, accepts + time.Second: false} {
		if got := one.silent(spoken.Add(since)); got != silent {
			t.Errorf("%s after its last words: silent %v", since, got)
		}
	}
}
