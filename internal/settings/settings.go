// Package settings reads configuration files: TOML, strictly. Its errors are for the
// author of the file: an error names line, column and key, and says what would be right;
// it never names a type of Go.
package settings

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/neonauthd/neonauthd/internal/foreign"
	"github.com/neonauthd/neonauthd/internal/nearest"
)

// Value is a value that is written as a text in quotes. The errors of its
// UnmarshalText say what the text must be: "must be a duration such as ...".
type Value interface {
	encoding.TextUnmarshaler
	// Wants says what the text must be. It is used if the value in the file is not a
	// text.
	Wants() string
}

// Decode reads text into the struct that into points to. Keys that the struct lacks are
// errors, of which there may be several, one a line; manual is the page that lists the
// keys. A byte order mark before the text is ignored.
func Decode(text []byte, into any, manual string) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	of := reflect.TypeOf(into).Elem()
	var raw map[string]any
	if err := toml.Unmarshal(text, &raw); err != nil {
		return explain(unquoted(text, err), of, manual)
	}
	if err := checkQuoted(text, raw, of); err != nil {
		return err
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return explain(d.Decode(into), of, manual)
}

// bareText matches a line with one value that should be a text but has no quotes.
func bareText() *regexp.Regexp {
	return regexp.MustCompile(`^\s*([A-Za-z0-9_-]+)\s*=\s*([A-Za-z/@.:][^"'\[\]{}]*)$`)
}

// unquoted returns err, or a clearer error if the line that is not TOML has a value
// without quotes. The parser takes the i of info for the beginning of infinity.
func unquoted(text []byte, err error) error {
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return err
	}
	row, _ := at.Position()
	lines := bytes.Split(text, []byte("\n"))
	if row < 1 || row > len(lines) {
		return err
	}
	line, _, _ := bytes.Cut(lines[row-1], []byte("#"))
	match := bareText().FindSubmatchIndex(line)
	if match == nil {
		return err
	}
	return fmt.Errorf("line %d, column %d: %s: a text must be in quotes", row, match[4]+1, foreign.Cut(string(line[match[2]:match[3]]), maxShown))
}

// explain turns the decoder's errors into one line each: the place, the key, and what is
// wrong.
func explain(err error, of reflect.Type, manual string) error {
	var missing *toml.StrictMissingError
	if errors.As(err, &missing) {
		var all []error
		for i := range missing.Errors {
			line, column := missing.Errors[i].Position()
			all = append(all, fmt.Errorf("line %d, column %d: %s", line, column, unknown(missing.Errors[i].Key(), of, manual)))
		}
		return errors.Join(all...)
	}
	var decode *toml.DecodeError
	if !errors.As(err, &decode) {
		return err
	}
	line, column := decode.Position()
	what := strings.TrimPrefix(decode.Error(), "toml: ")
	key := decode.Key()
	if t := typeAt(key, of); t != nil && len(key) > 0 {
		if wants := wants(t, key); speaksOfTypes(what) && wants != "" {
			what = "must be " + wants
		}
		if !strings.Contains(what, "already") { // such a text names the key itself
			what = strings.Join(key, ".") + ": " + what
		}
	}
	return fmt.Errorf("line %d, column %d: %s", line, column, what)
}

// speaksOfTypes reports whether the decoder's text describes the value by the names of Go
// types and kinds.
func speaksOfTypes(text string) bool {
	for _, words := range []string{"cannot decode", "cannot store", "cannot be stored", "cannot be assigned", "too large to fit", "out of range"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// wants says what a value of the type must be; "" if no value in a file can be wrong.
func wants(t reflect.Type, key toml.Key) string {
	if isValue(t) {
		return reflect.New(t).Interface().(Value).Wants()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wants(t.Elem(), key)
	case reflect.String:
		return "a text in quotes"
	case reflect.Bool:
		return "true or false, without quotes"
	case reflect.Float64:
		return "a number, without quotes"
	case reflect.Int, reflect.Int64:
		return "a whole number, without quotes"
	case reflect.Uint32:
		return "a number from 0 to 4294967295, without quotes"
	case reflect.Struct:
		if len(key) > 1 {
			return "a table: " + key[len(key)-1] + " = { key = value, ... }"
		}
		return "a table: [" + key[len(key)-1] + "], once, and its keys below"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return "a table with two brackets: [[" + key[len(key)-1] + "]], and its keys below"
		}
		return `a list of texts, such as ["a", "b"]`
	default:
		return ""
	}
}

func isValue(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[Value]())
}

// typeAt returns the type of the value under a key; nil if there is none. For a list it
// returns the type of the list.
func typeAt(key toml.Key, of reflect.Type) reflect.Type {
	for _, name := range key {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || isValue(of) {
			return nil
		}
		f, found := fieldOf(of, name)
		if !found {
			return nil
		}
		of = f.Type
	}
	return of
}

func fieldOf(of reflect.Type, name string) (reflect.StructField, bool) {
	for f := range of.Fields() {
		if f.Tag.Get("toml") == name && name != "-" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// names returns the keys that a table of the type can have.
func names(of reflect.Type) []string {
	var all []string
	for f := range of.Fields() {
		if name := f.Tag.Get("toml"); name != "" && name != "-" {
			all = append(all, name)
		}
	}
	return all
}

// unknown returns the error for an unknown key, with the key that was probably meant.
func unknown(key toml.Key, of reflect.Type, manual string) string {
	last := key[len(key)-1]
	text := fmt.Sprintf("unknown key %q", foreign.Cut(strings.Join(key, "."), maxShown))
	table := of
	if len(key) > 1 {
		if table = typeAt(key[:len(key)-1], of); table != nil && (table.Kind() == reflect.Slice || table.Kind() == reflect.Pointer) {
			table = table.Elem()
		}
	}
	if table == nil || table.Kind() != reflect.Struct {
		return text + "; see " + manual + " for the list"
	}
	// The decoder's error does not contain the name of a table in braces.
	candidates := append(names(table), namesInBraces(table)...)
	if question := nearest.Question(last, candidates, `"`, `"`); question != "" && !slices.Contains(candidates, last) {
		return text + question
	}
	if where := elsewhere(last, of, table); where != "" {
		return text + "; it belongs " + where
	}
	return text + "; see " + manual + " for the list"
}

// namesInBraces returns the keys that the tables within a table of the type can have.
func namesInBraces(of reflect.Type) (all []string) {
	for f := range of.Fields() {
		if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
			all = append(all, names(f.Type.Elem())...)
		}
	}
	return all
}

// elsewhere says which other table has a key of that name; "" if none has.
func elsewhere(name string, of, not reflect.Type) string {
	if of != not && slices.Contains(names(of), name) {
		return "before the first table"
	}
	for f := range of.Fields() {
		table, brackets := f.Type, [2]string{"[", "]"}
		if table.Kind() == reflect.Slice {
			table, brackets = table.Elem(), [2]string{"[[", "]]"}
		}
		if table.Kind() == reflect.Struct && table != not && slices.Contains(names(table), name) {
			return "under " + brackets[0] + f.Tag.Get("toml") + brackets[1]
		}
	}
	return ""
}

// maxShown bounds how much of a key is repeated, in bytes.
const maxShown = 128
