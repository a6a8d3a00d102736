package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// hash returns the hash that the engine holds under key, as somebody with full
// access sees it.
func (s *server) hash(key string) map[string]string {
	s.t.Helper()
	m, err := s.do("HGETALL", key).AsStrMap()
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

const (
	logKey   = "{neonauthd:test}:log"
	marksKey = "{neonauthd:test}:marks"
	lastKey  = "{neonauthd:test}:last"
	hostsKey = "{neonauthd:test}:hosts"
)

// TestWhoCanWriteTheEngineCannotMakeAHostAccept forges, replays, swaps and deletes
// for a while: revoked names stay revoked on the hosts that know it, and names
// that were taken back stay taken back.
func TestWhoCanWriteTheEngineCannotMakeAHostAccept(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 2, s)
	var revoked, back []Name
	for i := range 20 {
		n := subject(fmt.Sprint("u", i))
		hosts[i%2].revoke(n)
		if i%4 == 0 {
			hosts[i%2].undo(n)
			back = append(back, n)
		} else {
			revoked = append(revoked, n)
		}
	}
	seen := s.hash(marksKey)
	entries := must[[]valkey.XRangeEntry](t)(s.do("XRANGE", logKey, "-", "+").AsXRange())
	random := rand.New(rand.NewPCG(1, 2))
	var fields, values []string
	for field, value := range seen {
		fields, values = append(fields, field), append(values, value)
	}
	for range 300 {
		field, value := fields[random.IntN(len(fields))], values[random.IntN(len(values))]
		entry := entries[random.IntN(len(entries))].FieldValues
		switch random.IntN(9) {
		case 0:
			s.must("HSET", marksKey, field, value) // swap
		case 1:
			s.must("HSET", marksKey, field, strings.Repeat("9", 60)+value[60:]) // forge the order
		case 2:
			s.must("HDEL", marksKey, field)
		case 3:
			s.must("XADD", logKey, "*", "p", entry["p"], "n", entry["n"], "b", entry["b"]) // replay, out of the chain
		case 4:
			last, _ := s.do("GET", lastKey).ToString() // replay, within the chain
			m := s.must("XADD", logKey, "*", "p", last, "n", entry["n"], "b", entry["b"])
			id, _ := m.ToString()
			s.must("SET", lastKey, string(next(id, last, entry["n"], entry["b"])))
		case 5:
			last, _ := s.do("GET", lastKey).ToString() // forge, within the chain
			m := s.must("XADD", logKey, "*", "p", last, "n", entry["n"], "b", entry["b"]+"x")
			id, _ := m.ToString()
			s.must("SET", lastKey, string(next(id, last, entry["n"], entry["b"]+"x")))
		case 6:
			s.must("SET", lastKey, "1-1 abc")
		case 7:
			s.must("HSET", hostsKey, fmt.Sprint("id-", random.IntN(4)), value)
		case 8:
			s.must("DEL", logKey)
		}
		for _, h := range hosts {
			for _, n := range revoked {
				if !h.inForce(n) {
					t.Fatalf("%v is not revoked any more", n)
				}
			}
			for _, n := range back {
				if h.inForce(n) {
					t.Fatalf("%v was taken back, and is revoked", n)
				}
			}
		}
	}
	s.must("DEL", hostsKey) // otherwise hosts that never were count as silent for an hour
	if _, reach := hosts[0].revoke(subject("then")); reach.Blind {
		e2e.Until(t, "it is in force on the other host too", func() bool { return hosts[1].inForce(subject("then")) })
	}
	e2e.Until(t, "both have the same marks", func() bool { return same(hosts) })
	e2e.Until(t, "both hear again", func() bool { return hosts[0].Connected() && hosts[1].Connected() })
	if hosts[0].Stats().Unopened+hosts[1].Stats().Unopened == 0 {
		t.Error("nothing was counted")
	}
	late := newHost(t, options(t, 7, s.url()))
	e2e.Until(t, "a new host hears", late.Connected)
	for _, n := range revoked {
		if !late.inForce(n) {
			t.Errorf("%v is not revoked on a new host", n)
		}
	}
}

// TestARevocationThatIsKeptFromAHostIsNoticed: an entry is taken out of the log,
// the chain mended, and the mark deleted, so that one host never hears of it.
func TestARevocationThatIsKeptFromAHostIsNoticed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts, way := onACable(t, s)
	way.Cut()
	e2e.Until(t, "the other host is cut off", func() bool { return !hosts[1].Connected() })
	hosts[0].revoke(subject("u"))
	s.must("DEL", marksKey)
	way.Mend()
	e2e.Until(t, "the other host has it all the same", func() bool { return hosts[1].inForce(subject("u")) })
	awaitAll(t, hosts)
}

