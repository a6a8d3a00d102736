package fleet

import (
	"strings"
	"sync"
)

// cursor is a place in the log: the id of an entry and its tag, which stands for
// the entry and all before it. The id alone can repeat after the engine was
// flushed. The zero value is no place.
type cursor string

// start is the place before the first entry of an empty log.
const start cursor = "0-0 0"

// maxCursor bounds a place in the engine, in bytes.
const maxCursor = 128

// parseCursor reads what the engine says is its newest entry.
func parseCursor(text string) cursor {
	id, tag, ok := strings.Cut(text, " ")
	milli, number, dash := strings.Cut(id, "-")
	if !ok || !dash || !only(milli, "0123456789") || !only(number, "0123456789") || !only(tag, "0123456789abcdef") {
		return start
	}
	return cursor(text)
}

func only(text, of string) bool { return text != "" && strings.Trim(text, of) == "" }

// id is the entry's id in the stream.
func (c cursor) id() string {
	id, _, _ := strings.Cut(string(c), " ")
	return id
}

// milli is the time in the entry's id: when it came into the stream, in ms by the engine's
// clock.
func (c cursor) milli() int64 {
	milli, _, _ := strings.Cut(string(c), "-")
	return parseNumber(milli)
}

// next is the place of the entry with these fields, as the script computes it.
func next(id, before, name, body string) cursor {
	return cursor(id + " " + sha1Hex(before+"\n"+name+"\n"+body))
}

// remembered is how many places of the log a host can compare with others.
const remembered = 16 << 10

// position is a place that this host has met.
type position struct {
	number uint64
	digest digest // of the marks that the engine had in force there
	exact  bool   // digest is that of this place: nothing of what follows is in it
}

// chain is the part of the log that this host has met, in order, since it last
// exchanged everything. Safe for concurrent use.
type chain struct {
	mu      sync.Mutex
	epoch   uint64 // grows with each exchange: places of another epoch are not comparable
	number  uint64
	met     map[cursor]position
	order   []cursor // of those in met, the oldest first
	at      cursor   // the newest
	catchUp cursor   // the digest is exact from here on; "": it is exact already
	changed chan struct{}
}

func newChain() *chain {
	return &chain{met: map[cursor]position{}, at: start, changed: make(chan struct{})}
}

// restart begins anew at the place at. The digest is that of a later place,
// until the place exact is met.
func (c *chain) restart(at, exact cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	clear(c.met)
	c.order = nil
	c.at, c.catchUp = at, exact
	c.announce()
}

// meet notes the next place, and the digest there, which is not exact if later
// places are in it too.
func (c *chain) meet(at cursor, d digest, exact bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at == c.catchUp {
		c.catchUp = ""
	}
	c.number++
	if _, again := c.met[at]; !again {
		if c.order = append(c.order, at); len(c.order) > remembered {
			delete(c.met, c.order[0])
			c.order = c.order[1:]
		}
	}
	c.at, c.met[at] = at, position{c.number, d, exact && c.catchUp == ""}
	c.announce()
}

// announce wakes those who wait for a place. c.mu is held.
func (c *chain) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// look returns the position of a place that was met in this epoch, and a channel
// that is closed when something changes.
func (c *chain) look(at cursor) (p position, met bool, epoch uint64, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, met = c.met[at]
	return p, met, c.epoch, c.changed
}

// behind returns how many entries that this host has met come after a place, and when the
// first of them came into the log (cursor.milli); 0 if none does. A place that was not met is
// one that this host has not come to yet, or one from before its last exchange.
func (c *chain) behind(at cursor) (entries int, since int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := c.order
	if p, met := c.met[at]; met {
		after = after[len(after)-min(len(after), int(c.number-p.number)):]
	} else if at.milli() >= c.at.milli() {
		return 0, 0
	}
	if len(after) > 0 && after[0] == start { // which is no entry
		after = after[1:]
	}
	if len(after) == 0 {
		return 0, 0
	}
	return len(after), after[0].milli()
}

// newest is the place met last.
func (c *chain) newest() (at cursor, exact bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, c.catchUp == ""
}
