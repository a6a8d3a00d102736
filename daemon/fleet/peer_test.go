package fleet

import (
	"slices"
	"testing"
	"time"
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
