package keyring

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

var keysOrigin = Origin{URL: "https://api.example.com/keys"}

// TestASavedKeySetServesAStartDuringAnOutage, even if the upstream has only
// confirmed the set for days: the set's age counts from its last confirmation.
func TestASavedKeySetServesAStartDuringAnOutage(t *testing.T) {
	for _, c := range []struct {
		name   string
		etags  bool
		up     time.Duration
		outage time.Duration
		serves bool
	}{
		{"just fetched", false, time.Minute, time.Hour, true},
		{"confirmed for days", true, 72 * time.Hour, time.Hour, true},
		{"almost a day old", true, time.Minute, 24*time.Hour - 15*time.Minute, true},
		{"a day old", true, time.Minute, 24 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := NewStore(openStateDir(t), "main", keysOrigin)
				b := newRig(t, store)
				b.upstream.SetCaching(standin.Stack, "max-age=3600", c.etags) // each refresh is synced to disk
				b.start()
				b.sleep(c.up)
				b.stop()
				signer := b.signer()
				b.sleep(c.outage)
				again := newRig(t, store)
				again.behave(0, down(0))
				if serves := again.current.Load() != nil; serves != c.serves {
					t.Fatalf("serves %v, want %v", serves, c.serves)
				}
				if !c.serves {
					return
				}
				k := again.current.Load()
				if k.set.Find(signer) == nil || !k.saved || !k.Stale(time.Now()) && c.outage > time.Hour {
					t.Error("not the set that was saved, or not marked as what it is")
				}
				again.start()
				defer again.stop()
				synctest.Wait()
				again.wantFetched("it is refreshed at once all the same", 1)
				if c.etags && !again.history()[0].conditional {
					t.Error("what validates the saved set is forgotten")
				}
			})
		})
	}
}

func TestASavedKeySetThatCannotBeTrustedIsNotUsed(t *testing.T) {
	set := get(t, standin.New(standin.Options{ProjectID: "p", BaseURL: "http://127.0.0.1:9"}), upstream.Validators{}).Body.String()
	now := time.Now()
	good := Snapshot{fetched: now.Add(-time.Hour), fresh: now, body: []byte(set)}
	for _, c := range []struct {
		name    string
		change  func(s Store) error
		message string // in the log; empty: the set is used
	}{
		{"good", func(Store) error { return nil }, ""},
		{"missing", func(s Store) error { return os.Remove(s.path()) }, "-"},
		{"empty", func(s Store) error { return os.WriteFile(s.path(), nil, 0o600) }, "is damaged"},
		{"cut", func(s Store) error { return os.Truncate(s.path(), 300) }, "is damaged"},
		{"text", func(s Store) error { return os.WriteFile(s.path(), []byte("hello"), 0o600) }, "is damaged"},
		{"other URL", func(s Store) error { s.origin.URL += "2"; return s.save(&good) }, "another key set URL"},
		{"under another authority", func(s Store) error { s.origin.Authorities = []string{"a"}; return s.save(&good) }, "not all are trusted now"},
		{"from the future", func(s Store) error {
			return s.save(&Snapshot{fetched: now.Add(1), fresh: now, body: []byte(set)})
		}, "future"},
		{"no usable key", func(s Store) error {
			return s.save(&Snapshot{fetched: now, fresh: now, body: []byte(`{"keys":[]}`)})
		}, "the key set is empty"},
		{"larger than any", func(s Store) error { return os.WriteFile(s.path(), make([]byte, maxSaved+1), 0o600) }, "is damaged"},
		{"a folder", func(s Store) error { return errors.Join(os.Remove(s.path()), os.Mkdir(s.path(), 0o700)) }, "no ordinary file"},
		{"a link", func(s Store) error {
			return errors.Join(os.Rename(s.path(), s.path()+"2"), os.Symlink(filepath.Base(s.path())+"2", s.path()))
		}, "no ordinary file"},
		{"writable by others", func(s Store) error { return os.Chmod(s.path(), 0o622) }, "writable by others"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewStore(openStateDir(t), "main", keysOrigin)
			if err := s.save(&good); err != nil {
				t.Fatal(err)
			}
			if err := c.change(s); err != nil {
				t.Fatal(err)
			}
			log := &logBuffer{}
			k := s.load([]keyset.Algorithm{keyset.ES256}, now, slog.New(slog.NewTextHandler(log, nil)))
			switch {
			case c.message == "" && (k == nil || log.String() != ""):
				t.Errorf("a good set is not used: %s", log)
			case c.message != "" && k.Usable(now):
				t.Error("it is used")
			case c.message != "" && c.message != "-" && !strings.Contains(log.String(), c.message):
				t.Errorf("log %q, want %q", log, c.message)
			}
		})
	}
}

// openStateDir opens a state directory of its own for the test.
func openStateDir(t testing.TB) *statedir.Dir {
	t.Helper()
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return dir
}

func TestAKeySetThatCannotBeSavedIsUsedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := openStateDir(t)
		if err := errors.Join(os.RemoveAll(dir.Path()), os.WriteFile(dir.Path(), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		b := newRig(t, NewStore(dir, "main", keysOrigin))
		b.start()
		defer b.stop()
		synctest.Wait()
		if b.current.Load() == nil || !strings.Contains(b.log.String(), "key set not saved") {
			t.Errorf("log: %s", b.log)
		}
	})
}
