package keyring

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/e2e"
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
				if again.history()[0].conditional {
					t.Error("the upstream is asked to confirm a set that only a file knows")
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
		{"larger than any", func(s Store) error { return os.WriteFile(s.path(), make([]byte, 2*maxSaved), 0o600) }, "is damaged"},
		{"one letter changed", func(s Store) error { return replaceIn(s.path(), "keys", "keyz") }, "is damaged"},
		{"of another project", func(s Store) error {
			other := NewStore(s.dir, "other", keysOrigin)
			return errors.Join(other.save(&good), os.Rename(other.path(), s.path()))
		}, "is damaged"},
		{"of an earlier version", func(s Store) error { return saveEarly(s, &good) }, ""},
		{"of an earlier version, cut", func(s Store) error {
			return errors.Join(saveEarly(s, &good), os.Truncate(s.path(), 300))
		}, "is damaged"},
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
			log := &e2e.Output{}
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

// saveEarly saves k as an earlier version did, without a checksum and with what
// validates the set.
func saveEarly(s Store, k *Snapshot) error {
	text := fmt.Sprintf(`{"url":%q,"fetched":%q,"fresh":%q,"etag":"\"early\"","body":%q}`,
		s.origin.URL, k.fetched.Format(time.RFC3339Nano), k.fresh.Format(time.RFC3339Nano), k.body)
	return os.WriteFile(s.path(), []byte(text), 0o600)
}

// replaceIn replaces the first old in a file.
func replaceIn(path, old, by string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Replace(string(text), old, by, 1)), 0o600)
}

// TestOnlyTheUpstreamConfirmsASavedKeySet: the first fetch after a start is not
// conditional, whichever version has saved the set. An upstream that says "not
// modified" says nothing about what a file holds.
func TestOnlyTheUpstreamConfirmsASavedKeySet(t *testing.T) {
	for name, early := range map[string]bool{"this version": false, "an earlier version": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := NewStore(openStateDir(t), "main", keysOrigin)
				first := newRig(t, store)
				first.upstream.SetCaching(standin.Stack, "", true)
				first.start()
				first.sleep(time.Minute)
				first.stop()
				if early {
					e2e.Must(t, saveEarly(store, first.current.Load()))
				}
				again := newRig(t, store)
				again.upstream.SetCaching(standin.Stack, "", true)
				saved := again.current.Load()
				if saved == nil || again.Confirmed(saved, again.began, again.began) {
					t.Fatalf("the saved set %v is not used, or counts as confirmed", saved)
				}
				again.start()
				defer again.stop()
				again.sleep(time.Hour)
				for i, c := range again.history() {
					if c.conditional != (i > 0) {
						t.Errorf("fetch %d: conditional %v", i, c.conditional)
					}
				}
			})
		})
	}
}

// TestASavedIssuerIsProved: with another issuer every token is rejected.
func TestASavedIssuerIsProved(t *testing.T) {
	dir := openStateDir(t)
	f := NewIssuerFile(dir, "main", keysOrigin)
	path := filepath.Join(dir.Path(), "issuer-main.json")
	for _, c := range []struct {
		name   string
		change func() error
		want   []string
		says   string
	}{
		{"good", func() error { return nil }, []string{"https://issuer"}, ""},
		{"one letter changed", func() error { return replaceIn(path, "issuer", "issued") }, nil, "is damaged"},
		{"empty", func() error { return os.Truncate(path, 0) }, nil, "is damaged"},
		{"missing", func() error { return os.Remove(path) }, nil, ""},
		{"of an earlier version", func() error {
			return os.WriteFile(path, []byte(`{"url":"`+keysOrigin.URL+`","issuer":"https://issuer"}`+"\n"), 0o600)
		}, nil, ""},
	} {
		e2e.Must(t, f.Save("https://issuer"))
		e2e.Must(t, c.change())
		log := &e2e.Output{}
		got := f.Load(slog.New(slog.NewTextHandler(log, nil)))
		if !slices.Equal(got, c.want) || !strings.Contains(log.String(), c.says) || c.says == "" && log.String() != "" {
			t.Errorf("%s: %q, log %s", c.name, got, log)
		}
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
