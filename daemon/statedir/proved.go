package statedir

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
)

// Kind is a kind of file that proves itself. It is also a metric's label.
type Kind string

// The kinds.
const (
	KindKeys      Kind = "keys"       // a project's key set
	KindIssuer    Kind = "issuer"     // the issuer that a project has found
	KindHostID    Kind = "host-id"    // the host's id in its fleet
	KindAccessLog Kind = "access-log" // the key of the access log's hashes
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{KindKeys, KindIssuer, KindHostID, KindAccessLog} }

// File describes a file that proves itself.
type File struct {
	Kind Kind
	Name string
	// Most is the largest size of its content, in bytes.
	Most int64
	// Early reports whether a text without a checksum is one that an earlier version has
	// written; nil: earlier versions had no such file.
	Early func(text []byte) bool
}

// ErrDamaged says that a file does not have its own checksum.
var ErrDamaged = errors.New("is damaged")

// The form of a file that proves itself, version 1, is one line of JSON:
//
//	{"neonauthd":1,"sum":"5f3c9a10","content":...}
//
// sum is the CRC-32C of the file's name, a blank and the content. So no file can be
// taken for another one. A file that is not in exactly this form is damaged.
const (
	proofBegin = `{"neonauthd":1,"sum":"`
	proofEnd   = "}\n"
	proofSize  = len(proofBegin) + 8 + len(`","content":`) + len(proofEnd)
)

// appendProof appends the bytes before the content.
func appendProof(b []byte, name string, content []byte) []byte {
	table := crc32.MakeTable(crc32.Castagnoli) // the package makes it only once
	sum := crc32.Update(crc32.Checksum([]byte(name+" "), table), table, content)
	return fmt.Appendf(b, `%s%08x","content":`, proofBegin, sum)
}

// Save replaces the file by content, which has to be JSON, with its checksum. As with
// Replace, the file is on disk when Save returns.
func (d *Dir) Save(f File, content []byte) error {
	text := append(append(appendProof(nil, f.Name, content), content...), proofEnd...)
	return d.Replace(f.Name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// Load returns the content that Save has written, and proved. A text of an earlier
// version is returned as it is, and not proved. The error is ErrNotExist if there is no
// file, and ErrDamaged if the file does not have its own checksum; for the other errors
// see Open. After each error but ErrNotExist, Faults has the file's kind.
func (d *Dir) Load(f File) (content []byte, proved bool, err error) {
	content, proved, err = d.load(f)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.Tell(f.Kind)
	}
	return content, proved, err
}

func (d *Dir) load(f File) (content []byte, proved bool, err error) {
	file, err := d.Open(f.Name)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	most := f.Most + int64(proofSize)
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, false, err
	case int64(len(text)) > most:
		return nil, false, ErrDamaged
	}
	if content, ok := provedContent(f.Name, text); ok {
		return content, true, nil
	}
	if f.Early != nil && f.Early(text) {
		return text, false, nil
	}
	return nil, false, ErrDamaged
}

// provedContent returns the content of a text that has its own checksum.
func provedContent(name string, text []byte) (content []byte, ok bool) {
	if len(text) < proofSize {
		return nil, false
	}
	head := proofSize - len(proofEnd)
	content = text[head : len(text)-len(proofEnd)]
	ok = bytes.Equal(appendProof(nil, name, content), text[:head]) && string(text[len(text)-len(proofEnd):]) == proofEnd
	return content, ok
}

// Tell remembers that a file of that kind was damaged or missing.
func (d *Dir) Tell(kind Kind) {
	d.notes.Lock()
	defer d.notes.Unlock()
	if !slices.Contains(d.faults, kind) {
		d.faults = append(d.faults, kind)
	}
}

// Faults returns the kinds of the files that were damaged since Open. A nil Dir has
// none.
func (d *Dir) Faults() []Kind {
	if d == nil {
		return nil
	}
	d.notes.Lock()
	defer d.notes.Unlock()
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return !slices.Contains(d.faults, k) })
}
