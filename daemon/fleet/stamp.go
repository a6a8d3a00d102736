package fleet

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// Stamp orders the changes of one mark, whichever hosts made them: milliseconds
// since 1970 in the upper bits, and below them bits of the content, so that two
// hosts' changes in one millisecond differ and have an order. 0 is before all.
type Stamp uint64

// MaxStamp is the greatest stamp. It fits into int64.
const MaxStamp Stamp = math.MaxInt64

// TieBits is how many bits of a stamp tell apart changes that were made in one
// millisecond. It is the same in package revoke.
const TieBits = 20

// NewStamp returns a stamp for a change of the mark that is made at now by the
// host: after known, which is the newest stamp that the host knows for the mark,
// whatever its clock says.
func NewStamp(now time.Time, known Stamp, host string, m Mark) Stamp {
	h := sha256.New()
	for _, part := range []string{host, m.Kind, m.Project, m.Value} {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	var numbers [24]byte
	binary.BigEndian.PutUint64(numbers[:], uint64(m.At))
	binary.BigEndian.PutUint64(numbers[8:], uint64(m.Until))
	binary.BigEndian.PutUint64(numbers[16:], uint64(now.UnixNano()))
	h.Write(numbers[:])
	tie := binary.BigEndian.Uint32(h.Sum(nil)) >> (32 - TieBits)
	stamp := Stamp(max(0, now.UnixMilli()))<<TieBits | Stamp(tie)
	return min(max(stamp, known+1), MaxStamp)
}
