// Package secretfile reads secrets from systemd credentials and from files that
// only their owner may read. No error contains a part of a secret.
package secretfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	// What it is, for errors: the key of the configuration.
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

// maxName is the longest name of a credential, in bytes (systemd.exec(5)).
const maxName = 255

// NameFault returns what is wrong with a text that has to name a secret; "" if nothing
// is, or if it is empty. A text that is no name may be the secret itself: NameFault does
// not repeat it.
func NameFault(text string) string {
	const nameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	switch {
	case text == "", IsPath(text):
		return ""
	case strings.Contains(text, "/"):
		return `must be a credential name without "/", or a path that starts with "/" or "./"`
	case len(text) > maxName, strings.Trim(text, nameBytes) != "", text == ".", text == "..":
		return `must name what holds the secret: a systemd credential, in letters, digits, "-", "_" and ".", or a file, as a path that starts with "/" or "./"`
	}
	return ""
}

// Where says in an error where the secret is: the path of its file, or its credential. It
// leaves out the name of a credential that the configuration chose, because that may be
// the secret itself.
func (s Secret) Where(dir string) string {
	switch {
	case IsPath(s.Name):
		return s.Path(dir)
	case s.Name == "", s.Name == s.Fallback:
		return fmt.Sprintf("the credential %q", s.Fallback)
	}
	return "the credential that it names"
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
		return s.file(dir, true)
	}
	delivered := os.Getenv(Directory) != ""
	switch {
	case s.Name == "" && !delivered:
		return nil, nil
	case s.Name == "":
		text, err := s.file(dir, false)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return text, err
	case !delivered:
		return nil, fmt.Errorf("%s: %s: %w", s.What, s.Where(dir), ErrNoCredentials)
	}
	return s.file(dir, false)
}

// file reads the secret's file. If private is true, it refuses a file that others may
// read or that belongs to another user, because such a file holds no secret.
func (s Secret) file(dir string, private bool) ([]byte, error) {
	where := s.What + ": " + s.Where(dir)
	f, err := os.OpenFile(s.Path(dir), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold up the start
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, withoutPath(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, withoutPath(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", where)
	}
	if private {
		if err := checkPrivate(where, info); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, Max+2))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, withoutPath(err))
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("%s is empty", where)
	case len(text) > Max:
		return nil, fmt.Errorf("%s is larger than %d bytes", where, Max)
	}
	return text, nil
}

// withoutPath returns the error in an error of package os.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

func checkPrivate(where string, info os.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s has mode %#o; make it 0600 or 0400", where, info.Mode().Perm())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user", where)
	}
	return nil
}
