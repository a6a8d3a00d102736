package daemon

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// The table of the state directory: for each file but host-id, which package membership
// tests, what each damage does to the next
// start. A cell is "starts" if nothing is said, "says: " and words of the log if the
// damage is counted too, or "refuses: " and words of the error.

// damages are the columns. Each spoils the file at path.
func damages() map[string]func(path string) error {
	return map[string]func(path string) error{
		"one flipped bit": func(path string) error {
			text, err := os.ReadFile(path)
			if err == nil {
				text[len(text)/2] ^= 1
			}
			return errors.Join(err, os.WriteFile(path, text, 0o600))
		},
		"cut": func(path string) error {
			text, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, text[:len(text)/2], 0o600))
		},
		"empty":                 func(path string) error { return os.Truncate(path, 0) },
		"removed":               os.Remove,
		"readable by all":       func(path string) error { return os.Chmod(path, 0o644) },
		"writable by all":       func(path string) error { return os.Chmod(path, 0o666) },
		"of another user":       func(path string) error { return os.Chown(path, 4321, -1) },
		"a folder in its place": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"another text":          func(path string) error { return os.WriteFile(path, []byte("{}\n"), 0o600) },
	}
}

// damageRow is the row of one file: the cell of each damage, or other if it has none.
type damageRow struct {
	kind  statedir.Kind // that is counted; empty: not counted by kind
	other string
	cells map[string]string
}

// always are the damages after which no file is used.
func always(more map[string]string) map[string]string {
	all := map[string]string{
		"writable by all": "refuses: is writable by others", "of another user": "refuses: belongs to another user",
		"a folder in its place": "refuses: is no ordinary file",
	}
	maps.Copy(all, more)
	return all
}

func damageTable() map[string]damageRow {
	// A cache of the upstream's word is replaced, whatever has become of it.
	cached := func(kind statedir.Kind, says string) damageRow {
		return damageRow{kind, "says: " + says + " not used", map[string]string{"removed": "starts", "readable by all": "starts"}}
	}
	return map[string]damageRow{
		"keys-main.json":  cached(statedir.KindKeys, "saved key set"),
		"issuer-mcp.json": cached(statedir.KindIssuer, "saved issuer"),
		"access-log.key": {statedir.KindAccessLog, "refuses: has to have 16 to 4096 bytes", always(map[string]string{
			"one flipped bit": "says: its key is another one", "removed": "says: its key is gone",
			"readable by all": "refuses: is a secret; make it 0600",
		})},
		"access-log.sum": {statedir.KindAccessLog, "says: cannot be told", map[string]string{"removed": "starts", "readable by all": "starts"}},
		"lock": {"", "starts", always(map[string]string{
			"a folder in its place": "says: state directory not usable", // nothing can be saved
		})},
		"version": {"", "refuses: version is damaged", always(map[string]string{"removed": "starts", "readable by all": "starts"})},
		"revocations.seal": {"", "refuses: is damaged", always(map[string]string{
			// In one of its two slots, which a crash can spoil too.
			"one flipped bit": "says: half of the seal", "cut": "says: half of the seal",
			"removed": "says: had no seal", "readable by all": "starts",
		})},
		"revocations.journal": {"", "refuses: is damaged", always(map[string]string{
			"empty": "refuses: is empty", "removed": "refuses: is gone", "readable by all": "starts",
			"another text": "refuses: of an earlier version",
		})},
	}
}

// damaged is a daemon whose state directory is spoilt again and again.
type damaged struct {
	*liveDaemon
	files                map[string][]byte // of the whole directory
	good, revoked, found string            // tokens; of found's project the issuer is not configured
}

