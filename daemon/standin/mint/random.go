package mint

import (
	"crypto/rand"
	"fmt"
)

// UUID returns a random UUID of version 4 (RFC 9562).
func UUID() string {
	var b [16]byte
	rand.Read(b[:])
	return uuidOf(b)
}

// uuidOf makes a UUID of version 4 of random bytes.
func uuidOf(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// RandomText returns n characters of the URL-safe base64 alphabet's letters and digits.
func RandomText(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return textOf(b)
}

func textOf(b []byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234567"
	for i, c := range b {
		b[i] = letters[int(c)%len(letters)]
	}
	return string(b)
}
