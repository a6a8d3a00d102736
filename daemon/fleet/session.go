package fleet

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/neonauthd/neonauthd/internal/program"
)

// The rhythm of listening. It goes by the monotonic clock: what is due while the host
// sleeps is done when it is awake.
const (
	readCount = 500
	// readBlock is how long a read waits for an entry. Heard counts from the sending of
	// a read, and is known when the next has answered: on an idle fleet its age is at
	// most twice this, well below the least value that a caller can ask for (1 s).
	readBlock   = 250 * time.Millisecond
	firstBlock  = 100 * time.Millisecond           // until the others are known to have the same marks
	heardLimit  = 750 * time.Millisecond           // the deadline of a read: after it this host knows that it is blind
	exchangeGap = time.Second                      // between full exchanges, at least
	settleTime  = heartbeat + 100*time.Millisecond // after an exchange, until every other host has sent its words
	disagreeFor = 2 * time.Second
	breaksBorne = 2                     // in a row, before the log is begun anew
	firstPause  = 50 * time.Millisecond // after a failed connection, doubling
	lastPause   = time.Second
	clockLimit  = time.Second // the largest difference between the clocks without a warning
)

// errChain says that entries of the log are missing, or are not the ones that
// were there.
var errChain = errors.New("the log is not the one that was read before: it was trimmed, flushed or replaced")

// errNotTaken says that the journal could not take in what was heard.
var errNotTaken = errors.New("the journal could not take in what the fleet said")

// session is the life of one connection: exchange everything, then follow the
// log. A new connection may be one to another engine.
type session struct {
	*Fleet
	engine *engine
	line   valkey.DedicatedClient

	cursor    cursor
	broken    map[string]string // sha1Sum of values that do not open, by field; at most MaxBroken, about 40 MB
	exchanged time.Time         // when the last exchange was complete
	breaks    int               // of the chain, since the others had the same marks
	agreed    bool              // the others had the same marks once since the connection or the chain broke
	beaten    time.Time         // when the last heartbeat was sent
	swept     time.Time
}

// exchanged is called after each exchange of everything.
func (f *Fleet) session(ctx context.Context, exchanged func()) error {
	e, err := f.connect(ctx)
	if err != nil {
		return err
	}
	line, release := e.listening.Dedicate()
	defer release()
	defer line.Close() // the next session begins with a connection of its own
	s := &session{Fleet: f, engine: e, line: line}
	for {
		if err := s.exchange(ctx); err != nil {
			return err
		}
		exchanged()
		err := s.follow(ctx)
		if !errors.Is(err, errChain) && !errors.Is(err, errNotTaken) {
			return err
		}
		f.online.Store(false)
		s.agreed = false
		if s.breaks++; s.breaks > breaksBorne {
			if err := s.clearLog(ctx, s.line); err != nil {
				return err
			}
		}
		f.o.Log.Info("everything is exchanged with the fleet again", slog.String("because", err.Error()), program.Every(10*time.Second))
	}
}

// clearLog removes a log that still does not fit its recorded newest entry
// after everything was exchanged again, or that has an entry that nobody can read.
// Nothing is lost: the marks are kept elsewhere, and each host announces the marks that
// are missing there.
func (f *Fleet) clearLog(ctx context.Context, c caller) error {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	return explain(c.Do(ctx, c.B().Del().Key(f.keys.log, f.keys.last).Build()).Error())
}

// clearFlood removes the log after an entry was too large to be read. The connection on
// which it came is of no use any more. If the log cannot be removed now, the next
// session finds the entry again.
func (f *Fleet) clearFlood(ctx context.Context) {
	f.skipped(1)
	if e := f.engine.Load(); e != nil {
		_ = f.clearLog(ctx, e.commands)
	}
}

// skipped notes that so many records are larger than any of the fleet's. Whoever finds
// them removes them.
func (f *Fleet) skipped(n int64) {
	if n <= 0 {
		return
	}
	f.counts.skipped.Add(uint64(n))
	f.o.Log.Warn("records under the fleet's names were larger than any of the fleet's and are removed: somebody else writes to the engine; see who has its password", slog.Int64("number", n), program.Every(time.Minute))
}

