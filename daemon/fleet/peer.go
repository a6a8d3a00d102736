package fleet

import (
	"encoding/json"
	"sort"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
)

// What is believed of other hosts.
const (
	heartbeat = 500 * time.Millisecond
	// heardWithin is how old a host's last word may be, by the observer's own
	// clock, for the host to be heard.
	heardWithin = 2 * time.Second
	// silentFor is how long a host that fell silent is counted.
	silentFor = time.Hour
	// lastHeard is the longest time from a host's last words until it hears the fleet
	// for the last time: for so long it does not write again.
	lastHeard = heartbeat * 4 / 5
	// longestUse is longer than any client uses a kept answer after its host has begun
	// to refuse: a lease, which takes 1.05 s.
	longestUse = 1100 * time.Millisecond
	// refuseMargin is added to the time after which a silent host refuses by itself, so
	// that no application on it accepts any more when it is no longer counted. Half a
	// second is for clocks that differ.
	refuseMargin = lastHeard + longestUse + 500*time.Millisecond
	// MaxHosts is how many hosts a fleet can have.
	MaxHosts = 1024
	// maxWords bounds what a host says of itself, in bytes sealed.
	maxWords = 4 << 10
)

// words are what a host says of itself, again and again.
type words struct {
	Run       string `json:"run"`
	Number    uint64 `json:"n"`  // counts within a run, so that old words do not pass for new ones
	Time      int64  `json:"t"`  // of the engine, in ms
	Confirmed cursor `json:"c"`  // no answer from before this place is in use on this host
	Applied   cursor `json:"a"`  // everything up to this place is in force on this host
	Digest    string `json:"d"`  // of what is in force at Applied; "" while that is not exact
	Refuse    int64  `json:"rf"` // ms of blindness after which the host accepts nothing; 0: it goes on
	Left      bool   `json:"x,omitzero"`
	Broken    bool   `json:"b,omitzero"` // its journal cannot take in what the fleet says
	Version   string `json:"v"`
	Label     string `json:"l"`
}

// peer is another host, as this one sees it.
type peer struct {
	id       string
	raw      string
	words    words     // the newest that open; zero: none ever did
	before   int64     // Time of the newest words of its other runs
	older    bool      // words are of a run of which nothing is newer than before
	opens    bool      // false: its newest words do not open, so it has another key, or somebody has overwritten them
	writes   bool      // its words have changed while this host looked, so somebody runs there
	key      int       // which of our keys it seals under
	lost     bool      // the engine did not have its words when they were last read
	at       time.Time // when its words last changed, by our clock
	disagree time.Time // since when its marks differ from ours; zero: they do not
}

// peers are the other hosts. Safe for concurrent use.
//
// How long ago they spoke goes by the time that this host was awake (clock.Awake): a
// host counts too long after this one slept, never too short. Whether this host itself
// hears goes by the clock that says more, see Fleet.Heard.
type peers struct {
	keys *keyring
	key  string // of the hash in the engine
	own  string

	mu       sync.Mutex
	all      map[string]*peer
	unopened uint64
}

func newPeers(keys *keyring, key, own string) *peers {
	return &peers{keys: keys, key: key, own: own, all: map[string]*peer{}}
}

// takeOver takes over what is known of the other hosts, and what this one is called. The
// keys may be others. The words of a host that has left stay as they were read.
func (p *peers) takeOver(before *peers) {
	before.mu.Lock()
	defer before.mu.Unlock()
	p.own = before.own
	for id, known := range before.all {
		one := *known
		one.disagree = time.Time{}
		switch _, key, opens := p.openWords(id, one.raw); {
		case opens == one.opens:
			one.key = key
		case opens: // they are read again
			one.raw = ""
		case !one.left():
			one.opens, one.writes, one.key = false, true, 0
		}
		p.all[id] = &one
	}
}

func (p *peers) wordsAt(id string) sealedAt { return sealedAt{"host", p.key, id} }

func (p *peers) sealWords(id string, w words) string {
	text, err := json.Marshal(w)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	return string(p.keys.seal(p.wordsAt(id), text))
}

