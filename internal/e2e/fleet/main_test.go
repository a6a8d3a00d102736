// Package fleet_test has real daemons share revocations over a real engine, while
// everything that can go wrong with either does.
package fleet_test

import (
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m, "neonauthd") }
