package nginxcheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzReadingEnds(f *testing.F) {
	recipes, err := filepath.Glob("../../../../examples/nginx/*.conf")
	if err != nil || len(recipes) == 0 {
		f.Fatal("no recipes: ", err)
	}
	for _, file := range recipes {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a ${b} '\\'' \"\\\"\" # x\n{ }")
	f.Add("a_by_lua_block { { } }")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "x.conf")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "include", "exclude")), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = Check(file, t.TempDir(), Rules{Headers: []string{"X-Auth-User-Id"}}) // that it ends is all that is asked
	})
}
