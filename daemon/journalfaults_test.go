package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
)

// TestADaemonDoesNotStartWithoutItsRevocations, whatever has happened to the
// file.
func TestADaemonDoesNotStartWithoutItsRevocations(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"emptied":      func(path string) error { return os.Truncate(path, 0) },
		"removed":      os.Remove,
		"cut":          func(path string) error { return os.Truncate(path, 60) },
		"zeros":        func(path string) error { return os.WriteFile(path, make([]byte, 100), 0o600) },
		"of version 1": func(path string) error { return os.WriteFile(path, []byte("{}\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			k := newIdleDaemon(t, nil)
			k.revoke("subject", "ada", true)
			config := k.daemon.state.Load().config
			if err := k.daemon.closeState(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(config.StateDir, "revocations.journal")
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			d, err := New(config, Options{Now: k.clock.Read})
			if err == nil {
				t.Fatal("it starts", d.close())
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "forgets") && !strings.Contains(err.Error(), "as it is") {
				t.Errorf("error %q does not name the file, or what to do", err)
			}
		})
	}
}

// TestWhatWasNotRightWithTheJournalIsSaid in the log, in the status and in the
// metrics.
func TestWhatWasNotRightWithTheJournalIsSaid(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	sample := `neonauthd_journal_faults{fault="no-seal"}`
	if got := sampleOf(t, m.scrape(), sample); got != 0 || strings.Contains(w.daemon.status(), "journal") {
		t.Errorf("%v, status %s: a fault before there is one", got, w.daemon.status())
	}
	w.dialAdmin().Ask("REVOKE session nobody")
	w.halt()
	if err := os.Remove(filepath.Join(w.config.StateDir, "revocations.seal")); err != nil {
		t.Fatal(err)
	}
	w.start()
	if got := sampleOf(t, m.scrape(), sample); got != 1 {
		t.Errorf("%s is %v", sample, got)
	}
	if status := w.daemon.status(); !strings.Contains(status, "journal of revocations: [no-seal]") {
		t.Errorf("status %s", status)
	}
	if !strings.Contains(w.log.String(), "had no seal") {
		t.Errorf("log %s", w.log)
	}
	if w.daemon.revocations.Len() != 1 {
		t.Error("the journal was not taken as it is")
	}
}

// TestAJournalThatIsGoneWithItsSealIsSaid: the daemon starts, because an operator may
// have removed both to start at all, but revocations are lost. A new directory has
// neither, and nothing is said.
func TestAJournalThatIsGoneWithItsSealIsSaid(t *testing.T) {
	w, m := newMonitoredDaemon(t, withoutOIDC)
	sample := `neonauthd_journal_faults{fault="no-journal"}`
	if got := sampleOf(t, m.scrape(), sample); got != 0 || strings.Contains(w.log.String(), "journal of revocations") {
		t.Errorf("a new directory: %v, log %s", got, w.log)
	}
	w.dialAdmin().Ask("REVOKE session nobody")
	w.halt()
	for _, name := range []string{"revocations.journal", "revocations.seal"} {
		if err := os.Remove(filepath.Join(w.config.StateDir, name)); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	if got := sampleOf(t, m.scrape(), sample); got != 1 {
		t.Errorf("%s is %v", sample, got)
	}
	if status := w.daemon.status(); !strings.Contains(status, "journal of revocations: [no-journal]") {
		t.Errorf("status %s", status)
	}
	if log := w.log.String(); !strings.Contains(log, "every revocation that was made is forgotten; stop the daemon and put back a copy of both, or revoke again") {
		t.Errorf("log %s", log)
	}
	w.halt()
	w.log.Reset()
	w.start()
	if faults := w.daemon.revocations.Faults(); len(faults) > 0 || strings.Contains(w.log.String(), "journal of revocations") {
		t.Errorf("the next start says %v, log %s", faults, w.log)
	}
}

// TestAStateDirectoryThatCannotBeWrittenToIsShown, before anybody revokes anything.
func TestAStateDirectoryThatCannotBeWrittenToIsShown(t *testing.T) {
	for path, writable := range map[string]float64{"": 1, "/proc/no-folder-can-be-made-here": 0} {
		w, m := newMonitoredDaemon(t, func(c *config.Config) {
			withoutOIDC(c)
			if path != "" {
				c.StateDir = path
			}
		})
		if got := sampleOf(t, m.scrape(), "neonauthd_state_writable"); got != writable {
			t.Errorf("%q: the metric says %v", path, got)
		}
		if status := w.daemon.status(); strings.Contains(status, "cannot write to the state directory") != (writable == 0) {
			t.Errorf("%q: status %s", path, status)
		}
		if stats, want := w.dialAdmin().Ask("STATS"), fmt.Sprintf(`"state_writable":%t`, writable == 1); !strings.Contains(stats, want) {
			t.Errorf("%q: no %s in %s", path, want, stats)
		}
	}
}
