package fleet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// KeyBytes is the length of a fleet key before it is encoded.
const KeyBytes = 32

// GenerateKey returns a fresh fleet key as a file holds it.
func GenerateKey() string {
	var key [KeyBytes]byte
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(key[:])
}

var errKey = fmt.Errorf("a fleet key is %d random bytes in base64; `neonauthd fleet-key` prints a fresh one", KeyBytes)

// ParseKey reads a fleet key as GenerateKey writes it. Its error tells nothing of
// the text.
func ParseKey(text string) (Key, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != KeyBytes || len(text) != base64.StdEncoding.EncodedLen(KeyBytes) { // the decoder skips line ends
		return Key{}, errKey
	}
	k := Key{material: &material{}}
	k.sealing = derive(raw, "neonauthd fleet seal 1")
	k.naming = derive(raw, "neonauthd fleet name 1")
	k.id = [keyIDLen]byte(derive(raw, "neonauthd fleet id 1"))
	return k, nil
}

// Key is the secret of a fleet's hosts, which nobody else has. Printing it
// shows nothing of the secret. The zero value is no key.
type Key struct{ *material }

type material struct {
	sealing, naming []byte
	id              [keyIDLen]byte
}

// same reports whether both are the key made of one text.
func (k Key) same(other Key) bool {
	if k.material == nil || other.material == nil {
		return k.material == other.material
	}
	return subtle.ConstantTimeCompare(k.sealing, other.sealing) == 1
}

// String hides the key.
func (Key) String() string { return "redacted" }

// GoString hides the key.
func (Key) GoString() string { return "redacted" }

func derive(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, KeyBytes)
	if err != nil {
		panic(err) // only for a length that HKDF does not have
	}
	return key
}

const (
	keyIDLen  = 4
	saltLen   = 16
	nonceLen  = 12
	tagLen    = 16
	headLen   = 1 + keyIDLen + saltLen + nonceLen
	sealForm  = 1
	nameBytes = 16
	padding   = 128 // lengths are rounded up to this, so that they tell less
	maxOpened = 256 // AEADs kept, one for each run of each host
)

var errSeal = errors.New("does not open under any of the fleet's keys")

// keyring seals under the first key and opens under all. Each run of a host
// derives a sealing key of its own from a random salt, so that random nonces do
// not run out however long a fleet lives. Safe for concurrent use.
type keyring struct {
	fleet string
	keys  []Key
	own   cipher.AEAD
	salt  [saltLen]byte

	mu     sync.Mutex
	opened map[[keyIDLen + saltLen]byte]cipher.AEAD
}

func newKeyring(fleet string, keys []Key) *keyring {
	k := &keyring{fleet: fleet, keys: keys, opened: map[[keyIDLen + saltLen]byte]cipher.AEAD{}}
	_, _ = rand.Read(k.salt[:])
	k.own = keys[0].aead(k.salt[:])
	return k
}

func (k Key) aead(salt []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, k.sealing, salt, "neonauthd fleet run 1", KeyBytes)
	if err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a length that AES does not have
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return gcm
}

// sealedAt is where a sealed value stands. It is authenticated with the value, so
// that no value passes for one of another fleet, record, key or field.
type sealedAt struct{ record, key, field string }

func (k *keyring) authenticated(p sealedAt) []byte {
	return list(k.fleet, p.record, p.key, p.field)
}

// list encodes parts so that no two lists are alike: lengths go first.
func list(parts ...string) []byte {
	var b []byte
	for _, part := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

// seal returns text sealed under the first key. It opens only where p says.
func (k *keyring) seal(p sealedAt, text []byte) []byte {
	size := (len(text) + 4 + padding - 1) / padding * padding
	padded := make([]byte, size)
	binary.BigEndian.PutUint32(padded, uint32(len(text)))
	copy(padded[4:], text)
	out := make([]byte, 0, headLen+size+tagLen)
	out = append(out, sealForm)
	out = append(out, k.keys[0].id[:]...)
	out = append(out, k.salt[:]...)
	out = out[:headLen]
	nonce := out[headLen-nonceLen:]
	_, _ = rand.Read(nonce)
	return k.own.Seal(out, nonce, padded, k.authenticated(p))
}

// open returns what was sealed for p, and which of the keys it is under.
func (k *keyring) open(p sealedAt, sealed string) (text []byte, key int, err error) {
	if len(sealed) < headLen+tagLen || sealed[0] != sealForm {
		return nil, 0, errSeal
	}
	for i := range k.keys {
		if string(k.keys[i].id[:]) != sealed[1:1+keyIDLen] {
			continue
		}
		aead := k.aeadOf(i, sealed[1+keyIDLen:1+keyIDLen+saltLen])
		padded, err := aead.Open(nil, []byte(sealed[headLen-nonceLen:headLen]), []byte(sealed[headLen:]), k.authenticated(p))
		if err != nil || len(padded) < 4 {
			continue
		}
		if size := binary.BigEndian.Uint32(padded); uint64(size)+4 <= uint64(len(padded)) {
			return padded[4 : 4+size], i, nil
		}
	}
	return nil, 0, errSeal
}

func (k *keyring) aeadOf(i int, salt string) cipher.AEAD {
	id := [keyIDLen + saltLen]byte(append(k.keys[i].id[:], salt...))
	k.mu.Lock()
	defer k.mu.Unlock()
	if aead := k.opened[id]; aead != nil {
		return aead
	}
	if len(k.opened) >= maxOpened {
		clear(k.opened)
	}
	aead := k.keys[i].aead([]byte(salt))
	k.opened[id] = aead
	return aead
}

// name blinds a name under one of the keys: a reader of the engine learns that
// there is a name, but nothing about it.
func (k *keyring) name(key int, record string, parts ...string) string {
	mac := hmac.New(sha256.New, k.keys[key].naming)
	mac.Write(list(append([]string{k.fleet, record}, parts...)...))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:nameBytes])
}

// markName is the name of a mark in the engine, under one of the keys.
func (k *keyring) markName(key int, n Name) string {
	return k.name(key, "mark", n.Kind, n.Project, n.Value)
}
