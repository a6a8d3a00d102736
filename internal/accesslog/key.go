package accesslog

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// KeyCredential is the name of the systemd credential with the key. With it several
// programs or hosts have the same hash for a user.
const KeyCredential = "access-log-key"

// KeyFile is the file of the daemon's state directory with the key, which the daemon makes
// and uses if no credential has one. It holds nothing but the key, so that an operator can
// use it.
const KeyFile = "access-log.key"

// Bounds of a key, in bytes.
const (
	MinKey = 16
	MaxKey = 4096

	subjectBytes = 16 // of a hash
)

// Key is the secret key for hashes of users' ids. Ids that are numbers or mail addresses
// can be guessed. Without the key nobody can check a guess.
type Key []byte

// NewKey returns a new random key, in visible characters.
func NewKey() Key { return Key(rand.Text()) }

// Subject returns the hash of a user's id: half of its HMAC-SHA-256, in hex; "" for the
// empty id. It is the same in all lines of a user. With the key an operator finds the
// lines of an id.
func (k Key) Subject(id string) string {
	if id == "" {
		return ""
	}
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil)[:subjectBytes])
}

// CredentialKey reads the key from the credential KeyCredential (systemd.exec(5)). It
// returns nil if there is no such credential.
func CredentialKey() (Key, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, KeyCredential), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("access log's key: %w", err)
	}
	defer f.Close()
	key, err := ReadKey(f)
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", KeyCredential, err)
	}
	return key, nil
}

// ReadKey reads a key up to the end of r, without the end of the line.
func ReadKey(r io.Reader) (Key, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxKey+2))
	if err != nil {
		return nil, fmt.Errorf("access log's key: %w", err)
	}
	if text = bytes.TrimSuffix(text, []byte("\n")); len(text) < MinKey || len(text) > MaxKey {
		return nil, fmt.Errorf("access log's key: has to have %d to %d bytes; `openssl rand -hex 32` makes a good one", MinKey, MaxKey)
	}
	return text, nil
}
