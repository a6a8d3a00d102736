package nginxcheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAServerWithoutTheGateIsOneFinding: each identity header in each location is a
// consequence, and would hide it.
func TestAServerWithoutTheGateIsOneFinding(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	recipes, err := filepath.Glob("../../../../examples/nginx/*.conf")
	if err != nil || len(recipes) == 0 {
		t.Fatal("no recipes: ", err)
	}
	for _, file := range recipes {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "neonauth"), 0o700); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "neonauth", filepath.Base(file))
		if filepath.Base(file) == "site.conf" {
			name = filepath.Join(dir, "site.conf")
			gate := "    include neonauth/neonauth-gate.conf;\n"
			if !strings.Contains(string(text), gate) {
				t.Fatal("the recipe has no gate")
			}
			text = []byte(strings.Replace(string(text), gate, "", 1))
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rules := Rules{Headers: []string{"X-Auth-User-Id", "X-Auth-Email"}, Query: func(string) ([]string, error) { return []string{"Cookie"}, nil }}
	found, err := Check(filepath.Join(dir, "site.conf"), dir, rules)
	if err != nil || len(found) != 1 || !strings.Contains(found[0], "the server does not include neonauth-gate.conf: ") {
		t.Errorf("%v\n%s", err, strings.Join(found, "\n"))
	}
}
