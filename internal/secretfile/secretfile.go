// Package secretfile reads secrets from systemd credentials and from files that
// only their owner may read. No error contains a part of a secret.
package secretfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Max is the largest size of a secret's file, in bytes, without the end of the last line.
const Max = 4096

// Directory is the variable in which systemd names the folder of delivered
// credentials (systemd.exec(5)).
const Directory = "CREDENTIALS_DIRECTORY"

// ErrNoCredentials means that a credential is named, but systemd provides none.
var ErrNoCredentials = errors.New("$" + Directory + " is not set; run under systemd with LoadCredential=, or give a path")

// Secret is a secret in a configuration.
type Secret struct {
	// What it is, for errors.
	What string
	// Name is the name of a systemd credential, or the path of a file if it starts
	// with "/" or "./". If it is "", Fallback is used.
	Name string
	// Fallback is the credential for an empty Name. It need not exist.
	Fallback string
}

// IsPath reports whether a name is the path of a file and not the name of a credential.
func IsPath(name string) bool {
	return filepath.IsAbs(name) || strings.HasPrefix(name, "./")
}

// Path returns the path of the secret's file. A relative path starts in dir.
func (s Secret) Path(dir string) string {
	switch name := cmp.Or(s.Name, s.Fallback); {
	case filepath.IsAbs(name):
		return name
	case IsPath(name):
		return filepath.Join(dir, name)
	default:
		return filepath.Join(os.Getenv(Directory), name)
	}
}

// Read returns the secret's text, without the end of its last line. It returns nil if
// Name is "" and there is no credential Fallback. A file that is not a credential has to
// be private. For dir see Path.
func (s Secret) Read(dir string) ([]byte, error) {
	if IsPath(s.Name) {
		return s.file(s.Path(dir), true)
	}
	delivered := os.Getenv(Directory) != ""
	switch {
	case s.Name == "" && !delivered:
		return nil, nil
	case s.Name == "":
		text, err := s.file(s.Path(dir), false)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return text, err
	case !delivered:
		return nil, fmt.Errorf("credential %q: %w", cut(s.Name), ErrNoCredentials)
	}
	return s.file(s.Path(dir), false)
}

// file reads path. If private is true, it refuses a file that others may read or that
// belongs to another user, because such a file holds no secret.
func (s Secret) file(path string, private bool) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold up the start
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.What, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.What, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %s is not a regular file", s.What, path)
	}
	if private {
		if err := s.checkPrivate(path, info); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, Max+2))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.What, err)
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("%s: %s is empty", s.What, path)
	case len(text) > Max:
		return nil, fmt.Errorf("%s: %s is larger than %d bytes", s.What, path, Max)
	}
	return text, nil
}

func (s Secret) checkPrivate(path string, info os.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: %s has mode %#o; make it 0600 or 0400", s.What, path, info.Mode().Perm())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: %s belongs to another user", s.What, path)
	}
	return nil
}

// maxShown bounds how much of a name is repeated, in bytes.
const maxShown = 128

func cut(text string) string {
	if len(text) > maxShown {
		return text[:maxShown] + "..."
	}
	return text
}