// TestValuesLargerThanTheyMayBeAreRemoved puts 9 MB under each of our names, one
// after the other. Nobody changes anything afterwards: whoever reads it removes it, and
// counts it.
func TestValuesLargerThanTheyMayBeAreRemoved(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 2, s)
	hosts[0].reaches(subject("u"), 2)
	keys := hosts[0].claimKeys(askFor("p"))
	field := func(key string) string { return `redis.call('HSET', '` + key + `', 'x', big)` }
	value := func(key string) string { return `redis.call('SET', '` + key + `', big)` }
	skipped := func() uint64 { return hosts[0].Stats().Skipped + hosts[1].Stats().Skipped }
	heard := func() {}
	asked := func() { hosts[0].claimed(askFor("p"), Go) }
	for _, place := range []struct {
		name, key, put string
		read           func() // what has it read
	}{
		{"the log", logKey, `redis.call('XADD', '` + logKey + `', '*', 'p', 'x', 'n', 'x', 'b', big)`, heard},
		{"the newest entry", lastKey, value(lastKey), heard},
		{"what a host says", hostsKey, field(hostsKey), heard},
		{"the name of a host", hostsKey, `redis.call('HSET', '` + hostsKey + `', big, '')`, heard},
		{"a crowd of hosts", hostsKey, `for i = 1, 2000 do redis.call('HSET', '` + hostsKey + `', i, '') end`, heard},
		{"the marks", marksKey, field(marksKey), func() { s.must("SET", lastKey, "1-1 abc") }},
		{"a profile", keys[0], value(keys[0]), asked},
		{"a lease", keys[1], value(keys[1]), asked},
		{"a budget", keys[2], value(keys[2]), asked},
		{"a pause", keys[3], value(keys[3]), asked},
	} {
		before := skipped()
		for skipped() == before { // on a busy machine the answer that tells of it may come too late
			s.must("EVAL", `local big = string.rep('x', 9000000) `+place.put+` return 1`, "0")
			place.read()
			e2e.Until(t, place.name+" is healed and all hear", func() bool {
				size, _ := s.do("MEMORY", "USAGE", place.key, "SAMPLES", "0").AsInt64()
				return size < 1<<20 && hosts[0].Connected() && hosts[1].Connected()
			})
		}
	}
	late := newHost(t, options(t, 7, s.url()))
	e2e.Until(t, "a new host hears", late.Connected)
	if !late.inForce(subject("u")) || !same(append(hosts, late)) {
		t.Error("something was lost")
	}
}

func TestAHostOfAnotherKeyIsCountedAndNeverApplied(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 2, s)
	o := options(t, 7, s.url())
	o.Keys = []Key{testKey(t, 2)}
	stranger := newHost(t, o)
	e2e.Until(t, "it is there", func() bool { return hosts[0].Stats().Hosts == 3 })
	_, _ = stranger.Announce(t.Context(), stranger.revokeHere(subject("theirs")))
	_, reach := hosts[0].revoke(subject("ours"))
	if whole(reach) || reach.Reached > 2 {
		t.Errorf("reached %+v", reach)
	}
	if hosts[0].inForce(subject("theirs")) || stranger.inForce(subject("ours")) {
		t.Error("a mark of another key is in force")
	}
	if hosts[1].Stats().Unopened == 0 {
		t.Error("not counted")
	}
}

// TestAHostThatComesBackWithAnotherKeyMayBeAccepting: a host keeps its id over a
// restart and over a reload, so the others know its earlier words. It ends in either
// way that a host can end.
func TestAHostThatComesBackWithAnotherKeyMayBeAccepting(t *testing.T) {
	for name, leaves := range map[string]bool{"it took leave": true, "it was killed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			way := e2e.NewCable(t, "tcp", s.address())
			last := newHost(t, options(t, 2, "redis://"+way.Address()))
			hosts := append(newHosts(t, 2, s), last)
			awaitAll(t, hosts)
			if !leaves {
				way.Cut() // so that it does not write its last words
			}
			last.stop()
			e2e.Until(t, name, func() bool { return hosts[0].sees("id-2", func(h Host) bool { return h.Left == leaves && h.Opens }) })
			o := options(t, 2, s.url())
			o.Keys = []Key{testKey(t, 2)}
			stranger := newHost(t, o)
			e2e.Until(t, "it is there", func() bool { return hosts[0].sees("id-2", func(h Host) bool { return !h.Opens && !h.Left }) })
			if _, reach := hosts[0].revoke(subject("u")); whole(reach) || reach.Of != 3 || reach.Reached > 2 {
				t.Errorf("reached %+v", reach)
			}
			if stranger.inForce(subject("u")) {
				t.Error("in force on a host that cannot read it")
			}
			stranger.stop() // how it ends cannot be read either
			// On a busy machine another host may be late, and is silent too.
			e2e.Until(t, "it alone is silent", func() bool {
				_, reach := hosts[0].revoke(subject("v"))
				if whole(reach) || reach.Of != 3 {
					t.Fatalf("reached %+v", reach)
				}
				return reach.Silent == 1
			})
			newHost(t, options(t, 2, s.url()))
			hosts[0].reaches(subject("w"), 3)
		})
	}
}

