package fleet

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// quiet is a host that speaks to no engine.
func quiet(t failing) (*session, *journal) {
	t.Helper()
	j := newJournal()
	f := must[*Fleet](t)(New(Options{Name: "test", URLs: []string{"redis://localhost"}, Keys: []Key{testKey(t, 1)}, ID: "own", Journal: j, Now: time.Now}))
	s := &session{Fleet: f, cursor: start}
	s.chain.restart(start, "")
	return s, j
}

// entry is a log entry that follows a place.
func (s *session) entry(id string, before cursor, m Mark) valkey.XRangeEntry {
	args := s.records.announcement(m, nil)
	return valkey.XRangeEntry{ID: id, FieldValues: map[string]string{"p": string(before), "n": args[0], "b": args[1]}}
}

func (s *session) after(e valkey.XRangeEntry) cursor {
	return next(e.ID, e.FieldValues["p"], e.FieldValues["n"], e.FieldValues["b"])
}

func TestEntriesAreTakenInTheirOrderOnly(t *testing.T) {
	mark := func(n int) Mark { return Mark{Name: subject(fmt.Sprint(n)), Revoked: 1, Until: Never} }
	s, j := quiet(t)
	first := s.entry("1-0", start, mark(1))
	second := s.entry("2-0", s.after(first), mark(2))
	third := s.entry("3-0", s.after(second), mark(3))
	again := s.entry("2-0", start, mark(4)) // the id of the second, after a flush
	if err := s.take([]valkey.XRangeEntry{first, second}); err != nil {
		t.Fatal(err)
	}
	if at, exact := s.chain.newest(); at != s.after(second) || !exact || len(j.all()) != 2 {
		t.Fatalf("at %s, exact %v, %d marks", at, exact, len(j.all()))
	}
	for what, wrong := range map[string]valkey.XRangeEntry{
		"the same again":             second,
		"one that was skipped":       s.entry("4-0", s.after(third), mark(5)),
		"one of a flushed log":       again,
		"after an id with other tag": s.entry("3-0", s.after(again), mark(6)),
		"without fields":             {ID: "3-0"},
		"with one field more":        {ID: "3-0", FieldValues: map[string]string{"p": string(s.after(second)), "n": "", "b": "", "x": ""}},
	} {
		if err := s.take([]valkey.XRangeEntry{wrong}); !errors.Is(err, errChain) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.take([]valkey.XRangeEntry{third, third}); !errors.Is(err, errChain) || len(j.all()) != 3 {
		t.Errorf("what comes before a break is not taken: %v, %d marks", err, len(j.all()))
	}
	forged := s.entry("4-0", s.after(third), mark(7))
	forged.FieldValues["b"] = "junk"
	if err := s.take([]valkey.XRangeEntry{forged}); err != nil || len(j.all()) != 3 || s.Stats().Unopened != 1 {
		t.Errorf("what does not open: %v, %d marks", err, len(j.all()))
	}
	j.unsaved = true
	if err := s.take([]valkey.XRangeEntry{s.entry("5-0", s.after(forged), mark(8))}); err != nil || s.Stats().NotSaved != 1 || len(j.all()) != 4 {
		t.Errorf("what is in force and not saved: %v", err)
	}
	applied := s.Fleet.state.applied
	j.full = true
	if err := s.take([]valkey.XRangeEntry{s.entry("6-0", s.cursor, mark(9))}); !errors.Is(err, errNotTaken) || s.Fleet.state.applied != applied || !s.say().Broken {
		t.Errorf("what the journal does not take: %v", err)
	}
}

func TestABlindHostRefusesWhenItsTimeIsOver(t *testing.T) {
	s, _ := quiet(t)
	now := s.born
	s.o.Now = func() time.Time { return now }
	for refuse, rows := range map[time.Duration]map[time.Duration]bool{
		0:               {0: false, time.Hour: false},
		5 * time.Second: {0: false, 5*time.Second - 1: false, 5 * time.Second: true, time.Hour: true},
	} {
		s.o.RefuseAfter = refuse
		for age, want := range rows {
			now = s.born.Add(age)
			s.Fleet.heard.Store(nil)
			if got := s.Refuses(); got != (refuse > 0) {
				t.Errorf("refuse after %s, never heard for %s: %v", refuse, age, got)
			}
			heard := now.Add(-age)
			s.Fleet.heard.Store(&heard)
			if got := s.Refuses(); got != want {
				t.Errorf("refuse after %s, heard %s ago: %v", refuse, age, got)
			}
		}
	}
}

// TestAHostThatSleptKnowsThatItIsBlind, at once and not only when it reads again:
// meanwhile the others have taken it for one that refuses.
func TestAHostThatSleptKnowsThatItIsBlind(t *testing.T) {
	for name, row := range map[string]struct {
		move  func(*clocktest.Clock)
		blind bool
	}{
		"a moment":        {func(c *clocktest.Clock) { c.Advance(time.Millisecond) }, false},
		"a long time":     {func(c *clocktest.Clock) { c.Advance(time.Hour) }, true},
		"a sleep":         {func(c *clocktest.Clock) { c.Sleep(8 * time.Hour) }, true},
		"a step ahead":    {func(c *clocktest.Clock) { c.Step(time.Hour) }, true},
		"a step back":     {func(c *clocktest.Clock) { c.Step(-time.Hour) }, false},
		"back, a while":   {func(c *clocktest.Clock) { c.Step(-time.Hour); c.Advance(time.Minute) }, true},
		"slept, set back": {func(c *clocktest.Clock) { c.Sleep(8 * time.Hour); c.Step(-time.Hour) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := quiet(t)
			c := clocktest.New()
			heard := c.Now()
			s.o.Now, s.born, s.o.RefuseAfter = c.Now, heard, 5*time.Second
			s.Fleet.heard.Store(&heard)
			s.online.Store(true)
			row.move(c)
			age, _ := s.Heard()
			if s.Refuses() != row.blind || s.Connected() == row.blind || age > time.Second != row.blind || s.Joined() > time.Second != row.blind {
				t.Errorf("heard %s ago, joined %s ago, refuses %v, connected %v", age, s.Joined(), s.Refuses(), s.Connected())
			}
			s.Fleet.heard.Store(nil)
			if !s.Refuses() {
				t.Error("never heard: it does not refuse")
			}
		})
	}
}

// TestOtherHostsCountWhileThisOneSleeps: this host has not seen them fall silent.
func TestOtherHostsCountWhileThisOneSleeps(t *testing.T) {
	c := clocktest.New()
	one := &peer{opens: true, at: c.Now(), words: words{Refuse: 5000}}
	c.Sleep(8 * time.Hour)
	if !one.heard(c.Now()) {
		t.Error("a host that was just heard is silent")
	}
	c.Advance(heardWithin)
	if !one.silent(c.Now()) {
		t.Error("a host that was heard just before the sleep is not silent")
	}
}

func TestASleepSaysNothingOfTheEnginesClock(t *testing.T) {
	s, _ := quiet(t)
	c := clocktest.New()
	s.o.Now = c.Now
	said := func(ahead time.Duration) []string {
		now := c.Right().Add(ahead)
		return []string{"", fmt.Sprint(now.Unix()), "0", "", "0"}
	}
	sent := c.Now()
	if _, _, _, err := s.readHosts(said(time.Minute), sent); err != nil {
		t.Fatal(err)
	}
	before := s.compared.Load()
	c.Sleep(time.Hour)
	if _, _, _, err := s.readHosts(said(0), sent); err != nil || s.compared.Load() != before || before.ahead < 58*time.Second {
		t.Errorf("the engine's clock is ahead by %s, then by %s, %v", before.ahead, s.compared.Load().ahead, err)
	}
}

// TestAComparisonOfClocksEndsWhenTheClockIsSet: the host starts an hour behind the
// engine, whose clock is right, and the engine goes away. A REVOKE that is dated ahead
// of the right time would reject sessions that begin after it.
func TestAComparisonOfClocksEndsWhenTheClockIsSet(t *testing.T) {
	for name, row := range map[string]struct {
		move        func(*clocktest.Clock)
		time, ahead time.Duration // of the engine less the right time, and less the host's
	}{
		"at once":         {func(*clocktest.Clock) {}, 0, time.Hour},
		"a day later":     {func(c *clocktest.Clock) { c.Advance(24 * time.Hour) }, 0, time.Hour},
		"a little ahead":  {func(c *clocktest.Clock) { c.Step(clockLimit) }, clockLimit, time.Hour},
		"a little back":   {func(c *clocktest.Clock) { c.Step(-clockLimit) }, -clockLimit, time.Hour},
		"more than that":  {func(c *clocktest.Clock) { c.Step(clockLimit + 1) }, -time.Hour + clockLimit + 1, 0},
		"set right":       {func(c *clocktest.Clock) { c.Step(time.Hour) }, 0, 0},
		"set right, used": {func(c *clocktest.Clock) { c.Step(time.Hour); c.Advance(time.Hour) }, 0, 0},
		"set further off": {func(c *clocktest.Clock) { c.Step(-time.Hour) }, -2 * time.Hour, 0},
		"a sleep":         {func(c *clocktest.Clock) { c.Sleep(time.Hour) }, -time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := quiet(t)
			c := clocktest.New()
			s.o.Now = c.Now
			c.Step(-time.Hour)
			s.compareClocks(c.Right().UnixMilli(), c.Now(), c.Now())
			row.move(c)
			off := s.EngineTime().Round(0).Sub(c.Right()) - row.time
			if ahead := s.Stats().Offset - row.ahead; max(off, -off, ahead, -ahead) >= time.Millisecond {
				t.Errorf("the engine's time is off by %s, its clock ahead by %s", off+row.time, ahead+row.ahead)
			}
			s.compareClocks(c.Right().UnixMilli(), c.Now(), c.Now())
			if off := s.EngineTime().Round(0).Sub(c.Right()); max(off, -off) >= time.Millisecond {
				t.Errorf("heard again, the engine's time is off by %s", off)
			}
		})
	}
}

