// Package neonauthd_test uses the daemon as its callers and operators do: from outside its process.
package neonauthd_test

import (
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m, "neonauthd", "neonauthctl", "neonauth-http") }

// serving starts a daemon whose one project asks an upstream like Stack Auth. keys are further lines of the project's table.
func serving(t testing.TB, keys ...string) (c *e2e.Upstream, h *e2e.Folder, i *e2e.Process) {
	t.Helper()
	c, h = e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	return c, h, e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, keys...)}})
}
