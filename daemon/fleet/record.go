package fleet

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
)

// How marks stand in the engine. The log holds whole marks. The hash of marks
// holds two values for each, one of the revocation and one of taking back,
// because the engine's script compares them apart; each begins with its order in
// clear, and the same mark is sealed behind it.
const (
	revokedField = "r:"
	undoneField  = "u:"
	revokedOrder = 60 // digits: Revoked, At, Until
	undoneOrder  = 40 // digits: Undone, Until
	// fieldBytes is the length of each field, in bytes: a prefix, and a name in base64.
	fieldBytes = len(revokedField) + (nameBytes*8+5)/6
	// maxMark bounds a mark's value in the engine, in bytes.
	maxMark = 8 << 10
)

// records seals and opens marks.
type records struct {
	ring *keyring
	keys engineKeys
}

func (r *records) seal(p sealedAt, m Mark) string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	return string(r.ring.seal(p, text))
}

func orderRevoked(m Mark) string {
	return digits(uint64(m.Revoked)) + digits(uint64(m.At)) + digits(uint64(m.Until))
}

func orderUndone(m Mark) string { return digits(uint64(m.Undone)) + digits(uint64(m.Until)) }

// announcement returns what the script takes for one mark. broken has the sha1Sum of
// values that do not open, by their fields.
func (r *records) announcement(m Mark, broken map[string]string) []string {
	name := r.ring.markName(0, m.Name)
	args := []string{name, r.seal(sealedAt{"entry", r.keys.log, name}, m), "", "", "", "", "", ""}
	if m.Revoked > 0 {
		field := revokedField + name
		one := m
		one.Undone = 0
		args[2], args[3], args[4] = orderRevoked(m), r.seal(sealedAt{"mark", r.keys.marks, field}, one), hex.EncodeToString([]byte(broken[field]))
	}
	if m.Undone > 0 {
		field := undoneField + name
		one := Mark{Name: m.Name, Undone: m.Undone, Until: m.Until}
		args[5], args[6], args[7] = orderUndone(m), r.seal(sealedAt{"mark", r.keys.marks, field}, one), hex.EncodeToString([]byte(broken[field]))
	}
	return args
}

// openEntry reads an entry of the log. key tells under which of our keys it is.
func (r *records) openEntry(name, body string) (m Mark, key int, ok bool) {
	text, key, err := r.ring.open(sealedAt{"entry", r.keys.log, name}, body)
	if err != nil || json.Unmarshal(text, &m) != nil || m.valid() != nil || r.ring.markName(key, m.Name) != name {
		return Mark{}, 0, false
	}
	return m, key, true
}

// openField reads a field of the hash of marks.
func (r *records) openField(field, value string) (m Mark, undone bool, key int, ok bool) {
	undone = strings.HasPrefix(field, undoneField)
	width := revokedOrder
	if undone {
		width = undoneOrder
	}
	if len(value) <= width || !undone && !strings.HasPrefix(field, revokedField) {
		return Mark{}, false, 0, false
	}
	text, key, err := r.ring.open(sealedAt{"mark", r.keys.marks, field}, value[width:])
	if err != nil || json.Unmarshal(text, &m) != nil || m.valid() != nil || r.ring.markName(key, m.Name) != field[len(revokedField):] {
		return Mark{}, false, 0, false
	}
	// The engine compares only the order in clear, so it must agree with the
	// sealed mark.
	if undone && (m.Revoked != 0 || orderUndone(m) != value[:width]) || !undone && (m.Undone != 0 || orderRevoked(m) != value[:width]) {
		return Mark{}, false, 0, false
	}
	return m, undone, key, true
}

// mostMilli bounds what the engine says, in ms: a time.Duration has room for it, and as a
// time it is in the year 2248.
const mostMilli = 1 << 43

// parseNumber reads a number that the engine says; 0 if it is below 0 or no number.
func parseNumber(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return min(max(0, n), mostMilli)
}

// parseTime reads what the engine answers to TIME, in ms since 1970.
func parseTime(seconds, micros string) int64 {
	return min(parseNumber(seconds)*1000+parseNumber(micros)/1000, mostMilli)
}
