package need

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// VectorsVariable names the environment variable with the folder of foreign
// test vectors. Default: shared/vectors beside the repository.
const VectorsVariable = "NEONAUTHD_VECTORS"

// Vectors returns the files in one folder of test vectors that others have made
// for all implementations, by name. The vectors are not part of the repository:
// a clone without them skips the test and says so, also in CI. A folder that is
// empty fails the test.
func Vectors(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	base, given := os.LookupEnv(VectorsVariable)
	if !given {
		base = filepath.Join(top(t), "..", "shared", "vectors")
		if _, err := os.Stat(base); errors.Is(err, fs.ErrNotExist) {
			t.Skipf("the vectors of others are not at %s; set %s to their folder", base, VectorsVariable)
		}
	}
	entries, err := os.ReadDir(filepath.Join(base, folder))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(base, folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = text
	}
	if len(files) == 0 {
		t.Fatalf("no vectors in %s", filepath.Join(base, folder))
	}
	return files
}

// top returns the folder of go.mod.
func top(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("there is no go.mod above the test")
		}
		dir = parent
	}
}
