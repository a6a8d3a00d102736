package bench

import (
	"bytes"
	"math/rand/v2"
	"strings"

	"github.com/neonauthd/neonauthd/protocol"
)

// kind is a kind of lookup.
type kind uint8

const (
	kindHit  kind = iota // a given token as it is
	kindMiss             // a given token under a signature never seen before
	kindBad              // no token
)

// freshChars is how many characters of a signature are replaced to make a
// token that was never seen: 60 random bits.
const freshChars = 10

// mix is the set of requests, ready to be written: request lines without a tag.
type mix struct {
	hits     [][]byte
	misses   []miss // nil when no token has a signature to replace
	bad      []byte
	reply    *shape // the form of a reply; nil: one line of the protocol
	schedule []kind // repeated for ever; each connection starts at its own position
}

// miss is a request line whose signature is replaced from an offset on.
type miss struct {
	line []byte
	at   int
}

func (b *bench) mix(tokens []string) *mix {
	m := new(mix)
	head := append([]byte(nil), b.verb()...)
	if b.settings.Project != "" {
		head = protocol.AppendField(head, protocol.FieldProject, b.settings.Project)
	}
	head = append(head, ' ')
	for _, token := range tokens {
		line := append(bytes.Clone(head), token...)
		line = append(line, '\n')
		m.hits = append(m.hits, line)
		// The last characters of a signature stay, because not every character
		// is allowed at its end.
		if dot := strings.LastIndexByte(token, '.'); dot > 0 && len(token)-dot-1 >= freshChars+6 {
			m.misses = append(m.misses, miss{line: line, at: len(head) + dot + 1})
		}
	}
	m.bad = bytes.Clone(m.hits[0])
	m.bad[len(head)] = '!' // in no alphabet that a token is written in
	m.schedule = schedule(b.misses, b.bad)
	return m
}

// schedule spreads the kinds over a hundred lookups, always in the same way.
func schedule(misses, bad int) []kind {
	kinds := make([]kind, 100)
	for i := range kinds {
		switch {
		case i < misses:
			kinds[i] = kindMiss
		case i < misses+bad:
			kinds[i] = kindBad
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	return kinds
}

// script is the position of one connection in a mix.
type script struct {
	mix   *mix
	turn  int // position in the schedule
	token int
	slots [][]byte // for each request in flight, room for a fresh miss
	rand  *rand.Rand
}

func newScript(m *mix, number, depth int) *script {
	return &script{
		mix: m, turn: number * 37, token: number, slots: make([][]byte, depth),
		rand: rand.New(rand.NewPCG(rand.Uint64(), uint64(number))),
	}
}

// next returns the next request line. It is valid until the slot is used again.
func (s *script) next(slot int) []byte {
	s.turn++
	s.token++
	switch s.mix.schedule[s.turn%len(s.mix.schedule)] {
	case kindMiss:
		m := s.mix.misses[s.token%len(s.mix.misses)]
		s.slots[slot] = append(s.slots[slot][:0], m.line...)
		s.freshen(s.slots[slot][m.at:])
		return s.slots[slot]
	case kindBad:
		return s.mix.bad
	default:
		return s.mix.hits[s.token%len(s.mix.hits)]
	}
}

func (s *script) freshen(signature []byte) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	bits := s.rand.Uint64()
	for i := range freshChars {
		signature[i] = alphabet[bits&63]
		bits >>= 6
	}
}
