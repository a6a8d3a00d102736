package revoke

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// Fault is a fault of the journal that did not keep the daemon from starting: it
// cannot have lost an acknowledged change, or an operator has chosen to go on. A
// Fault is also a metric's label.
type Fault string

// The faults.
const (
	// FaultHalfLine: the file ended in half a line. The daemon ended while it
	// wrote that change, and nobody had been told that the change was made.
	FaultHalfLine Fault = "half-line"
	// FaultNoSeal: there was no seal. Lines that were lost at the end of the
	// journal, or an older copy of it, could not have been noticed.
	FaultNoSeal Fault = "no-seal"
	// FaultNoJournal: there was neither a journal nor a seal, although the directory
	// has been in use. Every revocation is forgotten.
	FaultNoJournal Fault = "no-journal"
	// FaultHalfSeal: one of the seal's two slots has a wrong sum. A crash during
	// its writing can cause this.
	FaultHalfSeal Fault = "half-seal"
	// FaultGap: lines are missing in the middle, and there was no seal.
	FaultGap Fault = "gap"
	// FaultChanged: somebody else removed or changed the file while the daemon
	// ran. The file was written anew with everything that is in force.
	FaultChanged Fault = "changed"
)

// Faults returns all faults that there are.
func Faults() []Fault {
	return []Fault{FaultHalfLine, FaultNoSeal, FaultNoJournal, FaultHalfSeal, FaultGap, FaultChanged}
}

// inspections is how often a journal is read that seems to be damaged. A running daemon may
// be writing to it just then.
const inspections = 3

// Inspect reads the journal of a directory that statedir.Look has opened, as Open would. It
// returns what Open would log, as sentences, and the error with which Open would fail.
func Inspect(dir *statedir.Dir) (warnings []string, err error) {
	var found []Fault
	for range inspections {
		j := newJournal(dir)
		found, err = j.load(func(*line) {})
		if err = errors.Join(err, j.close()); err == nil && len(found) == 0 {
			return nil, nil
		}
	}
	for _, f := range found {
		warnings = append(warnings, told()[f])
	}
	return warnings, err
}

// Left reports whether the folder at path has files of revocations. The error says why
// that cannot be told; a folder that is not there has none.
func Left(path string) (bool, error) {
	for _, name := range []string{journalName, sealName} {
		_, err := os.Lstat(filepath.Join(path, name))
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return false, err
		}
	}
	return false, nil
}

// load passes every line of the file to apply, in order, and returns the faults.
// Damage is an error that says what to do. load writes nothing.
func (j *journal) load(apply func(*line)) (faults []Fault, err error) {
	seal, sealErr := j.seal.read()
	if sealErr != nil && !errors.Is(sealErr, errSealDamaged) {
		return nil, sealErr
	}
	f, err := j.dir.Open(journalName)
	switch {
	case errors.Is(err, fs.ErrNotExist) && sealErr == nil && seal.id == "" && j.dir.Used():
		return []Fault{FaultNoJournal}, nil
	case errors.Is(err, fs.ErrNotExist) && sealErr == nil && seal.id == "":
		return nil, nil // the directory is new
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is gone, and %s says that there was one; %s", j.path(), j.sealPath(), j.putBack())
	case err != nil:
		return nil, err
	case sealErr != nil:
		return nil, errors.Join(fmt.Errorf("%s is damaged: whether %s is whole cannot be told; %s", j.sealPath(), j.path(), j.putBackOrTake()), f.Close())
	}
	defer f.Close()
	r := &reading{journal: j, seal: seal, text: bufio.NewReaderSize(io.LimitReader(f, maxJournal+1), maxLine), apply: apply}
	if err := r.all(); err != nil {
		return nil, err
	}
	if j.seal.half {
		r.faults, r.anew = append(r.faults, FaultHalfSeal), true
	}
	j.size, j.broken = r.offset, r.anew
	if !j.broken && (j.reopen() != nil || j.seal.open() != nil) {
		j.broken = true // a later write will report that nothing can be written
	}
	return r.faults, nil
}

// putBack says what can be done about a journal that cannot be used.
func (j *journal) putBack() string {
	return "put back a copy of both from one moment, or move both away, which forgets every revocation"
}

// putBackOrTake says what can be done about a journal whose lines have right
// sums.
func (j *journal) putBackOrTake() string {
	return fmt.Sprintf("put back a copy of both from one moment, or move %s away, which takes %s as it is", sealName, journalName)
}

// reading is the state of one load.
type reading struct {
	*journal
	seal   sealed
	text   *bufio.Reader
	apply  func(*line)
	number int   // number of the current line in the file, from 1
	offset int64 // how many bytes have been read
	faults []Fault
	anew   bool // the file must be written anew before lines are appended
	old    bool // the file is of version 1
}

// all reads the whole file.
func (r *reading) all() error {
	first, ended, err := r.next()
	switch {
	case err != nil:
		return err
	case len(first) == 0 && !ended:
		return fmt.Errorf("%s is empty, which neonauthd never leaves it; put back a copy, or move it away, which forgets every revocation", r.path())
	case bytes.HasPrefix(first, []byte("{")):
		if r.seal.id != "" {
			return fmt.Errorf("%s is of an earlier version, and %s says that there was a newer one; %s", r.path(), r.sealPath(), r.putBack())
		}
		r.anew, r.old = true, true
		return r.early(first, ended)
	}
	id, seq, wrong := parseHead(string(first))
	if wrong == nil && !ended {
		wrong = errors.New("the head has no end")
	}
	switch {
	case errors.Is(wrong, errNewer):
		return fmt.Errorf("%s %w", r.path(), wrong)
	case wrong != nil:
		return r.damaged(wrong)
	case r.seal.id != "" && r.seal.id != id:
		return fmt.Errorf("%s and %s are of different state directories; %s", r.path(), r.sealPath(), r.putBackOrTake())
	}
	r.id, r.seq = id, seq
	if err := r.rest(); err != nil {
		return err
	}
	switch {
	case r.seal.id == "":
		r.faults = append(r.faults, FaultNoSeal)
		r.anew = true
	case r.seq < r.seal.seq:
		return fmt.Errorf("%s ends with change %d, and change %d had been acknowledged: its end was lost, or an older copy was put back; %s", r.path(), r.seq, r.seal.seq, r.putBackOrTake())
	}
	return nil
}

