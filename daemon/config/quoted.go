package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
)

// checkQuoted reports durations, sizes and levels that are written as bare
// numbers: the decoder would take leeway = 5 for five nanoseconds. table is a
// decoded table, of the struct that it is meant for.
func checkQuoted(where string, table map[string]any, of reflect.Type) error {
	var all []error
	for i := range of.NumField() {
		f := of.Field(i)
		key := f.Tag.Get("toml")
		switch value := table[key].(type) {
		case int64, float64:
			if reflect.PointerTo(f.Type).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
				all = append(all, fmt.Errorf("%s%s: must be in quotes and with its unit, such as \"60s\" or \"64MiB\"", where, key))
			}
		case map[string]any:
			if f.Type.Kind() == reflect.Struct {
				all = append(all, checkQuoted(where+key+".", value, f.Type))
			}
		case []any:
			if f.Type.Kind() != reflect.Slice || f.Type.Elem().Kind() != reflect.Struct {
				continue
			}
			for n, one := range value {
				if inner, ok := one.(map[string]any); ok {
					all = append(all, checkQuoted(fmt.Sprintf("%s %d: ", key, n+1), inner, f.Type.Elem()))
				}
			}
		}
	}
	return errors.Join(all...)
}
