package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// maxSaved is the largest size of a saved key set's file, in bytes: the largest body,
// escaped.
const maxSaved = 1 << 20

// Store keeps one project's key set for the next start, so that a daemon that starts
// during an outage can verify. Key sets are public. A saved set is checked like a
// fetched one, and it has a checksum, because a damaged key would reject good tokens.
// The zero value saves and loads nothing.
type Store struct {
	dir    *statedir.Dir // nil: nothing is saved
	file   string
	origin Origin // a set of another origin is not used
}

// NewStore returns the store in dir of the project called name.
func NewStore(dir *statedir.Dir, name string, origin Origin) Store {
	return Store{dir: dir, file: "keys-" + name + ".json", origin: origin}
}

// path returns the path of the file, for people.
func (s Store) path() string { return filepath.Join(s.dir.Path(), s.file) }

// proved returns the file's description. An earlier version wrote it without a checksum.
func (s Store) proved() statedir.File {
	return statedir.File{Kind: statedir.KindKeys, Name: s.file, Most: maxSaved, Early: early}
}

// early reports whether a text without a checksum begins as one of an earlier version.
func early(text []byte) bool { return bytes.HasPrefix(text, []byte(`{"url":`)) }

// savedSet is the file's content. What validates the set is not saved: with it, an
// upstream would confirm a set that it does not see.
type savedSet struct {
	Origin
	Fetched time.Time `json:"fetched"`
	Made    time.Time `json:"made,omitzero"` // zero in files of earlier versions
	Fresh   time.Time `json:"fresh"`
	Body    string    `json:"body"`
}

// save writes k, whole or not at all. If k cannot be written, save removes the set
// that was saved before, unless that set is k: the old set may have keys that have
// been withdrawn since. If the old set can be neither replaced nor removed, load will
// not use it.
func (s Store) save(k *Snapshot) error {
	if s.dir == nil {
		return nil
	}
	err := s.write(k)
	if err == nil || s.holds(k) {
		return err
	}
	if s.dir.Remove(s.file) == nil {
		err = s.write(k) // after the removal, a full disk has room
	} else if f, failed := s.dir.OpenToWrite(s.file); failed == nil {
		// The file may be writable even if its folder is not.
		_ = errors.Join(f.Truncate(0), f.Sync(), f.Close())
	}
	return err
}

// GiveUp says that the ring's set is not saved any more, because its project is gone: a
// failed attempt to save it is not counted as something that is missing on disk.
func (r *Ring) GiveUp() {
	s := r.config().Store
	s.dir.GiveUp(s.file)
}

// holds reports whether the saved set is k, perhaps with the times of an earlier
// confirmation, or nothing is saved.
func (s Store) holds(k *Snapshot) bool {
	saved, err := s.parse()
	return errors.Is(err, fs.ErrNotExist) || err == nil && s.origin.Admits(&saved.Origin) && saved.Body == string(k.body)
}

func (s Store) write(k *Snapshot) error {
	text, err := json.Marshal(savedSet{
		Origin:  s.origin,
		Fetched: k.fetched.UTC(),
		Made:    k.made.UTC(),
		Fresh:   k.fresh.UTC(),
		Body:    string(k.body),
	})
	if err == nil {
		err = s.dir.Save(s.proved(), text)
	}
	if err != nil {
		return fmt.Errorf("save keyset: %w", err)
	}
	return nil
}

// load returns the saved keys, even if they are not usable at now, or nil. Any fault
// of the file is logged, and the fetch at the start replaces the file.
func (s Store) load(allowed []keyset.Algorithm, now time.Time, log *slog.Logger) *Snapshot {
	if s.dir == nil {
		return nil
	}
	k, err := s.read(allowed)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		log.Warn("saved key set not used", "file", s.path(), "error", err)
		return nil
	case !s.replaceable():
		log.Warn("saved key set not used: it could not have been replaced, so keys that are in it may have been withdrawn since; make the state directory and what is in it writable for the daemon's user", "file", s.path())
		return nil
	}
	k.read = now
	switch {
	case !k.plausible(now): // the clock was wrong then or is wrong now
		log.Warn("saved key set not used for now: it was saved in the future; see that this host's clock is right", "file", s.path(), "fetched", k.fetched)
	case !k.Usable(now):
		log.Info("saved key set not used for now: it is too old, by this host's clock", "file", s.path(), "fetched", k.fetched)
	}
	return k
}

// replaceable reports whether save can replace the file now. If it cannot, it may
// also not have been able to when the set changed last.
func (s Store) replaceable() bool {
	if s.dir.Writable() != nil {
		return false
	}
	f, err := s.dir.OpenToWrite(s.file) // fails if nobody may change the file
	return err == nil && f.Close() == nil
}

// parse reads the file. It does not check the origin.
func (s Store) parse() (*savedSet, error) {
	text, _, err := s.dir.Load(s.proved())
	if err != nil {
		return nil, err
	}
	var saved savedSet
	if err := json.Unmarshal(text, &saved); err != nil {
		s.dir.Tell(statedir.KindKeys)
		return nil, statedir.ErrDamaged
	}
	return &saved, nil
}

func (s Store) read(allowed []keyset.Algorithm) (*Snapshot, error) {
	saved, err := s.parse()
	if err != nil {
		return nil, err
	}
	if !s.origin.Admits(&saved.Origin) {
		return nil, errors.New("is of another key set URL, or came from there under authorities of which not all are trusted now")
	}
	set, err := keyset.ParseSet([]byte(saved.Body), allowed)
	if err != nil {
		return nil, err
	}
	if saved.Made.IsZero() || saved.Made.After(saved.Fetched) {
		saved.Made = saved.Fetched
	}
	return &Snapshot{
		set:     set,
		body:    []byte(saved.Body),
		fetched: saved.Fetched,
		made:    saved.Made,
		fresh:   saved.Fresh,
		saved:   true,
	}, nil
}

// keep has a set saved that is in force already. It does not wait, because a disk that hangs
// must keep nobody from the next fetch. If an older set still waits, this one takes its place.
func (r *Ring) keep(s *Snapshot) {
	select {
	case <-r.unsaved:
	default:
	}
	r.unsaved <- s
}

// saveSets saves each set that keep is given, until Run ends. It saves even a set that has
// not changed: the age of a saved set counts from its last confirmation.
func (r *Ring) saveSets() {
	for s := range r.unsaved {
		if err := r.save(s); err != nil {
			r.config().Log.Warn("key set not saved: a restart during an outage would verify nothing; mend the state directory", "error", err)
		}
	}
}