// run has the engine run a script on the listening connection.
func (s *session) run(ctx context.Context, one script, keys, args []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	return run(ctx, s.line, one, keys, args)
}

// follow reads the log from the cursor on, until something is wrong.
func (s *session) follow(ctx context.Context) error {
	for {
		sent := s.o.Now()
		block := readBlock
		if !s.agreed {
			block = firstBlock
		}
		found, err := s.read(ctx, block)
		if err != nil {
			return err
		}
		if err := s.take(found); err != nil {
			return err
		}
		if err := s.afterRead(ctx, len(found) == 0); err != nil {
			return err
		}
		if len(found) < readCount && s.agreed {
			s.hear(sent)
			if !s.online.Swap(true) {
				s.o.Log.Info("this host hears the fleet", program.Every(10*time.Second))
			}
		}
	}
}

// afterRead does what follows a read: the heartbeat and what is due with it, or, between
// two heartbeats and after an idle read, only a look at the newest entry.
func (s *session) afterRead(ctx context.Context, idle bool) error {
	if recent := s.o.Now().Sub(s.beaten) < lastHeard; recent && !idle {
		return nil
	} else if recent && s.agreed {
		newest, err := s.newest(ctx)
		if err != nil {
			return err
		}
		return s.compareNewest(ctx, newest)
	}
	newest, err := s.beat(ctx)
	if err != nil {
		return err
	}
	if err := s.compareNewest(ctx, newest); err != nil {
		return err
	}
	return s.keepUp(ctx)
}

// newest asks for the newest entry of the log, of which it reads no more than one has.
func (s *session) newest(ctx context.Context) (cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, heardLimit)
	defer cancel()
	text, err := s.line.Do(ctx, s.line.B().Getrange().Key(s.keys.last).Start(0).End(maxCursor).Build()).ToString()
	if said, ok := valkey.IsValkeyErr(err); ok && wrongType(said.Error()) {
		return start, errChain
	}
	return parseCursor(text), explain(err)
}

// read reads what follows the cursor, and waits for it up to block.
func (s *session) read(ctx context.Context, block time.Duration) ([]valkey.XRangeEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, heardLimit)
	defer cancel()
	b := s.line.B()
	var cmd valkey.Completed
	if block > 0 {
		cmd = b.Xread().Count(readCount).Block(block.Milliseconds()).Streams().Key(s.keys.log).Id(s.cursor.id()).Build()
	} else {
		cmd = b.Xread().Count(readCount).Streams().Key(s.keys.log).Id(s.cursor.id()).Build()
	}
	found, err := s.line.Do(ctx, cmd).AsXRead()
	if valkey.IsValkeyNil(err) {
		return nil, nil
	}
	if said, ok := valkey.IsValkeyErr(err); ok && wrongType(said.Error()) {
		return nil, errChain
	}
	return found[s.keys.log], explain(err)
}

// wrongType reports whether something else stands where the log should.
func wrongType(said string) bool { return strings.HasPrefix(said, "WRONGTYPE") }

// take checks that each entry follows the one before, and takes in what they say.
func (s *session) take(found []valkey.XRangeEntry) error {
	var marks []Mark
	at := s.o.Now()
	cursors := make([]cursor, 0, len(found))
	var broken error
	for _, entry := range found {
		before, name, body := entry.FieldValues["p"], entry.FieldValues["n"], entry.FieldValues["b"]
		if len(entry.FieldValues) != 3 || cursor(before) != s.cursor {
			broken = errChain
			break
		}
		s.cursor = next(entry.ID, before, name, body)
		cursors = append(cursors, s.cursor)
		m, key, ok := s.records.openEntry(name, body)
		if !ok {
			s.counts.unopened.Add(1)
			continue
		}
		marks = append(marks, m)
		if key == 0 {
			s.table.heard(m, true, true, at)
		}
	}
	err := s.join(marks)
	for _, one := range cursors {
		// Several places at once get one digest, that of the last place. It is
		// exact for that place only.
		s.chain.meet(one, s.table.sum(), one == s.cursor)
	}
	if err != nil {
		return err
	}
	s.setApplied(s.cursor)
	return broken
}

