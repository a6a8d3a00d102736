package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// smallDisk returns a state directory on a file system of its own, with 64 KiB.
func smallDisk(t *testing.T) *statedir.Dir {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	e2e.Must(t, os.Mkdir(path, 0o700))
	err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=64k,mode=700")
	need.Host(t, err == nil, fmt.Sprintf("no file system can be mounted here: %v", err))
	t.Cleanup(func() { e2e.Must(t, unix.Unmount(path, unix.MNT_DETACH)) })
	dir, err := statedir.Open(path)
	e2e.Must(t, err)
	t.Cleanup(func() { e2e.Must(t, dir.Close()) })
	return dir
}

// fill fills the disk, so that less room is left than a key set needs.
func fill(t *testing.T, s *Store) {
	t.Helper()
	f, err := os.Create(filepath.Join(s.dir.Path(), "filler"))
	e2e.Must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// readOnly makes the disk read-only, and opens the directory again: no file on the disk may
// be open for writing meanwhile.
func readOnly(t *testing.T, s *Store) {
	t.Helper()
	e2e.Must(t, s.dir.Close())
	e2e.Must(t, unix.Mount("", s.dir.Path(), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	dir, err := statedir.Open(s.dir.Path())
	e2e.Must(t, err)
	t.Cleanup(func() { e2e.Must(t, dir.Close()) })
	s.dir = dir
}

// lockFile makes the file immutable, so that not even root can change it.
func lockFile(t *testing.T, s *Store) {
	t.Helper()
	const immutable = 0x10 // FS_IMMUTABLE_FL, ioctl_iflags(2)
	set := func(flags int) error {
		f, err := os.Open(s.path())
		e2e.Must(t, err)
		defer f.Close()
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
	}
	err := set(immutable)
	need.Host(t, err == nil, fmt.Sprintf("no file can be locked here: %v", err))
	t.Cleanup(func() { e2e.Must(t, set(0)) })
}

// TestAKeySetThatCouldNotBeReplacedIsNotUsedByTheNextRun: the newer set lacks a
// key that was withdrawn.
func TestAKeySetThatCouldNotBeReplacedIsNotUsedByTheNextRun(t *testing.T) {
	up := standin.New(standin.Options{ProjectID: "p"})
	fetch := func() []byte {
		return get(t, up, upstream.Validators{}).Body.Bytes()
	}
	first := fetch()
	up.Rotate(standin.Stack, false)
	second := fetch()
	if bytes.Equal(first, second) {
		t.Fatal("no key was withdrawn")
	}
	for _, c := range []struct {
		name    string
		spoil   func(*testing.T, *Store)
		next    []byte // the set that is fetched then
		saved   bool   // the next set can still be saved
		used    []byte // the set that the next run uses; nil: none
		message string // in the log of that run
	}{
		{"a good disk", func(*testing.T, *Store) {}, second, true, second, ""},
		{"a full disk", fill, second, true, second, ""},
		{"a full disk, the same set", fill, first, false, first, ""},
		{"a read-only disk", readOnly, second, false, nil, "could not have been replaced"},
		{"a read-only disk, the same set", readOnly, first, false, nil, "could not have been replaced"},
		{"a file that nobody may change", lockFile, second, false, nil, "could not have been replaced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now()
			s := NewStore(smallDisk(t), "main", keysOrigin)
			e2e.Must(t, s.save(&Snapshot{fetched: now.Add(-time.Hour), fresh: now, body: first}))
			c.spoil(t, &s)
			if err := s.save(&Snapshot{fetched: now, fresh: now, body: c.next}); (err == nil) != c.saved {
				t.Errorf("save: %v", err)
			}
			log := &e2e.Output{}
			k := s.load([]keyset.Algorithm{keyset.ES256}, now, slog.New(slog.NewTextHandler(log, nil)))
			if got := bodyOf(k); !bytes.Equal(got, c.used) {
				t.Errorf("the next run uses a set of %d bytes, want %d; log %s", len(got), len(c.used), log)
			}
			if !strings.Contains(log.String(), c.message) || c.message == "" && log.String() != "" {
				t.Errorf("log %q, want %q", log, c.message)
			}
		})
	}
}

func bodyOf(k *Snapshot) []byte {
	if k == nil {
		return nil
	}
	return k.body
}
