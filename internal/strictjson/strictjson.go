// Package strictjson reads JSON from outside: tokens, key sets, answers of an
// upstream. It refuses JSON that two readers could understand in two ways, so
// that all programs that read it later understand the same. It does not change
// the JSON that it accepts. One library parses, and no other package does.
package strictjson

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Rules say what is refused besides text that is not a JSON object (RFC 8259).
// The zero value is strict and has no limits.
type Rules struct {
	// MaxDepth is the deepest nesting of arrays and objects, with the outermost
	// one counted; 0: no limit.
	MaxDepth int
	// Read are the names of the members that readers use. Two members of the
	// object itself whose names differ only in case are refused if they have such
	// a name: a reader that folds case, as encoding/json does, may use either.
	Read *Names
	// Finite refuses numbers that are too large for a float64. Some readers make
	// infinity of them, and others return an error.
	Finite bool
	// Loose checks only the syntax of values, and of names that are not in Read.
	// Use it if they are checked one by one, or have been checked already.
	Loose bool
}

// Fault says why a text is refused.
type Fault struct {
	Member string // of the object itself, as far as it was read; may be empty. It is text from outside
	What   string // fixed text
}

// Error returns a text without any part of the JSON.
func (f *Fault) Error() string { return "not one strict JSON object: " + f.What }

// What returns the fault of a text, in words of a closed list, from the error of a function that
// has read the text.
func What(err error) string {
	if fault, ok := errors.AsType[*Fault](err); ok {
		return fault.What
	}
	return "not readable"
}

// The ways in which a text is at fault.
const (
	NotJSON     = "not valid JSON"
	NotObject   = "not an object"
	NotUTF8     = "not valid UTF-8"
	Trailing    = "more than one value"
	GivenTwice  = "a name given twice"
	CaseTwins   = "two names that differ only in case"
	OddName     = "a name with a control character or half a surrogate pair"
	TooDeep     = "nested too deep"
	NotFinite   = "a number beyond every float64"
	NotAnArray  = "not an array"
	TooManyHere = "too many elements"
)

// Members calls member for each member of the object in text, in order, with the
// unescaped name and the value as it is in the text. Both are valid only during
// the call. Members stops at the first fault and returns it as a *Fault, or at
// the first error of member and returns that.
//
// Unless the rules are loose, Members refuses invalid UTF-8, a name that is
// twice in one object at any level, and a name with a control character or half
// a surrogate pair. Half a surrogate pair in a value is allowed.
func (r Rules) Members(text []byte, member func(name []byte, value Value) error) error {
	w := walk{rules: r, text: text}
	if !r.Loose && !utf8.Valid(text) {
		return w.fault(NotUTF8)
	}
	w.d = decoder(text)
	if w.d.PeekKind() != '{' {
		return w.notObject()
	}
	if _, err := w.d.ReadToken(); err != nil {
		return w.fault(NotJSON)
	}
	for w.d.PeekKind() != '}' {
		value, err := w.next()
		if err != nil {
			return err
		}
		if member == nil {
			continue
		}
		if err := member(w.name, value); err != nil {
			return err
		}
	}
	w.name = nil
	if _, err := w.d.ReadToken(); err != nil {
		return w.fault(NotJSON)
	}
	if _, err := w.d.ReadToken(); !errors.Is(err, io.EOF) {
		return w.fault(Trailing)
	}
	return nil
}

// Each calls take for each member of an object that has been checked before, as
// Members calls member. It reports whether it has read the whole object. It is
// safe for any other text.
func Each(object []byte, take func(name []byte, value Value)) bool {
	return Rules{Loose: true}.Members(object, func(name []byte, value Value) error {
		take(name, value)
		return nil
	}) == nil
}

// decoder returns a decoder that reads text without a copy. It does not check for
// invalid UTF-8 and duplicate names; callers do, where it matters.
func decoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// walk reads one object.
type walk struct {
	rules Rules
	text  []byte
	d     *jsontext.Decoder
	name  []byte // of the current member
	space [64]byte
	seen  uint64  // names of Read met so far
	names nameSet // all met so far
}

func (w *walk) fault(what string) error { return &Fault{string(w.name), what} }