// newDamaged runs a daemon until all its files are there.
func newDamaged(t *testing.T) *damaged {
	w := &damaged{files: map[string][]byte{}}
	w.liveDaemon = newLiveDaemon(t, func(c *config.Config) {
		resources(c)
		c.Projects = slices.DeleteFunc(c.Projects, func(p config.Project) bool { return p.Name != "main" && p.Name != "mcp" })
		c.AccessLog = "file:" + filepath.Join(filepath.Dir(c.Socket), "access.log")
	})
	w.upstream.SetCaching(standin.Stack, "", true)
	other := w.upstream.AddUser(standin.User{Name: "Bob"})
	w.good, w.found = w.token(), w.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: w.user.ID})
	w.revoked = w.upstream.StackToken(standin.TokenSpec{Subject: other.ID})
	w.settle()
	if reply := w.dialAdmin().Ask("REVOKE subject %s", other.ID); !strings.HasPrefix(reply, "OK changed=1") {
		t.Fatal(reply)
	}
	w.halt()
	entries, err := os.ReadDir(w.config.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if w.files[e.Name()], err = os.ReadFile(filepath.Join(w.config.StateDir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// settle waits until the key sets have been fetched.
func (w *damaged) settle() {
	for _, name := range []string{"main", "mcp"} {
		p := w.daemon.projects().ByName[name]
		e2e.Until(w.t, "the keys are fetched", func() bool { return p.State(w.clock.now()).Keys.Fetches > 0 })
	}
}

// restore puts all files back.
func (w *damaged) restore() {
	err := os.RemoveAll(w.config.StateDir)
	err = errors.Join(err, os.Mkdir(w.config.StateDir, 0o700))
	for name, text := range w.files {
		err = errors.Join(err, os.WriteFile(filepath.Join(w.config.StateDir, name), text, 0o600))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.log.Reset()
}

// outcome starts the daemon, and returns what the start says; words are the words that
// are expected.
func (w *damaged) outcome(words string, kind statedir.Kind) string {
	if refusal, ok := strings.CutPrefix(words, "refuses: "); ok {
		d, err := New(w.config, Options{Now: w.clock.now})
		switch {
		case err == nil:
			return errors.Join(errors.New("starts"), d.close()).Error()
		case !strings.Contains(err.Error(), refusal):
			return "refuses: " + err.Error()
		}
		return words
	}
	w.start()
	defer w.halt()
	w.rejectsNothingGood("before the key set is fetched")
	w.settle()
	w.rejectsNothingGood("after the key set is fetched")
	if reply := w.dial().Ask("VERIFY %s", w.revoked); head(reply) != "NO revoked" {
		w.t.Errorf("a revoked token: %.60s", reply)
	}
	log, counted := w.log.String(), w.daemon.stateDir.Faults()
	said, expected := strings.CutPrefix(words, "says: ")
	switch {
	case expected && (!strings.Contains(log, said) || !strings.Contains(log, "level=WARN") && !strings.Contains(log, "level=ERROR")):
		return "says: " + log
	case kind != "" && slices.Contains(counted, kind) != expected || len(counted) > 0 && !expected:
		return fmt.Sprintf("counts %v", counted)
	case kind != "" && expected && !strings.Contains(w.daemon.status(), fmt.Sprintf("damaged in the state directory: [%s]", kind)):
		return "status " + w.daemon.status()
	}
	return words
}

func (w *damaged) rejectsNothingGood(when string) {
	k := w.dial()
	for _, ask := range []string{"project=main " + w.good, "project=mcp " + w.found} {
		if reply := k.Ask("VERIFY %s", ask); strings.HasPrefix(reply, "NO") {
			w.t.Errorf("a good token, %s: %s", when, reply)
		}
	}
}

// TestWhatDamageToTheStateDirectoryDoes: never is a good token rejected, and never is a
// revoked one accepted.
func TestWhatDamageToTheStateDirectoryDoes(t *testing.T) {
	w := newDamaged(t)
	table := damageTable()
	for name := range w.files {
		if _, ok := table[name]; !ok && name != "keys-mcp.json" {
			t.Errorf("the table has no row for %s", name)
		}
	}
	page := read(t, "../docs/state.md")
	for name, row := range table {
		if file := strings.NewReplacer("main", "PROJECT", "mcp", "PROJECT").Replace(name); !strings.Contains(page, "\n| `"+file+"` | ") {
			t.Errorf("docs/state.md says nothing of %s", file)
		}
		for what, spoil := range damages() {
			t.Run(name+", "+what, func(t *testing.T) {
				if what == "of another user" {
					need.Root(t, "give a file to another user")
				}
				w.t = t
				w.restore()
				if err := spoil(filepath.Join(w.config.StateDir, name)); err != nil {
					t.Fatal(err)
				}
				want, ok := row.cells[what]
				if !ok {
					want = row.other
				}
				if got := w.outcome(want, row.kind); got != want {
					t.Errorf("it %s; want %s", got, want)
				}
			})
		}
	}
	w.restore()
	w.t = t
}