// join has the journal take in what is new in marks.
func (s *session) join(marks []Mark) error {
	news, before := s.table.learn(marks, s.o.Now())
	if len(news) == 0 {
		return nil
	}
	err := s.o.Journal.Join(news)
	s.Fleet.state.mu.Lock()
	s.Fleet.state.broken = err != nil && !errors.Is(err, ErrNotSaved)
	s.Fleet.state.mu.Unlock()
	switch {
	case errors.Is(err, ErrNotSaved):
		s.counts.notSaved.Add(uint64(len(news)))
	case err != nil:
		s.o.Log.Error("not everything that other hosts have revoked is in force on this one: they do not count it as reached", slog.Any("error", err), program.Every(10*time.Second))
		s.table.unlearn(before, s.o.Now())
		return errNotTaken
	}
	return nil
}

// compareNewest compares the engine's newest entry with what was read. If there
// are newer entries, they must be there to read.
func (s *session) compareNewest(ctx context.Context, newest cursor) error {
	if newest == s.cursor {
		return nil
	}
	found, err := s.read(ctx, 0)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errChain
	}
	return s.take(found)
}

// keepUp does what is due now and then: tells what the engine lacks, compares
// with the others, forgets what is over.
func (s *session) keepUp(ctx context.Context) error {
	now := s.o.Now()
	if now.Sub(s.swept) >= exchangeGap {
		s.swept = now
		s.table.sweep()
	}
	if err := s.tell(ctx, heartbeat); err != nil {
		return err
	}
	agree, longest := s.peers.compare(s.same, now)
	if agree && now.Sub(s.exchanged) >= settleTime {
		s.agreed, s.breaks = true, 0
	}
	if longest > disagreeFor && now.Sub(s.exchanged) > disagreeFor {
		s.o.Log.Warn("hosts of the fleet do not have the same marks, so everything is exchanged again: if this goes on, somebody deletes or changes records in the engine", program.Every(10*time.Second))
		return s.exchange(ctx)
	}
	return nil
}

// same reports whether another host has the same marks in force at its place of
// the log as this host had at that place.
func (s *session) same(w words) bool {
	if w.Digest == "" {
		return false
	}
	if at, exact := s.chain.newest(); at == w.Applied {
		return exact && w.Digest == s.table.sum().String()
	}
	p, met, _, _ := s.chain.look(w.Applied)
	return met && (!p.exact || p.digest.String() == w.Digest)
}

// beat writes what this host says of itself, and reads what all say.
func (s *session) beat(ctx context.Context) (cursor, error) {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	sent := s.o.Now()
	id := *s.id.Load()
	args := append(append(hostsArgs(), id, s.peers.sealWords(id, s.say())), s.peers.lost(sent)...)
	found, err := s.run(ctx, s.scripts.hosts, s.keys.ofHosts(), args)
	if err != nil {
		return start, err
	}
	newest, engineTime, hosts, err := s.readHosts(found, sent)
	if err != nil {
		return start, err
	}
	s.lookForTwin(id, found[3], sent)
	s.beaten = sent
	if over := s.peers.over(hosts, engineTime, sent); over != nil {
		_, err = s.run(ctx, s.scripts.drop, []string{s.keys.hosts}, over)
	}
	return newest, err
}

// lookForTwin looks whether this host's last words were overwritten by another
// host with the same id, whose state directory is then a copy. Of the two
// hosts, the one whose run has the greater name takes another id.
func (s *session) lookForTwin(id, before string, now time.Time) {
	w, _, ok := s.peers.openWords(id, before)
	if !ok || w.Run >= s.Fleet.run || s.beaten.IsZero() || time.UnixMilli(w.Time).Before(s.EngineTime().Add(-now.Sub(s.beaten)-heartbeat)) {
		return
	}
	own := id[:min(len(id), 40)] + "-" + s.Fleet.run
	s.o.Log.Error("another host of the fleet uses this one's id, as one does whose state directory is a copy of this one's: give each host a state directory of its own", slog.String("id", id), slog.String("instead", own))
	s.id.Store(&own)
	s.peers.rename(own)
}

func hostsArgs() []string { return []string{strconv.Itoa(maxWords), strconv.Itoa(MaxHosts)} }
