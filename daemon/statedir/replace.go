// Package statedir keeps the files of the state directory: what outlives the
// daemon.
package statedir

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Replace replaces the file at path by text: readers see the old or the new,
// and after a crash one of the two is there.
func Replace(path string, text []byte) error {
	return ReplaceWith(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// ReplaceWith is Replace with what write writes.
func ReplaceWith(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename in dir outlive a loss of power.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
