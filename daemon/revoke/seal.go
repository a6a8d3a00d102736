package revoke

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// The seal is a small file beside the journal. It tells which journal belongs to
// this directory, and up to which number its changes were acknowledged. A
// journal that has lost lines at its end, that was emptied, or that is an older
// copy still has right sums in all its lines. Only the seal shows what is
// missing.
//
// It has two slots of sealSlot bytes. They are written in turn and in place, so
// that a crash spoils at most the slot that is being written:
//
//	neonauthd-seal 2 ID SEQ SUM
//
// Here SEQ has 20 digits, with leading zeros.
const (
	sealWord = "neonauthd-seal"
	sealSlot = 64
)

// errSealDamaged says that no slot of the seal has a right sum.
var errSealDamaged = errors.New("seal damaged")

// seal is the file of the seal. The owner of its journal guards it.
type seal struct {
	dir  *statedir.Dir
	file *os.File // nil: not open
	slot int64    // the slot to write next: 0 or 1
	half bool     // read found one slot with a wrong sum
}

// sealed is the content of a seal. The zero value: there is no seal.
type sealed struct {
	id  string
	seq uint64
}

func appendSeal(b []byte, s sealed) []byte {
	text := fmt.Appendf(nil, "%s %d %s %020d", sealWord, formVersion, s.id, s.seq)
	b = append(append(b, text...), ' ')
	return append(appendSum(b, s.id, s.seq, text), '\n')
}

func parseSeal(slot []byte) (s sealed, ok bool) {
	words := strings.Split(string(slot), " ")
	if len(words) != 5 || len(words[2]) != idLen {
		return s, false
	}
	s.id = words[2]
	digits := strings.TrimLeft(words[3], "0")
	if digits == "" {
		digits = "0"
	}
	if s.seq, ok = parseSeq(digits); !ok {
		return sealed{}, false
	}
	return s, string(appendSeal(nil, s)) == string(slot)
}

// read returns the content of the seal; the zero value if there is none.
func (s *seal) read() (sealed, error) {
	text, err := readFile(s.dir, sealName, 2*sealSlot)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return sealed{}, nil
	case err != nil:
		return sealed{}, err
	case len(text) > 2*sealSlot:
		return sealed{}, errSealDamaged
	}
	var newest sealed
	for n := range int64(2) {
		slot := text[min(len(text), int(n*sealSlot)):min(len(text), int((n+1)*sealSlot))]
		if one, ok := parseSeal(slot); ok && (newest.id == "" || one.seq > newest.seq) {
			newest, s.slot = one, 1-n
		}
	}
	if newest.id == "" {
		return sealed{}, errSealDamaged
	}
	_, other := parseSeal(text[min(len(text), int(s.slot*sealSlot)):min(len(text), int((s.slot+1)*sealSlot))])
	s.half = !other
	return newest, nil
}

// set writes what into the seal. When it returns, what is on disk.
func (s *seal) set(what sealed) error {
	if !s.inPlace() {
		return s.make(what)
	}
	_, err := s.file.WriteAt(appendSeal(nil, what), s.slot*sealSlot)
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		s.slot = 1 - s.slot
	}
	return err
}

// make writes the file anew, with the same content in both slots.
func (s *seal) make(what sealed) error {
	if err := s.close(); err != nil {
		return err
	}
	err := s.dir.Replace(sealName, func(w io.Writer) error {
		_, err := w.Write(appendSeal(appendSeal(nil, what), what))
		return err
	})
	if err != nil {
		return err
	}
	return s.open()
}

// inPlace reports whether the file is open and nobody else has replaced or cut
// it.
func (s *seal) inPlace() bool { return s.dir.InPlace(s.file, sealName, 2*sealSlot) }

// open opens the file for writing, if it exists.
func (s *seal) open() (err error) {
	s.file, err = s.dir.OpenToWrite(sealName)
	return err
}

func (s *seal) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// readFile reads a file, up to one byte more than most.
func readFile(dir *statedir.Dir, name string, most int64) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}
