// Package strictjson reads JSON that comes from outside: tokens, key sets,
// answers of an upstream. What two readers could take for two things is refused
// here, so that everybody behind us reads the same; what passes is handed on as
// it came. Only one library does the parsing, and nobody else walks JSON.
package strictjson

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Rules say what is refused beside text that is no JSON object (RFC 8259). The
// zero value is strict and has no bound but the text's own.
type Rules struct {
	// MaxDepth is how deep arrays and objects may nest, the outermost counted;
	// 0: as deep as they like.
	MaxDepth int
	// Read are the names that readers pick out. Two members of the object
	// itself whose names differ only in case are refused if they are such a
	// name: a reader that folds case, as encoding/json does, may take either.
	Read *Names
	// Finite demands that every number has a float64: of larger ones some
	// readers make infinity, and others an error.
	Finite bool
	// Loose leaves the values unjudged but for their syntax, names that are not
	// in Read included: they are to be judged one by one, or have been already.
	Loose bool
}

// Fault says why a text is refused.
type Fault struct {
	Member string // of the object itself, as far as it was read; may be empty. Foreign text
	What   string // in fixed words
}

// Error holds nothing of the text.
func (f *Fault) Error() string { return "not one strict JSON object: " + f.What }

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

// Members calls member with each member of the one object that text consists
// of, in order: its name unescaped, and its value as it stands. Both are valid
// only during the call. It stops at the first fault, which it returns as a
// *Fault, or at the first error of member, which it returns as it is.
//
// Unless the rules are loose these are refused: invalid UTF-8, a name given
// twice in one object at any level, and a name with a control character or half
// a surrogate pair. A lone half in any other string is none of our business.
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

// Each calls take as Members calls member, with the members of an object that
// has been judged before, and tells whether it came to its end. Of anything else
// it does no harm.
func Each(object []byte, take func(name []byte, value Value)) bool {
	return Rules{Loose: true}.Members(object, func(name []byte, value Value) error {
		take(name, value)
		return nil
	}) == nil
}

// decoder reads text itself, without a copy. Who uses it has looked for invalid
// UTF-8 before and looks for doubled names, or need not.
func decoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// walk is the way through one object.
type walk struct {
	rules Rules
	text  []byte
	d     *jsontext.Decoder
	name  []byte // of the member at hand
	space [64]byte
	seen  uint64  // names of Read met so far
	names nameSet // all met so far
}

func (w *walk) fault(what string) error { return &Fault{string(w.name), what} }

// notObject is the fault of a text that begins otherwise.
func (w *walk) notObject() error {
	if _, err := w.d.ReadValue(); err != nil {
		return w.fault(NotJSON)
	}
	return w.fault(NotObject)
}

// next reads one member: its name into w.name, its value as it stands.
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
		return nil, w.fault(GivenTwice) // nothing else is left that could be wrong
	}
	return value, nil
}

// judgeName says what speaks against the name of the member at hand.
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

// skip reads the next value, which stands level deep in arrays and objects.
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

// Elements calls element with each element of a value that has to be an array,
// as Members calls member, and refuses more than most of them (0: no bound).
// What is in the elements is not judged.
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
