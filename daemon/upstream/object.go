package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// maxDepth bounds the nesting of JSON that is accepted from the upstream.
const maxDepth = 64

// The rules for what comes from the upstream. A profile is passed on, so it is refused if two readers could understand
// it differently. Of other documents only the members that we need matter.
var (
	documentRules = strictjson.Rules{MaxDepth: maxDepth}
	profileRules  = strictjson.Rules{MaxDepth: maxDepth, Read: strictjson.NewNames(strictjson.UserNames()...), Finite: true}
)

// object is a JSON object read strictly: alone in its text, valid UTF-8, no repeated names at any level, bounded in
// depth. Its text is compact and has no control character, so it is one line for any reader.
type object struct{ compact []byte }

// readObject reads body by the rules; body belongs to the object from then on. Values keep the characters that they
// were sent with. Only blanks between them are dropped, and characters that may end a line become escapes.
func readObject(body []byte, rules strictjson.Rules) (object, error) {
	if err := rules.Members(body, nil); err != nil {
		return object{}, err
	}
	compact := strictjson.Line(body)
	if cap(compact)-len(compact) > len(compact)/8 {
		compact = bytes.Clone(compact) // the cache counts what it keeps by its length
	}
	return object{compact}, nil
}

// notStrict is the failure of a body about one user that readObject refuses; what says what the body should have been.
// Well-formed JSON that breaks a rule of ours is an answer of the upstream, and the user may have written it.
func notStrict(status int, what string, err error) *Error {
	fault := strictjson.What(err)
	e := unusable(status, what+fault)
	if fault == strictjson.TooDeep {
		e.detail += fmt.Sprintf(", more than %d levels", maxDepth)
	}
	e.ofOne = slices.Contains([]string{strictjson.GivenTwice, strictjson.CaseTwins, strictjson.OddName, strictjson.TooDeep, strictjson.NotFinite}, fault)
	return e
}

// isNull reports whether body is the JSON value null and nothing else but blanks.
func isNull(body []byte) bool {
	return string(bytes.Trim(body, " \t\r\n")) == "null"
}

// errFound ends a search.
var errFound = errors.New("found")

// member returns the raw value of a member of the object itself, nil if there is none. It is a copy.
func (o object) member(name string) (found strictjson.Value) {
	// readObject was strict already; looking for repeated names again would only cost time.
	_ = strictjson.Rules{Loose: true}.Members(o.compact, func(n []byte, value strictjson.Value) error {
		if string(n) != name {
			return nil
		}
		found = slices.Clone(value)
		return errFound
	})
	return found
}

// inner returns a member that is itself an object.
func (o object) inner(name string) (object, bool) {
	value := o.member(name)
	return object{value}, value.Kind() == '{'
}

// text returns a member that is a string; empty if there is none, or one with half a surrogate pair.
func (o object) text(name string) string {
	text, exact := strictjson.Text(o.member(name))
	if !exact {
		return ""
	}
	return text
}

// flag returns a member that is true or false. Absent and null are false; anything else is not ok.
func (o object) flag(name string) (set, ok bool) {
	value := o.member(name)
	switch value.Kind() {
	case 't':
		return true, true
	case 'f', 'n':
		return false, true
	}
	return false, len(value) == 0
}

// identifier returns a member that identifies somebody: a string of 1 to 255 bytes without control characters.
func (o object) identifier(name string) (id string, ok bool) {
	id, ok = strictjson.Identifier(o.member(name))
	if !ok || id == "" || len(id) > 255 {
		return "", false
	}
	return id, true
}
