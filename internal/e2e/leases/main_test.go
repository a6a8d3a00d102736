// Package leases_test tests the promise of the three clients: no lookup that begins after REVOKE has returned is
// accepted, in any process, whatever happens to processes and connections.
package leases_test

import (
	"os"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestMain(m *testing.M) {
	if os.Getenv(askerVariable) != "" { // the test has started this binary again
		if err := ask(os.Args[1:]); err != nil {
			panic(err)
		}
		return
	}
	e2e.Main(m, "neonauthd")
}
