package revoke

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// The operations in the journal of revocations.
const (
	opRevoke   = "revoke"
	opUnrevoke = "unrevoke"
	opLongest  = "longest" // Until holds the lifetime in seconds
	opIssued   = "issued"  // At holds the greatest iat seen of Project's tokens
)

// maxJournal bounds the journal that is read: every revocation there can be, a
// few times over.
const maxJournal = 256 << 20

// slack is how many superseded lines the journal may hold beyond those in force
// before it is written anew.
const slack = 1000

// line is one operation, one line of JSON.
type line struct {
	Op string `json:"op"`
	Mark
	At    int64 `json:"at,omitempty"`
	Until int64 `json:"until,omitempty"`
}

// journal is the file of revocations: appended to and synced at each change, so
// that what was acknowledged is on disk. Its owner's lock guards it.
type journal struct {
	path    string // empty: nothing is saved, and no error either
	file    *os.File
	lines   int              // in the file
	longest int64            // the lifetime last saved
	issued  map[string]int64 // the greatest iat last saved, by project
	dirty   bool             // the file may end in half a line: it is written anew next time
	unsaved bool             // a change is in force that is not in the file
}

// read returns every line, in order. A last line without its end is what a
// crash leaves of a change that was never acknowledged; anything else that does
// not parse is damage, and an error.
func (j *journal) read() ([]line, error) {
	if j.path == "" {
		return nil, nil
	}
	f, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJournal+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxJournal {
		return nil, fmt.Errorf("%s is larger than %d bytes", j.path, maxJournal)
	}
	var all []line
	for n := 1; len(text) > 0; n++ {
		one, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			j.dirty = true // write anew before the next append
			break
		}
		l, ok := readLine(one)
		if !ok {
			return nil, fmt.Errorf("%s is damaged in line %d; put back a copy, remove that line, or move the file away (which forgets every revocation)", j.path, n)
		}
		all, text = append(all, l), rest
	}
	j.lines = len(all)
	return all, nil
}

// readLine reads one line, strictly: a kind that nobody asks for would be a
// revocation lost.
func readLine(text []byte) (l line, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil || d.InputOffset() != int64(len(text)) {
		return l, false
	}
	switch l.Op {
	case opLongest:
		return l, l.Mark == Mark{} && l.At == 0 && l.Until >= 0
	case opIssued:
		return l, l.Project != "" && l.Mark == Mark{Project: l.Project} && l.At > 0 && l.Until == 0
	case opRevoke, opUnrevoke:
		known := l.Kind == KindToken || l.Kind == KindSession || l.Kind == KindSubject || l.Kind == KindKey
		return l, known && l.Project != "" && l.Value != ""
	}
	return l, false
}

// append saves changes, and what has been learnt of the tokens since the last
// time. When that fails, later calls try to save everything.
func (j *journal) append(of *List, changes ...line) error {
	if j.path == "" {
		return nil
	}
	j.unsaved = j.unsaved || len(changes) > 0
	if j.dirty || j.file == nil || j.lines > 2*int(of.counts.all.Load())+slack {
		return j.rewrite(of)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	learnt := j.news(of)
	changes = append(changes, learnt...)
	var err error
	for _, l := range changes {
		err = errors.Join(err, e.Encode(l))
	}
	if err == nil {
		_, err = j.file.Write(text.Bytes())
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.dirty = true // half a line may be there
		return fmt.Errorf("%w (%w)", ErrNotSaved, err)
	}
	j.lines += len(changes)
	j.unsaved = false
	j.saved(learnt)
	return nil
}

// news returns what the list has learnt of the tokens that is not in the file.
func (j *journal) news(of *List) []line {
	var all []line
	if longest := of.longest.Load(); longest != j.longest {
		all = append(all, line{Op: opLongest, Until: longest})
	}
	for project, at := range of.issued.Range {
		if at := at.(*atomic.Int64).Load(); at != j.issued[project.(string)] {
			all = append(all, line{Op: opIssued, Mark: Mark{Project: project.(string)}, At: at})
		}
	}
	return all
}

// saved notes that lines, of news, are in the file.
func (j *journal) saved(lines []line) {
	for _, l := range lines {
		if l.Op == opLongest {
			j.longest = l.Until
		} else {
			j.issued[l.Project] = l.At
		}
	}
}

// settle saves what earlier changes could not.
func (j *journal) settle(of *List) error {
	if j.path == "" || !j.unsaved {
		return nil
	}
	return j.rewrite(of)
}

// rewrite replaces the file by what is in force.
func (j *journal) rewrite(of *List) error {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	j.longest, j.issued = -1, map[string]int64{} // all of it is to be written
	learnt := j.news(of)
	lines := len(learnt)
	var err error
	for _, l := range learnt {
		err = errors.Join(err, e.Encode(l))
	}
	of.marks.Range(func(k, v any) bool {
		lines++
		err = errors.Join(err, e.Encode(line{Op: opRevoke, Mark: k.(Mark), At: v.(revocation).at, Until: v.(revocation).until}))
		return true
	})
	if err == nil {
		err = statedir.Replace(j.path, out.Bytes())
	}
	if err == nil {
		err = j.reopen()
	}
	j.dirty = err != nil
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrNotSaved, err)
	}
	j.lines, j.unsaved = lines, false
	j.saved(learnt)
	return nil
}

func (j *journal) reopen() error {
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if j.file != nil {
		err = j.file.Close()
	}
	j.file = f
	return err
}

// close closes the file; everything in it has been synced.
func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
