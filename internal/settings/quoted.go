package settings

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/neonauthd/neonauthd/internal/foreign"
)

// checkQuoted reports values that are written without quotes but need them: the decoder
// would take leeway = 5 for five nanoseconds. raw is what the decoder makes of text, which
// is for a struct of type of.
func checkQuoted(text []byte, raw map[string]any, of reflect.Type) error {
	u := unquotedValues{}
	u.search("", "", raw, of)
	if len(u.found) == 0 {
		return nil
	}
	places := placesOfValues(text, of)
	var all []error
	for _, one := range u.found {
		where := ""
		if known := places[one.path]; len(known) == u.keys[one.path] {
			where = known[one.n]
		}
		all = append(all, errors.New(where+one.says))
	}
	return errors.Join(all...)
}

// unquotedValues finds the values without quotes in a decoded text. The decoder no longer
// knows where they were, so they are counted: of the keys with the same path, one is the
// n-th in the text.
type unquotedValues struct {
	keys  map[string]int // how many there are so far, by path
	found []unquotedValue
}

type unquotedValue struct {
	path string // as the decoder names the key: project.leeway
	n    int
	says string
}

// search searches one decoded table, for a struct of type of. label says which table it is
// in an error.
func (u *unquotedValues) search(path, label string, table map[string]any, of reflect.Type) {
	for f := range of.Fields() {
		key := f.Tag.Get("toml")
		value, there := table[key]
		if !there {
			continue
		}
		if isValue(f.Type) {
			u.judge(path+key, label+key, value, f.Type)
			continue
		}
		switch value := value.(type) {
		case map[string]any:
			if f.Type.Kind() == reflect.Struct {
				u.search(path+key+".", label+key+".", value, f.Type)
			}
		case []any:
			if f.Type.Kind() != reflect.Slice || f.Type.Elem().Kind() != reflect.Struct {
				continue
			}
			for n, one := range value {
				if inner, ok := one.(map[string]any); ok {
					u.search(path+key+".", key+" "+which(inner, n)+": ", inner, f.Type.Elem())
				}
			}
		}
	}
}

// judge judges one value that should be a text.
func (u *unquotedValues) judge(path, label string, value any, of reflect.Type) {
	if u.keys == nil {
		u.keys = map[string]int{}
	}
	n := u.keys[path]
	u.keys[path]++
	switch value.(type) {
	case string, map[string]any, []any: // the decoder refuses tables and lists
	default:
		u.found = append(u.found, unquotedValue{path, n, fmt.Sprintf("%s: must be in quotes: %s", label, wants(of, nil))})
	}
}

// which names one of several tables: by its name, or else by its number.
func which(table map[string]any, n int) string {
	if name, ok := table["name"].(string); ok && name != "" {
		return foreign.Quoted(name, maxShown)
	}
	return fmt.Sprint(n + 1)
}

// placesOfValues returns where the keys are whose values are of type Value, as the beginning
// of an error: for each path in the order of the text. The decoder tells the places of
// unknown keys alone, so it reads the text into a struct that lacks these keys. It does not
// tell the name of a table in braces, so the key of such a table has no place, and a path
// may have the places of other keys too.
func placesOfValues(text []byte, of reflect.Type) map[string][]string {
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var missing *toml.StrictMissingError
	if !errors.As(d.Decode(reflect.New(withoutValues(of)).Interface()), &missing) {
		return nil
	}
	places := map[string][]string{}
	for i := range missing.Errors {
		line, column := missing.Errors[i].Position()
		path := strings.Join(missing.Errors[i].Key(), ".")
		places[path] = append(places[path], fmt.Sprintf("line %d, column %d: ", line, column))
	}
	return places
}

// withoutValues returns a type that is decoded from the same tables as the given type, but
// has no keys for values of type Value, and takes each other value.
func withoutValues(of reflect.Type) reflect.Type {
	switch {
	case of.Kind() == reflect.Struct:
		var fields []reflect.StructField
		for f := range of.Fields() {
			if f.IsExported() && !isValue(f.Type) {
				fields = append(fields, reflect.StructField{Name: f.Name, Tag: f.Tag, Type: withoutValues(f.Type)})
			}
		}
		return reflect.StructOf(fields)
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct:
		return reflect.SliceOf(withoutValues(of.Elem()))
	case of.Kind() == reflect.Pointer && of.Elem().Kind() == reflect.Struct:
		return reflect.PointerTo(withoutValues(of.Elem()))
	default:
		return reflect.TypeFor[any]()
	}
}