// TestTheLeastHeardCanBeAnswered: on an idle fleet Heard is at most two reads old, and
// a caller can ask for one second.
func TestTheLeastHeardCanBeAnswered(t *testing.T) {
	if oldest := 2 * readBlock; oldest > 600*time.Millisecond {
		t.Errorf("what was heard is %s old on an idle fleet", oldest)
	}
	if heartbeat < readBlock || heardLimit < 2*readBlock {
		t.Error("a host that waits for entries is taken for one that is blind")
	}
}

// TestBetweenHeartbeatsAnIdleHostOnlyLooks: it counts as hearing only while the newest
// entry is the one that it has read.
func TestBetweenHeartbeatsAnIdleHostOnlyLooks(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	h := newHosts(t, 1, s)[0]
	h.reaches(subject("u"), 1)
	calls := func() (all map[string]uint64) {
		all = map[string]uint64{}
		text, _ := s.do("INFO", "commandstats").ToString()
		for line := range strings.Lines(text) {
			name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
			n, _, _ := strings.Cut(rest, ",")
			all[name] = uint64(parseNumber(n))
		}
		return all
	}
	// A connection that broke is followed by an exchange and by reads with a heartbeat
	// each, and so is each read of a host that is late again and again. Only ten reads in
	// less than eight times what makes a heartbeat due have three looks among them.
	var reads, beats, looks uint64
	e2e.Until(t, "it has read ten times without a break", func() bool {
		before, began, since := calls(), h.Stats(), time.Now()
		e2e.Until(t, "it has read ten times", func() bool { return calls()["xread"] >= before["xread"]+10 })
		took, now, ended := time.Since(since), calls(), h.Stats()
		reads, beats, looks = now["xread"]-before["xread"], now["evalsha"]-before["evalsha"], now["getrange"]-before["getrange"]
		return began.Connected && began.Exchanges == ended.Exchanges && began.Reconnects == ended.Reconnects && took < 8*heartbeat*4/5
	})
	if looks == 0 || beats >= reads {
		t.Errorf("%d reads, %d heartbeats, %d looks", reads, beats, looks)
	}
	for what, junk := range map[string][]string{
		"another place": {"SET", lastKey, "1-1 abc"},
		"no place":      {"DEL", lastKey},
		"another kind":  {"SADD", lastKey, "x"},
	} {
		h.reaches(subject("u"), 1)
		exchanges := h.Stats().Exchanges
		s.must("DEL", lastKey)
		s.must(junk...)
		e2e.Until(t, what+": everything is exchanged and heard again", func() bool { return h.Stats().Exchanges > exchanges && h.Connected() })
	}
}