func (p *peers) openWords(id, raw string) (w words, key int, ok bool) {
	text, key, err := p.keys.open(p.wordsAt(id), raw)
	return w, key, err == nil && json.Unmarshal(text, &w) == nil
}

// hear takes in what all hosts say, read at now; engine is the engine's time then,
// in ms.
func (p *peers) hear(found map[string]string, engine int64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, raw := range found {
		if id == p.own {
			continue
		}
		one := p.all[id]
		if one != nil && one.raw == raw {
			continue
		}
		if one == nil {
			if len(p.all) >= MaxHosts {
				continue
			}
			one = &peer{id: id}
		}
		if p.take(one, raw, engine, now) {
			p.all[id] = one
		}
	}
	for id, one := range p.all {
		_, there := found[id]
		one.lost = !there
		if !there && (one.left() || !one.known()) || (!there || one.opens) && clock.Awake(one.at, now) > silentFor {
			delete(p.all, id)
		}
	}
}

// take takes in one host's new words, unless they are older than what is known.
//
// Words of another run than the known one that are older may be a repetition, by an older
// copy of the engine or by somebody who can write to it. They are of a new run if the
// engine's clock was set back. After a while without newer words they count as a sign that
// somebody runs there. But such words never end what is known of the host: that it has left, or
// refuses after some time, is not believed.
//
// Words that do not open are those of a host with another key, also where this host
// could open the host's earlier words: an id is kept over restarts, keys are not. What
// the earlier words said, that it has left for example, counts no more.
func (p *peers) take(one *peer, raw string, engine int64, now time.Time) bool {
	w, key, ok := p.openWords(one.id, raw)
	if !ok {
		p.unopened++
		one.writes = one.raw != ""
		one.raw, one.at, one.opens, one.key, one.disagree = raw, now, false, 0, time.Time{}
		return true
	}
	known := one.known()
	same, before := w.Run == one.words.Run, one.before
	if known && !same {
		before = max(before, one.words.Time)
	}
	older := w.Time <= before && (!same || one.older)
	repeated := known && same && w.Number <= one.words.Number || older && !same && clock.Awake(one.at, now) < 2*heardWithin
	if wouldEnd := older && w.Left; repeated || wouldEnd {
		return true
	}
	if older {
		w.Refuse = 0
	}
	old := max(0, engine-w.Time) // ms; more than a time.Duration has room for if a clock is wrong enough
	if old > silentFor.Milliseconds() {
		return known
	}
	age := time.Duration(old) * time.Millisecond
	if known {
		age = 0
	}
	one.raw, one.words, one.key, one.opens, one.at = raw, w, key, true, now.Add(-age)
	one.before, one.older = before, older
	return true
}

// lost returns the words of silent hosts that the engine has lost, after their ids. A host
// that has just started knows of a silent host by these words only.
func (p *peers) lost(now time.Time) (fields []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, one := range p.all {
		if one.lost && one.opens && !one.left() && !one.heard(now) {
			fields = append(fields, id, one.raw)
		}
	}
	return fields
}

// known reports whether words of the host ever opened. So it is a host and not junk,
// and what the engine loses of it says nothing about whether it still accepts.
func (one *peer) known() bool { return one.words.Run != "" }

// left reports whether the host has said that it ends.
func (one *peer) left() bool { return one.opens && one.words.Left }

// rename gives this host another id.
func (p *peers) rename(own string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = own
}

// strange is how often words were read that do not open.
func (p *peers) strange() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unopened
}

// heard reports whether the host was heard of late.
func (one *peer) heard(now time.Time) bool {
	return !one.left() && clock.Awake(one.at, now) < heardWithin
}

// silent reports whether the host may be accepting without hearing. A host with
// another key does not hear even while it writes, and how it ends cannot be read: it
// counts as long as any host that took no leave, unless nobody ever saw it write.
func (one *peer) silent(now time.Time) bool {
	since := clock.Awake(one.at, now)
	if one.left() || since < heardWithin || since > silentFor {
		return false
	}
	if !one.opens {
		return one.writes
	}
	refuse := time.Duration(one.words.Refuse) * time.Millisecond
	return refuse == 0 || since < refuse+refuseMargin
}

