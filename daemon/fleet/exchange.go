package fleet

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/internal/pause"
	"github.com/neonauthd/neonauthd/internal/program"
)

// How much goes in one call of a full exchange.
const (
	pageCount = 250
	batch     = 64
	logLength = 10_000
	// MaxBroken is how many values that do not open an exchange leaves in the hash of marks.
	// They are of a host with another key, or junk. There is room for all that such a host
	// can have: two values for each mark, and as many marks past as in force.
	MaxBroken = 400_000
)

// errAnswer says that the engine's answer is none that our scripts return.
var errAnswer = errors.New("the engine answered a script in a way that it does not; is it Valkey or Redis 6.2 or later?")

// exchange compares everything with the engine: what this host lacks is taken in,
// what the engine lacks is told. It waits so that it happens once a second at
// most.
func (s *session) exchange(ctx context.Context) error {
	if gap := exchangeGap - s.o.Now().Sub(s.lastTried); gap > 0 && !s.lastTried.IsZero() {
		pause.For(ctx, gap)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.lastTried = s.o.Now()
	s.counts.exchanges.Add(1)
	if s.compared.Load() == nil { // the first words would have this host's time, and could look older than those of the run before
		if err := s.askTime(ctx); err != nil {
			return err
		}
	}
	if _, err := s.beat(ctx); err != nil {
		return err
	}
	from, to, old, err := s.scan(ctx)
	if err != nil {
		return err
	}
	if from == to {
		to = ""
	}
	s.cursor = from
	s.chain.restart(from, to)
	s.chain.meet(from, s.table.sum(), to == "")
	s.setApplied(from)
	if err := s.tell(ctx, 0); err != nil {
		return err
	}
	s.exchanged = s.o.Now()
	_, err = s.beat(ctx)
	if err == nil && len(old) > 0 && !s.peers.oldKeys(s.exchanged) {
		err = s.dropOld(ctx, old)
	}
	return err
}

// askTime compares the clocks, before this host says anything.
func (s *session) askTime(ctx context.Context) error {
	sent := s.o.Now()
	found, err := s.run(ctx, s.scripts.hosts, s.keys.ofHosts(), hostsArgs())
	if err == nil {
		_, _, _, err = s.readHosts(found, sent)
	}
	return err
}

// scan reads all marks that the engine has. from and to are its newest entries
// before and after: what came between may have been read or not.
func (s *session) scan(ctx context.Context) (from, to cursor, old []string, err error) {
	s.table.forget(s.o.Now())
	s.broken = map[string]string{}
	unopened := 0
	var marks []Mark
	at := "0"
	for first := true; first || at != "0"; first = false {
		page, err := s.run(ctx, s.scripts.page, []string{s.keys.marks, s.keys.last}, []string{at, strconv.Itoa(pageCount), strconv.Itoa(maxMark)})
		if err != nil {
			return start, start, nil, err
		}
		if len(page) < 3 || len(page)%2 == 0 {
			return start, start, nil, errAnswer
		}
		at, to = page[0], parseCursor(page[1])
		if first {
			from = to
		}
		s.skipped(parseNumber(page[2]))
		var junk []string
		for i := 3; i < len(page); i += 2 {
			m, key, fate := s.takeField(page[i], page[i+1])
			switch {
			case fate == taken:
				marks = append(marks, m)
				if key != 0 {
					old = append(old, page[i], sha1Hex(page[i+1]))
				}
			case fate == unreadable:
				if unopened++; unopened > MaxBroken {
					junk = append(junk, page[i], sha1Hex(page[i+1]))
				} else if len(page[i]) == fieldBytes {
					s.broken[page[i]] = sha1Sum(page[i+1])
				}
			}
		}
		if err := s.dropJunk(ctx, junk); err != nil {
			return start, start, nil, err
		}
	}
	s.Fleet.state.mu.Lock()
	s.Fleet.state.oldNames = len(old) / 2
	s.Fleet.state.mu.Unlock()
	return from, to, old, s.join(marks)
}

// dropJunk removes values that do not open and are too many to be left and remembered.
// If they are of a host with another key, it announces what is gone again.
func (s *session) dropJunk(ctx context.Context, junk []string) error {
	if len(junk) == 0 {
		return nil
	}
	s.o.Log.Warn("more values under the fleet's names do not open than can be left there, so they are removed: hosts have other keys, or somebody else writes to the engine; see that all hosts have the same keys, and who has its password", slog.Int("kept", MaxBroken), program.Every(time.Minute))
	_, err := s.run(ctx, s.scripts.drop, []string{s.keys.marks}, junk)
	return err
}

// fate is what becomes of one value of the hash of marks.
type fate int

const (
	unreadable fate = iota // it does not open
	over                   // it can be forgotten
	taken
)

// takeField takes in one value of the hash of marks.
func (s *session) takeField(field, value string) (m Mark, key int, f fate) {
	m, undone, key, ok := s.records.openField(field, value)
	if !ok {
		s.counts.unopened.Add(1)
		return m, 0, unreadable
	}
	if m.Over(s.table.now()) {
		return m, 0, over
	}
	if key == 0 {
		s.table.heard(m, !undone, undone, s.o.Now())
	}
	return m, key, taken
}

// tell announces what the engine has lacked for at least age. The log then
// tells this host, as it tells the others, that the engine has the marks.
func (s *session) tell(ctx context.Context, age time.Duration) error {
	marks := s.table.lacking(age, s.o.Now())
	for some := range slices.Chunk(marks, batch) {
		if _, err := s.announceOn(ctx, s.line, some, false, s.broken); err != nil {
			return err
		}
		s.counts.again.Add(uint64(len(some)))
	}
	return nil
}

// dropOld removes the marks that are named under old keys, once every host
// seals under the new key and all marks are there under their new names too.
func (s *session) dropOld(ctx context.Context, old []string) error {
	for len(old) > 0 {
		n := min(len(old), 2*batch)
		if _, err := s.run(ctx, s.scripts.drop, []string{s.keys.marks}, old[:n]); err != nil {
			return err
		}
		old = old[n:]
	}
	s.Fleet.state.mu.Lock()
	s.Fleet.state.oldNames = 0
	s.Fleet.state.mu.Unlock()
	return nil
}

// comparison is what this host found when it compared the engine's clock with its own.
type comparison struct {
	at    time.Time     // by this host's clock, with both readings
	ahead time.Duration // the engine's clock less this host's
}

// compareClocks notes how far the engine's clock is ahead of this host's. Between
// sending and the answer this host may have slept, or its clock may have been set: such
// an answer says nothing.
func (f *Fleet) compareClocks(engineTime int64, sent, came time.Time) {
	if jumped(sent, came) {
		return
	}
	at := sent.Add(clock.Awake(sent, came) / 2)
	d := time.Duration(engineTime-at.UnixMilli()) * time.Millisecond
	f.compared.Store(&comparison{at: at, ahead: d})
	if d > clockLimit || d < -clockLimit {
		f.o.Log.Warn("this host's clock and the engine's differ: ages of shared profiles go by the engine's; set the clocks right", slog.Duration("ahead", d), program.Every(time.Hour))
	}
}

// ahead is how far the engine's clock is ahead of this host's, as far as that is known.
// Once this host's clock was set, the last comparison is of a clock that it no longer
// has.
func (f *Fleet) ahead(now time.Time) time.Duration {
	last := f.compared.Load()
	if last == nil || jumped(last.at, now) {
		return 0
	}
	return last.ahead
}

// jumped reports whether this host slept between two instants, or its clock was set.
func jumped(before, now time.Time) bool {
	jump := clock.Jump(before, now)
	return jump > clockLimit || jump < -clockLimit
}

// hostsHead is how many texts come before the hosts in the answer of their script.
const hostsHead = 5

// readHosts takes in what all hosts say. sent is when they were asked.
func (f *Fleet) readHosts(found []string, sent time.Time) (newest cursor, engineTime int64, hosts map[string]string, err error) {
	if len(found) < hostsHead || (len(found)-hostsHead)%2 != 0 {
		return start, 0, nil, errAnswer
	}
	f.skipped(parseNumber(found[4]))
	came := f.o.Now()
	engineTime = parseTime(found[1], found[2])
	f.compareClocks(engineTime, sent, came)
	hosts = map[string]string{}
	for i := hostsHead; i < len(found); i += 2 {
		hosts[found[i]] = found[i+1]
	}
	f.peers.hear(hosts, engineTime, came)
	return parseCursor(found[0]), engineTime, hosts, nil
}
