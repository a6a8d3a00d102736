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