// notObject returns the fault of a text that is not an object.
func (w *walk) notObject() error {
	if _, err := w.d.ReadValue(); err != nil {
		return w.fault(NotJSON)
	}
	return w.fault(NotObject)
}

// next reads one member. It puts the name into w.name and returns the value.
func (w *walk) next() (Value, error) {
	w.name = w.name[:0]
	raw, err := w.d.ReadValue()
	if err != nil || raw.Kind() != '"' {
		return nil, w.fault(NotJSON)
	}
	var exact bool
	w.name, exact = appendText(w.space[:0], raw)
	if err := w.judgeName(exact); err != nil {
		return nil, err
	}
	from := w.d.InputOffset()
	if err := w.skip(1); err != nil {
		return nil, err
	}
	value := Value(bytes.TrimLeft(w.text[from:w.d.InputOffset()], ": \t\r\n"))
	if k := value.Kind(); !w.rules.Loose && (k == '{' || k == '[') && !value.IsValid(jsontext.AllowInvalidUTF8(true)) {
		return nil, w.fault(GivenTwice) // all other faults are excluded here
	}
	return value, nil
}

// judgeName returns a fault if the name of the current member is not allowed.
func (w *walk) judgeName(exact bool) error {
	switch bit := w.rules.Read.bit(w.name); {
	case w.rules.Loose && w.seen&bit != 0:
		return w.fault(GivenTwice)
	case w.rules.Loose:
		w.seen |= bit
		return nil
	case !exact || hasControl(w.name):
		return w.fault(OddName)
	case !w.names.add(w.name):
		return w.fault(GivenTwice)
	case w.seen&bit != 0:
		return w.fault(CaseTwins)
	default:
		w.seen |= bit
		return nil
	}
}

// skip reads the next value. level is the depth of the nesting around it.
func (w *walk) skip(level int) error {
	k := w.d.PeekKind()
	switch {
	case w.rules.Loose, k != '{' && k != '[' && (k != '0' || !w.rules.Finite):
		if err := w.d.SkipValue(); err != nil {
			return w.fault(NotJSON)
		}
		return nil
	case k == '0':
		return w.number()
	case w.rules.MaxDepth > 0 && level >= w.rules.MaxDepth:
		return w.fault(TooDeep)
	}
	if _, err := w.d.ReadToken(); err != nil {
		return w.fault(NotJSON)
	}
	for {
		switch w.d.PeekKind() {
		case '}', ']':
			if _, err := w.d.ReadToken(); err != nil {
				return w.fault(NotJSON)
			}
			return nil
		}
		if k == '{' {
			if err := w.innerName(); err != nil {
				return err
			}
		}
		if err := w.skip(level + 1); err != nil {
			return err
		}
	}
}

// innerName reads the name of a member of an object within the object.
func (w *walk) innerName() error {
	raw, err := w.d.ReadValue()
	if err != nil || raw.Kind() != '"' {
		return w.fault(NotJSON)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return nil
	}
	if name, exact := appendText(nil, raw); !exact || hasControl(name) {
		return w.fault(OddName)
	}
	return nil
}

func (w *walk) number() error {
	value, err := w.d.ReadValue()
	if err != nil {
		return w.fault(NotJSON)
	}
	if _, err := strconv.ParseFloat(string(value), 64); err != nil {
		return w.fault(NotFinite)
	}
	return nil
}

// Elements calls element for each element of an array, as Members calls member. It
// refuses other values, and arrays of more than most elements (0: no limit). It
// does not check the contents of the elements.
func Elements(value Value, most int, element func(value Value) error) error {
	d := decoder(value)
	if k := d.PeekKind(); k != '[' {
		return &Fault{What: NotAnArray}
	}
	if _, err := d.ReadToken(); err != nil {
		return &Fault{What: NotJSON}
	}
	for n := 1; d.PeekKind() != ']'; n++ {
		if most > 0 && n > most {
			return &Fault{What: TooManyHere}
		}
		from := d.InputOffset()
		if err := d.SkipValue(); err != nil {
			return &Fault{What: NotJSON}
		}
		if err := element(Value(bytes.TrimLeft(value[from:d.InputOffset()], ", \t\r\n"))); err != nil {
			return err
		}
	}
	return nil
}