// compare notes which of the heard hosts have the same marks as this one, by
// what same says of a host's words. A host that says itself that it has not is
// left out, or it would keep all others from being heard. compare reports
// whether all have the same marks, and the longest time for which a host has
// not.
func (p *peers) compare(same func(words) bool, now time.Time) (agree bool, longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	agree = true
	for _, one := range p.all {
		if !one.opens || !one.heard(now) || one.words.Broken || same(one.words) {
			one.disagree = time.Time{}
			continue
		}
		agree = false
		if one.disagree.IsZero() {
			one.disagree = now
		}
		longest = max(longest, now.Sub(one.disagree))
	}
	return agree, longest
}

// count says how many hosts, this one included, are to be waited for, how many of
// them have confirmed by what confirmed says (nil: none), and how many are silent. of holds the
// silent ones too. blind says that this host does not hear the fleet, see missed.
func (p *peers) count(own, blind bool, confirmed func(cursor) bool, now time.Time) (reached, of, silent int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of = 1
	if own {
		reached = 1
	}
	for _, one := range p.all {
		switch {
		case one.heard(now):
			of++
			if one.opens && confirmed != nil && confirmed(one.words.Confirmed) {
				reached++
			}
		case one.missed(blind, now):
			silent++
			of++
		}
	}
	return reached, of, silent
}

// missed reports whether the host may be accepting without being heard. A host that is
// blind itself cannot tell who else is: the others may hear each other, and not refuse.
// So for a blind host each counts that took no leave, however long ago it was heard.
func (one *peer) missed(blind bool, now time.Time) bool {
	if blind && !one.heard(now) && !one.left() {
		return one.opens || one.writes
	}
	return one.silent(now)
}

// known is how many hosts may be calling upstreams, this one included: all that took no
// leave, also those that accept nothing at the moment.
func (p *peers) known(now time.Time) int {
	_, of, _ := p.count(true, true, nil, now)
	return of
}

// oldKeys reports whether a host that was heard seals under another key than our
// first.
func (p *peers) oldKeys(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.all {
		if one.heard(now) && one.key != 0 {
			return true
		}
	}
	return false
}

// over returns the fields of hosts that left or fell silent long ago, and of words
// that do not open and have not changed for as long, with the sums by which they are
// removed.
func (p *peers) over(found map[string]string, engine int64, now time.Time) (args []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, raw := range found {
		w, _, ok := p.openWords(id, raw)
		old := engine-w.Time > silentFor.Milliseconds()
		if !ok {
			one := p.all[id]
			old = one != nil && one.raw == raw && clock.Awake(one.at, now) > silentFor
		}
		if old && id != p.own {
			args = append(args, id, sha1Hex(raw))
		}
	}
	return args
}

// Host is what a fleet's host says of itself, for people.
type Host struct {
	ID       string
	Label    string
	Version  string
	Age      time.Duration // since it was last heard
	Heard    bool          // of late
	Silent   bool          // not heard of late, has not said that it ends, and may be accepting
	Left     bool
	Broken   bool          // it says that it cannot take in what the fleet says
	Opens    bool          // false: its words are sealed under a key that this host does not have
	OldKey   bool          // it seals under another key than our first
	Cursor   string        // the place in the log that it has confirmed
	Disagree time.Duration // for how long its marks have differed from ours; 0: they do not
}

// list returns the other hosts. blind says that this host does not hear the fleet.
func (p *peers) list(blind bool, now time.Time) (hosts []Host) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.all {
		h := Host{
			ID: one.id, Label: one.words.Label, Version: one.words.Version, Age: max(0, clock.Elapsed(one.at, now)), Heard: one.heard(now), Silent: one.missed(blind, now),
			Left: one.left(), Broken: one.opens && one.words.Broken, Opens: one.opens, OldKey: one.key != 0,
		}
		if one.opens {
			h.Cursor = one.words.Confirmed.id()
		}
		if !one.disagree.IsZero() {
			h.Disagree = now.Sub(one.disagree)
		}
		hosts = append(hosts, h)
	}
	sort.Slice(hosts, func(i, j int) bool { return hosts[i].ID < hosts[j].ID })
	return hosts
}
