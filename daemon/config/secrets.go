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

// maxServerKey bounds the server key's file, in bytes.
const maxServerKey = 4096

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
	if isPath(name) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return readSecretFile(name, true)
	}
	credentials := os.Getenv(CredentialsDirectory)
	switch {
	case name == "" && credentials == "":
		return upstream.Secret{}, nil
	case name == "":
		key, err := readSecretFile(filepath.Join(credentials, defaultServerKey), false)
		if errors.Is(err, os.ErrNotExist) {
			return upstream.Secret{}, nil
		}
		return key, err
	case credentials == "":
		return upstream.Secret{}, fmt.Errorf("credential %q: %w", cut(name), ErrNoCredentials)
	}
	return readSecretFile(filepath.Join(credentials, name), false)
}

// readSecretFile reads path. With private set, a file that others may read or
// that is somebody else's is refused: the key would not be a secret.
func readSecretFile(path string, private bool) (upstream.Secret, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold up the start
	if err != nil {
		return upstream.Secret{}, fmt.Errorf("server key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return upstream.Secret{}, fmt.Errorf("server key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return upstream.Secret{}, fmt.Errorf("server key: %s is not a regular file", path)
	}
	if private {
		if err := checkPrivate(path, info); err != nil {
			return upstream.Secret{}, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxServerKey+2))
	if err != nil {
		return upstream.Secret{}, fmt.Errorf("server key: %w", err)
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	switch {
	case len(text) == 0:
		return upstream.Secret{}, fmt.Errorf("server key: %s is empty", path)
	case len(text) > maxServerKey:
		return upstream.Secret{}, fmt.Errorf("server key: %s is larger than %d bytes", path, maxServerKey)
	}
	for _, b := range text {
		if b <= ' ' || b > '~' {
			return upstream.Secret{}, fmt.Errorf("server key: %s holds a blank, control or non-ASCII byte; it must be the key alone", path)
		}
	}
	return upstream.NewSecret(string(text)), nil
}

func checkPrivate(path string, info os.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("server key: %s has mode %#o; make it 0600 or 0400", path, info.Mode().Perm())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("server key: %s belongs to another user", path)
	}
	return nil
}