// sees reports whether another host is in a state, as this one sees it.
func (h *host) sees(id string, is func(Host) bool) bool {
	return slices.ContainsFunc(h.Hosts(), func(other Host) bool { return other.ID == id && is(other) })
}

func TestAnotherFleetOnTheSameEngineIsApart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ours := newHosts(t, 1, s)[0]
	ours.revoke(subject("before"))
	o := options(t, 7, s.url())
	o.Name = "other" // with the same key
	theirs := newHost(t, o)
	e2e.Until(t, "the other hears", theirs.Connected)
	theirs.reaches(subject("u"), 1)
	for _, kind := range []string{"marks", "hosts"} { // somebody copies everything over
		for field, value := range s.hash("{neonauthd:other}:" + kind) {
			s.must("HSET", "{neonauthd:test}:"+kind, field, value)
		}
	}
	s.must("DEL", logKey, lastKey)
	_, _ = ours.revoke(subject("v"))
	e2e.Until(t, "ours has counted them", func() bool { return ours.Stats().Unopened > 0 })
	if ours.inForce(subject("u")) {
		t.Error("a mark of another fleet is in force")
	}
}

func TestAKeyIsReplacedWithoutLosingAnything(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	with := func(i int, keys ...byte) *host {
		o := options(t, i, s.url())
		o.Keys = nil
		for _, k := range keys {
			o.Keys = append(o.Keys, testKey(t, k))
		}
		return newHost(t, o)
	}
	reloaded := func(hosts []*host, keys ...byte) {
		for i, h := range hosts {
			h.stop()
			o := with(i, keys...)
			_ = o.journal.Join(valuesOf(h.journal))
			hosts[i] = o
			awaitAll(t, hosts)
			hosts[i].revoke(subject(fmt.Sprint(keys, i)))
		}
	}
	hosts := []*host{with(0, 1), with(1, 1)}
	awaitAll(t, hosts)
	hosts[0].revoke(subject("first"))
	reloaded(hosts, 1, 2)
	reloaded(hosts, 2, 1)
	e2e.Until(t, "nothing is left under the old key", func() bool {
		for field := range s.hash(marksKey) {
			if _, _, key, ok := hosts[0].records.openField(field, s.hash(marksKey)[field]); ok && key != 0 {
				s.must("DEL", logKey) // everything is exchanged again
				return false
			}
		}
		return true
	})
	reloaded(hosts, 2)
	last := with(9, 2)
	e2e.Until(t, "a host with the new key alone hears", last.Connected)
	if !last.inForce(subject("first")) || !same([]*host{hosts[0], hosts[1], last}) {
		t.Error("something was lost")
	}
}

func valuesOf(j *journal) (marks []Mark) {
	for m := range j.Marks() {
		marks = append(marks, m)
	}
	return marks
}

func TestMarksLeaveTheEngineWhenTheyAreOver(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	h := newHosts(t, 1, s)[0]
	m := Mark{Name: subject("old"), Until: time.Now().Add(-Keep*time.Second - time.Minute).Unix()}
	m.Revoked = h.Stamp(m, 0)
	if _, err := h.Announce(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	e2e.Until(t, "the lapsed mark has left the engine", func() bool {
		h.revoke(subject("new"))
		return len(s.hash(marksKey)) == 1
	})
}

// TestValuesThatDoNotOpenAreBounded: each costs a host memory until the next exchange. The
// value of a mark that the host has is replaced, however many others there are.
func TestValuesThatDoNotOpenAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	h := newHost(t, options(t, 0, s.url()))
	awaitAll(t, []*host{h})
	m := h.reaches(subject("u"), 1)
	own := revokedField + h.ring.markName(0, m.Name)
	high := strings.Repeat("9", revokedOrder) + "x" // above all that the fleet writes, by its order in clear
	s.must("HSET", marksKey, own, high)
	s.must("EVAL", `for i = 1, tonumber(ARGV[1]) do redis.call('HSET', KEYS[1], string.format('r:%022d', i), ARGV[2]) end`,
		"1", marksKey, fmt.Sprint(MaxBroken+5000), high)
	s.must("SET", lastKey, "1-1 abc") // has the host exchange everything
	e2e.Until(t, "there are no more than a host remembers", func() bool {
		n, err := s.do("HLEN", marksKey).AsInt64()
		return err == nil && n <= MaxBroken+1
	})
	e2e.Until(t, "the engine has the mark of the host again", func() bool {
		value, _ := s.do("HGET", marksKey, own).ToString()
		_, _, _, opens := h.records.openField(own, value)
		return opens && h.Connected()
	})
}
