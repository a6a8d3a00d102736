package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/secretfile"
)

// defaultServerKey is the credential looked for when the table names none.
const defaultServerKey = "server-key"

// ErrNoCredentials says that a credential is named and nobody delivers any.
var ErrNoCredentials = secretfile.ErrNoCredentials

// ReadServerKey reads the key that name stands for: a systemd credential, or a
// file if it starts with "/" or "./" (then relative to dir). An empty name is
// the default credential if there is one, and no key otherwise. Errors never
// hold any of the content.
func ReadServerKey(name, dir string) (upstream.Secret, error) {
	return readSecret(secretfile.Secret{What: "secret_server_key", Name: name, Fallback: defaultServerKey}, dir)
}

// FileBeside returns the path, with "./", of a file in dir that a secret's name was perhaps
// meant for; "" if the name is none of a credential, or no such file is there. Only a name
// that is a file's is returned, because another text may be the secret itself.
func FileBeside(name, dir string) string {
	if name == "" || secretfile.IsPath(name) || secretfile.NameFault(name) != "" {
		return ""
	}
	if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return "./" + name
}

// readSecret reads a secret that is one word, alone in its file.
func readSecret(s secretfile.Secret, dir string) (upstream.Secret, error) {
	text, err := s.Read(dir)
	if err != nil || text == nil {
		return upstream.Secret{}, err
	}
	if slices.ContainsFunc(text, func(b byte) bool { return b <= ' ' || b > '~' }) {
		return upstream.Secret{}, fmt.Errorf("%s: %s holds a blank, control or non-ASCII byte; it must be the key alone", s.What, s.Where(dir))
	}
	return upstream.NewSecret(string(text)), nil
}