// rest reads the lines after the head.
func (r *reading) rest() error {
	for {
		text, ended, err := r.next()
		if err != nil {
			return err
		}
		if len(text) == 0 && !ended {
			return nil
		}
		seq, change, ok := splitLine(text, r.id)
		l, known := parseLine(change)
		switch {
		case !ended && !ok && r.half(string(text)):
			r.faults, r.anew = append(r.faults, FaultHalfLine), true
			return nil
		case !ok:
			return r.damaged(errors.New("it does not have its own sum"))
		case !known:
			return r.damaged(errors.New("it is no change that this version knows"))
		case seq <= r.seq:
			return r.damaged(fmt.Errorf("its number is %d, and the line before has %d", seq, r.seq))
		case seq != r.seq+1 && r.seal.id != "":
			return r.damaged(fmt.Errorf("its number is %d, and the line before has %d: lines are missing", seq, r.seq))
		case seq != r.seq+1 && !slices.Contains(r.faults, FaultGap):
			r.faults = append(r.faults, FaultGap)
		}
		r.apply(&l)
		r.seq = seq
		r.lines++
		r.anew = r.anew || !ended
	}
}

// early reads a journal of version 1: one JSON object in each line, without a
// sum. Version 1 never left an empty journal.
func (r *reading) early(text []byte, ended bool) error {
	for {
		l, ok := parseLine(text)
		switch {
		case !ok && !ended && halfChange(string(text)):
			r.faults = append(r.faults, FaultHalfLine)
			return nil
		case !ok:
			return r.damaged(errors.New("it is no change that this version knows"))
		}
		r.apply(&l)
		r.lines++
		var err error
		if text, ended, err = r.next(); err != nil || len(text) == 0 && !ended {
			return err
		}
	}
}

// next reads one line without its end. ended tells whether the line had an end.
// If it had, text is empty only for an empty line. text is valid until the next
// call.
func (r *reading) next() (text []byte, ended bool, err error) {
	raw, err := r.text.ReadSlice('\n')
	r.number++
	r.offset += int64(len(raw))
	switch {
	case r.offset > maxJournal:
		return nil, false, fmt.Errorf("%s is larger than %d bytes", r.path(), maxJournal)
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, false, r.damaged(errors.New("it is longer than any"))
	case err == nil:
		return raw[:len(raw)-1], true, nil
	case errors.Is(err, io.EOF):
		return raw, false, nil
	}
	return nil, false, fmt.Errorf("read %s: %w", r.path(), err)
}

// damaged returns the error for the line that was read last.
func (r *reading) damaged(why error) error {
	if r.old {
		return fmt.Errorf("%s is damaged in line %d: %w; put back a copy, remove that line, or move the file away, which forgets every revocation", r.path(), r.number, why)
	}
	if r.number == 1 { // without its head the journal is worth nothing
		return fmt.Errorf("%s is damaged in line 1: %w; put back a copy of it and %s from one moment, or move both away, which forgets every revocation", r.path(), why, sealName)
	}
	return fmt.Errorf("%s is damaged in line %d: %w; put back a copy of it and %[4]s from one moment, or remove that line and %[4]s, which forgets what the line said, or move both away, which forgets every revocation",
		r.path(), r.number, why, sealName)
}

// half reports whether text, at the end of the file, can be a part of the next
// line that a crash has left, before anybody was told of the change.
func (r *reading) half(text string) bool {
	if r.seal.id != "" && r.seq < r.seal.seq {
		return false // the line had been acknowledged
	}
	number := fmt.Sprint(r.seq + 1)
	seq, rest, _ := strings.Cut(text, " ")
	if seq != number {
		return rest == "" && len(text) < len(number) && strings.HasPrefix(number, text)
	}
	sum, change, _ := strings.Cut(rest, " ")
	if strings.Trim(sum, "0123456789abcdef") != "" || len(sum) > sumLen || change != "" && len(sum) < sumLen {
		return false
	}
	return change == "" || halfChange(change)
}

// halfChange reports whether text can be the beginning of a change's JSON, but
// not the whole JSON.
func halfChange(text string) bool {
	const begin = `{"op":"`
	if len(text) < len(begin) {
		return strings.HasPrefix(begin, text)
	}
	// The text may end in the middle of a character.
	whole := text
	for i := 0; i < utf8.UTFMax && !utf8.ValidString(whole); i++ {
		whole = whole[:len(whole)-1]
	}
	return strings.HasPrefix(text, begin) && utf8.ValidString(whole) && incomplete([]byte(whole))
}

// incomplete reports whether text is the beginning of a JSON value without its
// end.
func incomplete(text []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.ReadToken(); err != nil {
			return errors.Is(err, io.ErrUnexpectedEOF)
		}
		if d.StackDepth() == 0 {
			return false
		}
	}
}
