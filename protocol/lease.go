package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// Handle is an opaque name for one thing that an accepted answer depends on: its token, session, subject, signing key
// or profile. It is 64 bits of a keyed hash whose key never leaves the daemon. On the wire it has [HandleLength]
// characters of base64url, the most significant bits first.
type Handle uint64

// Run names one run of the daemon. It is drawn at random at the start and written like a [Handle].
type Run uint64

// Revision says how much the daemon has told its watches to forget: N, counted from 0 within one run.
type Revision struct {
	Run Run
	N   int64
}

// ForgetAll is the value of [FieldForget] that stands for every answer.
const ForgetAll = "*"

// AppendRevision appends " rev=RUN.N".
func AppendRevision(dst []byte, r Revision) []byte {
	dst = appendWord64(appendName(dst, FieldRev), uint64(r.Run))
	return strconv.AppendInt(append(dst, '.'), r.N, 10)
}

// ParseRevision reads the value of [FieldRev] that [AppendRevision] wrote. Every other spelling is an error, a negative
// count too.
func ParseRevision(raw []byte) (Revision, error) {
	word, count, dotted := bytes.Cut(raw, []byte{'.'})
	run, ok := word64(word)
	n, err := Int(count)
	if !dotted || !ok || err != nil || n < 0 {
		return Revision{}, errRevision
	}
	return Revision{Run(run), n}, nil
}

// AppendHandles appends " name=H,H,...". An answer has 1 to [MaxHandles] handles; a line of a watch has 1 to
// [MaxForget] handles to forget.
func AppendHandles(dst []byte, name string, handles ...Handle) []byte {
	dst = appendName(dst, name)
	for i, h := range handles {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendWord64(dst, uint64(h))
	}
	return dst
}

// ParseHandles reads the value that [AppendHandles] wrote, and appends its handles to dst. Every other spelling, an
// empty list, and more than most handles are errors, with which dst is returned unchanged.
func ParseHandles(dst []Handle, raw []byte, most int) ([]Handle, error) {
	const each = HandleLength + 1 // with the comma after it
	if len(raw)%each != HandleLength || len(raw)/each >= most {
		return dst, errHandles
	}
	handles := dst
	for at := 0; at < len(raw); at += each {
		h, ok := word64(raw[at : at+HandleLength])
		if !ok || at > 0 && raw[at-1] != ',' {
			return dst, errHandles
		}
		handles = append(handles, Handle(h))
	}
	return handles, nil
}

// words64 is the encoding of handles and runs: base64url without padding, in which each word has one spelling.
var words64 = base64.RawURLEncoding.Strict()

func appendWord64(dst []byte, v uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	return words64.AppendEncode(dst, b[:])
}

// word64 reads a word that appendWord64 wrote; every other spelling is not ok.
func word64(raw []byte) (v uint64, ok bool) {
	var b [8]byte
	if len(raw) != HandleLength {
		return 0, false
	}
	n, err := words64.Decode(b[:], raw)
	return binary.BigEndian.Uint64(b[:]), err == nil && n == len(b)
}