func TestTheChainRemembersSoManyPlaces(t *testing.T) {
	c := newChain()
	for i := range remembered + 1 {
		c.meet(cursor(fmt.Sprint(i)), digest{}, true)
		if i == remembered-1 {
			if _, met, _, _ := c.look("0"); !met {
				t.Error("the first of as many as there may be is forgotten")
			}
		}
	}
	if _, met, _, _ := c.look("0"); met || len(c.met) != remembered {
		t.Errorf("%d places are remembered", len(c.met))
	}
}

func TestPlacesThatTheEngineNames(t *testing.T) {
	for text, want := range map[string]cursor{
		"1-2 0af": "1-2 0af", "": start, "1-2": start, "1-2 ": start, "1-2 xyz": start, "-2 a": start, "1- a": start, "x-1 a": start, "1-2 a b": start,
	} {
		if got := parseCursor(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestAPageLeavesOutWhatNoMarkIs: it also removes such values.
func TestAPageLeavesOutWhatNoMarkIs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	h := newHosts(t, 1, s)[0]
	h.reaches(subject("u"), 1)
	value := string(make([]byte, maxMark))
	s.must("HSET", marksKey, "fits", value, "large", value+"x", string(make([]byte, 65)), "x")
	page, err := run(t.Context(), h.Fleet.engine.Load().commands, h.scripts.page, []string{marksKey, lastKey}, []string{"0", "250", fmt.Sprint(maxMark)})
	if err != nil || page[2] != "2" || len(page) != 3+2*2 {
		t.Errorf("skipped %s, %d texts, %v", page[2], len(page), err)
	}
	if n, _ := s.do("HLEN", marksKey).AsInt64(); n != 2 {
		t.Errorf("%d are left", n)
	}
}
