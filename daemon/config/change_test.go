package config

import (
	"reflect"
	"testing"
)

// TestEachKeyOfAProjectSaysWhatItsChangeMeans: whoever adds a key has to decide that.
func TestEachKeyOfAProjectSaysWhatItsChangeMeans(t *testing.T) {
	left := map[string]bool{}
	for key := range changes {
		left[key] = true
	}
	var walk func(prefix string, of reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for f := range of.Fields() {
			key := prefix + f.Tag.Get("toml")
			if !left[key] {
				t.Errorf("changes does not say what a change of %q means", key)
			}
			delete(left, key)
			if isTable(f.Type) {
				walk(key+".", f.Type.Elem())
			}
		}
	}
	walk("", reflect.TypeFor[Project]())
	for key := range left {
		t.Errorf("changes has %q, which is no key of a project", key)
	}
}

// TestAChangeIsTheGreatestOfAllChangedKeys changes each key alone, and then beside a rhythm.
func TestAChangeIsTheGreatestOfAllChangedKeys(t *testing.T) {
	for key, want := range changes {
		before, now := DefaultProject(), DefaultProject()
		before.Introspection, now.Introspection = &Introspection{}, &Introspection{}
		if got := now.ChangeFrom(&before); got != ChangeNone {
			t.Errorf("no change: %d", got)
		}
		if key == "introspection" {
			before.Introspection = nil
		} else {
			alter(t, &now, key)
		}
		if got := now.ChangeFrom(&before); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
		now.ProfileFresh, now.JWKSCooldown = now.ProfileFresh+1, now.JWKSCooldown+1
		if got, back := now.ChangeFrom(&before), before.ChangeFrom(&now); got != want || back != want {
			t.Errorf("%s and others: %d, and %d back; want %d", key, got, back, want)
		}
	}
}

// alter gives a key another value.
func alter(t *testing.T, p *Project, key string) {
	found := false
	var walk func(prefix string, in reflect.Value)
	walk = func(prefix string, in reflect.Value) {
		for f, v := range in.Fields() {
			switch name := prefix + f.Tag.Get("toml"); {
			case isTable(f.Type):
				walk(name+".", v.Elem())
			case name == key:
				found = true
				v.Set(other(t, v))
			}
		}
	}
	walk("", reflect.ValueOf(p).Elem())
	if !found {
		t.Fatalf("no key %q", key)
	}
}

// other returns a value of the same type that differs.
func other(t *testing.T, v reflect.Value) reflect.Value {
	is := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		is.SetString(v.String() + "x")
	case reflect.Bool:
		is.SetBool(!v.Bool())
	case reflect.Int64:
		is.SetInt(v.Int() + 1)
	case reflect.Float64:
		is.SetFloat(v.Float() + 1)
	case reflect.Slice:
		is.Set(reflect.ValueOf([]string{"x"}))
	case reflect.Pointer:
		is.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		is.Set(reflect.ValueOf(Proxy{File: "./x"}))
	default:
		t.Fatalf("a key of kind %s: say how to alter it", v.Kind())
	}
	return is
}
