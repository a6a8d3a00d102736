package neonauthhttp_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestLinesForTheJournalSayHowBadItIs: the journal filters by priority, and
// operators search for errors by it.
func TestLinesForTheJournalSayHowBadItIs(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	log, err := os.Create(w.path("journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%T", info.Sys())
	}
	config := w.write(t, "j.toml", "")
	cmd := exec.Command(e2e.Program("neonauth-http"), "--listen", "unix:"+w.path("j.sock"), "--socket", w.path("d.sock"), "--config", config)
	cmd.Stderr = log
	cmd.Env = e2e.Environment(fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino))
	p := e2e.Start(t, w.dir, cmd)
	p.Await(t, "READY=1")
	w.write(t, "j.toml", "unknown = 1")
	p.Reload(t)
	p.Stop(t)
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, want := range []string{"<6>msg=serving ", "<3>msg=\"the configuration was not reloaded", "<6>msg=stopped"} {
		if len(lines) != 3 || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("want a line that begins with %s\n%s", want, text)
		}
	}
}
