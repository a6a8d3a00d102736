// Package neonauthd_test uses the daemon as its callers and operators do: from outside its process.
package neonauthd_test

import (
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m, "neonauthd", "neonauthctl", "neonauth-http") }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
