package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// Engine is the engine of a fleet: a real redis-server on a Unix socket.
type Engine struct {
	*Process
	URL string // for urls of [fleet]
}

// StartEngine starts an empty engine that ends with the test. dir must have a
// short name. After an engine has ended, another one can start in its folder.
func StartEngine(t testing.TB, dir string) *Engine {
	t.Helper()
	socket := filepath.Join(dir, "engine")
	p := Start(t, dir, exec.Command(need.Program(t, "redis-server", "redis-server"),
		"--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--daemonize", "no"))
	p.Rough = true
	p.AwaitListening(t, "unix", socket)
	return &Engine{Process: p, URL: "unix://" + socket}
}
