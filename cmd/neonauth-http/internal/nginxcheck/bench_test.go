package nginxcheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func BenchmarkCheckOfTheRecipe(b *testing.B) {
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "neonauth"), 0o755); err != nil {
		b.Fatal(err)
	}
	files, err := filepath.Glob("../../../../examples/nginx/*.conf")
	if err != nil || len(files) == 0 {
		b.Fatal("no recipes: ", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		name := filepath.Base(file)
		if name != "site.conf" {
			name = "neonauth/" + name
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		found, err := Check(filepath.Join(dir, "site.conf"), dir, Rules{Headers: []string{"X-Auth-User-Id"}})
		if err != nil || len(found) > 0 {
			b.Fatal(strings.Join(found, "\n"), err)
		}
	}
}
