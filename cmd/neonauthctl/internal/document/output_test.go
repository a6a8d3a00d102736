package document

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestOutputIsDescribed: docs/output.md describes each member of each document.
func TestOutputIsDescribed(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/output.md")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z_0-9]+)`").FindAllStringSubmatch(string(text), -1) {
		described[m[1]] = true
	}
	members := 0
	for _, document := range []any{
		Accepted{}, Rejected{}, Unknown{}, Logout{}, Ping{}, Hello{}, Change{}, Revocations{}, Revocation{}, Reach{}, Level{}, OK{}, Failure{}, Bench{}, Tally{}, Ratio{}, Compare{},
	} {
		d := reflect.TypeOf(document)
		for i := range d.NumField() {
			name, _, _ := strings.Cut(d.Field(i).Tag.Get("json"), ",")
			members++
			if !described[name] {
				t.Errorf("output.md does not describe %s of %s", name, d.Name())
			}
		}
	}
	if members < 40 {
		t.Errorf("only %d members: the test does not look at all documents", members)
	}
}
