package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// maxSecret bounds the file of a secret, in bytes.
const maxSecret = 4096

// CredentialsDirectory is the variable in which systemd names the folder of
// delivered credentials (systemd.exec(5)).
const CredentialsDirectory = "CREDENTIALS_DIRECTORY"

// defaultServerKey is the credential looked for when the table names none.
const defaultServerKey = "server-key"

// ErrNoCredentials says that a credential is named and nobody delivers any.
var ErrNoCredentials = errors.New("$" + CredentialsDirectory + " is not set; run under systemd with LoadCredential=, or give a path")

// ReadServerKey reads the key that name stands for: a systemd credential, or a
// file if it starts with "/" or "./" (then relative to dir). An empty name is
// the default credential if there is one, and no key otherwise. Errors never
// hold any of the content.
func ReadServerKey(name, dir string) (upstream.Secret, error) {
	return readSecret(secretName{"server key", name, defaultServerKey}, dir)
}

// secretName is what a table says of one secret.
type secretName struct {
	what     string // for errors
	name     string // as configured
	fallback string // the credential that is taken if it is there and name is empty
}

func readSecret(s secretName, dir string) (upstream.Secret, error) {
	name := s.name
	if isPath(name) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return readSecretFile(s.what, name, true)
	}
	credentials := os.Getenv(CredentialsDirectory)
	switch {
	case name == "" && credentials == "":
		return upstream.Secret{}, nil
	case name == "":
		key, err := readSecretFile(s.what, filepath.Join(credentials, s.fallback), false)
		if errors.Is(err, os.ErrNotExist) {
			return upstream.Secret{}, nil
		}
		return key, err
	case credentials == "":
		return upstream.Secret{}, fmt.Errorf("credential %q: %w", cut(name), ErrNoCredentials)
	}
	return readSecretFile(s.what, filepath.Join(credentials, name), false)
}

// readSecretFile reads path. With private set, a file that others may read or
// that is somebody else's is refused: the key would not be a secret.
func readSecretFile(what, path string, private bool) (upstream.Secret, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold up the start
	if err != nil {
		return upstream.Secret{}, fmt.Errorf("%s: %w", what, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return upstream.Secret{}, fmt.Errorf("%s: %w", what, err)
	}
	if !info.Mode().IsRegular() {
		return upstream.Secret{}, fmt.Errorf("%s: %s is not a regular file", what, path)
	}
	if private {
		if err := checkPrivate(what, path, info); err != nil {
			return upstream.Secret{}, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+2))
	if err != nil {
		return upstream.Secret{}, fmt.Errorf("%s: %w", what, err)
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	switch {
	case len(text) == 0:
		return upstream.Secret{}, fmt.Errorf("%s: %s is empty", what, path)
	case len(text) > maxSecret:
		return upstream.Secret{}, fmt.Errorf("%s: %s is larger than %d bytes", what, path, maxSecret)
	}
	for _, b := range text {
		if b <= ' ' || b > '~' {
			return upstream.Secret{}, fmt.Errorf("%s: %s holds a blank, control or non-ASCII byte; it must be the key alone", what, path)
		}
	}
	return upstream.NewSecret(string(text)), nil
}

func checkPrivate(what, path string, info os.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: %s has mode %#o; make it 0600 or 0400", what, path, info.Mode().Perm())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: %s belongs to another user", what, path)
	}
	return nil
}
