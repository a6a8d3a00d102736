package neonauthd_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestTopShowsWhatTheDaemonDoes asks without a pause while top runs. Each
// column that a busy daemon fills must be filled.
func TestTopShowsWhatTheDaemonDoes(t *testing.T) {
	t.Parallel()
	c, h, _ := serving(t)
	valid, _ := c.User("Ada")

	peer := e2e.Call(t, h.Socket())
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				peer.Ask(t, "VERIFY "+valid)
			}
		}
	}()
	cmd := exec.Command(e2e.Program("neonauthctl"), "top", "--admin-socket", h.AdminSocket(), "--count", "1", "--interval", "300ms")
	cmd.Env = e2e.Environment()
	out, err := cmd.Output()
	close(done)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 {
		t.Fatalf("printed\n%s", out)
	}
	names, cells := strings.Fields(lines[0]), strings.Fields(lines[1])
	if len(names) != len(cells) {
		t.Fatalf("printed\n%s", out)
	}
	for i, name := range names {
		n, err := strconv.ParseFloat(cells[i], 64)
		switch name {
		case "LOOKUPS/S", "ACCEPTED", "HIT%", "CACHE", "FILL%":
			if err != nil || n <= 0 {
				t.Errorf("%s is %s while there are lookups", name, cells[i])
			}
		case "BUDGET":
			if err != nil || n < 1 {
				t.Errorf("%s is %s, and nothing was spent", name, cells[i])
			}
		case "CONNS":
			if err != nil || n < 2 {
				t.Errorf("%s is %s, and there are two at least", name, cells[i])
			}
		case "CIRCUIT":
			if cells[i] != "closed" {
				t.Errorf("%s is %s", name, cells[i])
			}
		}
	}
}
