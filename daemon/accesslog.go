package daemon

import (
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

// accessKeyName is the file of the state directory with the key of the access log's
// hashes. It is used if no credential has the key.
const accessKeyName = "access-log.key"

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

// ownAccessKey returns the key that this host has made for itself. If the key
// cannot be saved, each start makes a new one.
func ownAccessKey(dir *statedir.Dir, log *slog.Logger) (accesslog.Key, error) {
	f, err := dir.Open(accessKeyName)
	if err == nil {
		defer f.Close()
		key, err := accesslog.ReadKey(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; or remove the file to have a new one made, and other hashes", filepath.Join(dir.Path(), accessKeyName), err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key := accesslog.NewKey()
	err = dir.Replace(accessKeyName, func(w io.Writer) error {
		_, err := w.Write(append(key, '\n'))
		return err
	})
	if err != nil {
		log.Warn("access log: its key could not be saved, and the hash of a user changes with each start; make the state directory writable", "error", err)
	}
	return key, nil
}
