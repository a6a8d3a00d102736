// Package fleet_test tests real daemons that share revocations over a real
// engine, while the engine and the daemons fail in every possible way.
package fleet_test

import (
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m, "neonauthd") }
