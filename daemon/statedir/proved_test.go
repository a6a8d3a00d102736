package statedir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestNoDamageToAProvedFileIsMissed flips each bit and cuts at each byte.
func TestNoDamageToAProvedFileIsMissed(t *testing.T) {
	d := open(t, place(t))
	f := File{Kind: KindKeys, Name: "f", Most: 100, Early: func(text []byte) bool { return bytes.HasPrefix(text, []byte("early")) }}
	if _, _, err := d.Load(f); !errors.Is(err, fs.ErrNotExist) || len(d.Faults()) > 0 {
		t.Fatalf("no file: %v, faults %v", err, d.Faults())
	}
	const content = `{"a":["b",1]}`
	e2e.Must(t, d.Save(f, []byte(content)))
	path := filepath.Join(d.Path(), f.Name)
	whole, err := os.ReadFile(path)
	e2e.Must(t, err)
	if got, proved, err := d.Load(f); string(got) != content || !proved || err != nil || len(d.Faults()) > 0 {
		t.Fatalf("%s, %v, %v, faults %v", got, proved, err, d.Faults())
	}
	damaged := func(what string, at int, text []byte) {
		e2e.Must(t, os.WriteFile(path, text, 0o600))
		if got, _, err := d.Load(f); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s at %d: %q, %v", what, at, got, err)
		}
	}
	for at := range whole {
		damaged("cut", at, whole[:at])
		for bit := range 8 {
			text := bytes.Clone(whole)
			text[at] ^= 1 << bit
			damaged("flipped", at, text)
		}
	}
	damaged("more", len(whole), append(bytes.Clone(whole), '\n'))
	damaged("twice", len(whole), append(bytes.Clone(whole), whole...))
	damaged("zeros", 0, make([]byte, len(whole)))
	damaged("larger than any", 0, make([]byte, 1000))
	if !slices.Equal(d.Faults(), []Kind{KindKeys}) {
		t.Errorf("faults %v", d.Faults())
	}

	e2e.Must(t, os.WriteFile(path, []byte("early text"), 0o600))
	if got, proved, err := d.Load(f); string(got) != "early text" || proved || err != nil {
		t.Errorf("an early text: %q, %v, %v", got, proved, err)
	}
	other := f
	other.Name = "g"
	e2e.Must(t, d.Save(f, []byte(content)))
	e2e.Must(t, os.Rename(path, filepath.Join(d.Path(), other.Name)))
	if _, _, err := d.Load(other); !errors.Is(err, ErrDamaged) {
		t.Errorf("the file of another name: %v", err)
	}
}

// loadThroughout loads a file that is always whole, again and again while change runs, and
// fails if the file counts as damaged.
func loadThroughout(t *testing.T, d *Dir, f File, change func()) {
	t.Helper()
	done := make(chan struct{})
	var loaders sync.WaitGroup
	for range 4 {
		loaders.Go(func() {
			for {
				if _, _, err := d.Load(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("not loaded: %v", err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	change()
	close(done)
	loaders.Wait()
	if faults := d.Faults(); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

// TestALoadWhileTheDirectoryIsTakenAnewFindsNoDamage: a project may load its keys while
// another one saves its own, and finds that somebody has replaced the folder.
func TestALoadWhileTheDirectoryIsTakenAnewFindsNoDamage(t *testing.T) {
	d := open(t, place(t))
	f := File{Kind: KindKeys, Name: "f", Most: 100}
	e2e.Must(t, d.Save(f, []byte("{}")))
	whole, err := os.ReadFile(filepath.Join(d.Path(), f.Name))
	e2e.Must(t, err)
	const folders = 200
	next := func(i int) string { return fmt.Sprint(d.Path(), "-", i) }
	for i := range folders {
		e2e.Must(t, os.Mkdir(next(i), 0o700))
		e2e.Must(t, os.WriteFile(filepath.Join(next(i), f.Name), whole, 0o600))
	}
	loadThroughout(t, d, f, func() {
		for i := range folders {
			e2e.Must(t, os.Rename(d.Path(), next(i)+"-before"))
			e2e.Must(t, os.Rename(next(i), d.Path()))
			e2e.Must(t, d.Writable())
		}
	})
}

// TestALoadWhileTheFileIsReplacedFindsNoDamage: a reload may load the keys of a project
// while the project before it saves them.
func TestALoadWhileTheFileIsReplacedFindsNoDamage(t *testing.T) {
	d := open(t, place(t))
	f := File{Kind: KindKeys, Name: "f", Most: 100}
	e2e.Must(t, d.Save(f, []byte("{}")))
	loadThroughout(t, d, f, func() {
		for range 500 {
			e2e.Must(t, d.Save(f, []byte("{}")))
		}
	})
}
