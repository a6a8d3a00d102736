package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/program"
)

// accessSum describes the file that shows whether the key is still the same. It holds the
// hash that the key gives to the name of its own file.
func accessSum() statedir.File {
	return statedir.File{Kind: statedir.KindAccessLog, Name: "access-log.sum", Most: 64}
}

// newAccessLog returns the access log, or nil if no destination is named.
func newAccessLog(destination string, dir *statedir.Dir, log *slog.Logger) (*accesslog.Log, error) {
	if destination == "" {
		return nil, nil
	}
	key, err := accesslog.CredentialKey()
	if err == nil && key == nil {
		key, err = ownAccessKey(dir, log)
	}
	if err != nil {
		return nil, program.ConfigError{Err: err}
	}
	l, err := accesslog.New(accesslog.Options{Destination: destination, Key: key, Program: "neonauthd", Logger: log})
	if err != nil {
		return nil, program.ConfigError{Err: err}
	}
	return l, nil
}

// ownAccessKey returns the key that this host has made for itself. It logs a key that is
// not the one of the last start. If the key cannot be saved, each start makes a new one.
func ownAccessKey(dir *statedir.Dir, log *slog.Logger) (accesslog.Key, error) {
	path := filepath.Join(dir.Path(), accesslog.KeyFile)
	before, _, broken := dir.Load(accessSum())
	f, err := dir.OpenSecret(accesslog.KeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newAccessKey(dir, broken == nil, log), nil
	case err != nil:
		return nil, err
	}
	defer f.Close()
	key, err := accesslog.ReadKey(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; or remove the file to have a new one made, and other hashes", path, err)
	}
	switch {
	case broken == nil && bytes.Equal(before, accessSumOf(key)):
		return key, nil
	case broken == nil:
		dir.Tell(statedir.KindAccessLog)
		log.Warn("access log: its key is another one than at the last start, and users have other hashes from now on; if nobody has replaced it on purpose, it is damaged: put back a copy", "file", path)
	case !errors.Is(broken, fs.ErrNotExist):
		log.Warn("access log: whether its key is still the same cannot be told; if users have other hashes from now on, put back a copy of the key", "file", path, "error", broken)
	}
	saveAccessSum(dir, key, log)
	return key, nil
}

// newAccessKey makes a key and saves it. lost tells that an earlier key is gone.
func newAccessKey(dir *statedir.Dir, lost bool, log *slog.Logger) accesslog.Key {
	if lost {
		dir.Tell(statedir.KindAccessLog)
		log.Warn("access log: its key is gone, and users have other hashes from now on; put back a copy if there is one", "file", filepath.Join(dir.Path(), accesslog.KeyFile))
	}
	key := accesslog.NewKey()
	err := dir.Replace(accesslog.KeyFile, func(w io.Writer) error {
		_, err := w.Write(append(key, '\n'))
		return err
	})
	if err != nil {
		log.Warn("access log: its key could not be saved, and the hash of a user changes with each start; make the state directory writable", "error", err)
		dir.GiveUp(accesslog.KeyFile) // the next start tries again
		return key
	}
	saveAccessSum(dir, key, log)
	return key
}

func accessSumOf(key accesslog.Key) []byte { return []byte(`"` + key.Subject(accesslog.KeyFile) + `"`) }

func saveAccessSum(dir *statedir.Dir, key accesslog.Key, log *slog.Logger) {
	if err := dir.Save(accessSum(), accessSumOf(key)); err != nil {
		log.Warn("access log: what proves its key could not be saved, and damage to the key would not be noticed; make the state directory writable", "error", err)
		dir.GiveUp(accessSum().Name) // the next start tries again
	}
}
