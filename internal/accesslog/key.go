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

// KeyCredential is the systemd credential that holds the key, where several
// programs or hosts are to have one hash for a user.
const KeyCredential = "access-log-key"

// Bounds of a key, in bytes.
const (
	MinKey = 16
	MaxKey = 4096

	subjectBytes = 16 // of a hash
)

// Key is the secret by which a user's id becomes a hash. Ids can be guessed where
// they are numbers or mail addresses: without the key, a guess cannot be tried.
type Key []byte

// NewKey returns a key that nobody has, as visible text.
func NewKey() Key { return Key(rand.Text()) }

// Subject is what stands for a user: half of the HMAC-SHA-256 of the id, in hex; ""
// for nobody. Lines of one user can be brought together, and whoever has the key
// finds the lines of an id.
func (k Key) Subject(id string) string {
	if id == "" {
		return ""
	}
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil)[:subjectBytes])
}

// CredentialKey reads the key from KeyCredential in the folder of delivered
// credentials (systemd.exec(5)). It is nil if there is none.
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

// ReadKey reads a key: all that is there, without the line end.
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
