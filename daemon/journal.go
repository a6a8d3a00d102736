package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// The operations in the journal of revocations.
const (
	opRevoke   = "revoke"
	opUnrevoke = "unrevoke"
	opLongest  = "longest" // Until holds the lifetime in seconds
)

// maxJournal bounds the journal that is read: every revocation there can be, a
// few times over.
const maxJournal = 256 << 20

// slack is how many superseded lines the journal may hold beyond those in force
// before it is written anew.
const slack = 1000

// errNotSaved says that a change is in force but would not survive a restart.
var errNotSaved = errors.New("in force, but not saved: a restart would forget it; mend the state directory and repeat")

// line is one operation, one line of JSON.
type line struct {
	Op string `json:"op"`
	mark
	At    int64 `json:"at,omitempty"`
	Until int64 `json:"until,omitempty"`
}

// journal is the file of revocations: appended to and synced at each change, so
// that what was acknowledged is on disk. Its owner's lock guards it.
type journal struct {
	path    string // empty: nothing is saved, and no error either
	file    *os.File
	lines   int   // in the file
	longest int64 // the lifetime last saved
	dirty   bool  // something in force is not in the file
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
		var l line
		d := json.NewDecoder(bytes.NewReader(one))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil || l.Op != opRevoke && l.Op != opUnrevoke && l.Op != opLongest {
			return nil, fmt.Errorf("%s is damaged in line %d; put back a copy, remove that line, or move the file away (which forgets every revocation)", j.path, n)
		}
		all, text = append(all, l), rest
	}
	j.lines = len(all)
	return all, nil
}

// append saves one change. When that fails, later calls try to save everything.
func (j *journal) append(r *revocations, l line) error {
	if j.path == "" {
		return nil
	}
	if j.dirty || j.file == nil || j.lines > 2*int(r.counts.all.Load())+slack {
		return j.rewrite(r)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	longest := r.longest.Load()
	err := e.Encode(l)
	if longest != j.longest {
		err = errors.Join(err, e.Encode(line{Op: opLongest, Until: longest}))
	}
	if err == nil {
		_, err = j.file.Write(text.Bytes())
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.dirty = true // half a line may be there
		return fmt.Errorf("%w (%w)", errNotSaved, err)
	}
	j.lines++
	j.longest = longest
	return nil
}

// pending reports a change made earlier that is still not saved.
func (j *journal) pending() error {
	if j.dirty && j.path != "" {
		return errNotSaved
	}
	return nil
}

// rewrite replaces the file by what is in force.
func (j *journal) rewrite(r *revocations) error {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	lines := 1
	longest := r.longest.Load()
	err := e.Encode(line{Op: opLongest, Until: longest})
	r.marks.Range(func(k, v any) bool {
		lines++
		err = errors.Join(err, e.Encode(line{Op: opRevoke, mark: k.(mark), At: v.(revocation).at, Until: v.(revocation).until}))
		return true
	})
	if err == nil {
		err = writeFile(j.path, out.Bytes())
	}
	if err == nil {
		err = j.reopen()
	}
	j.dirty = err != nil
	if err != nil {
		return fmt.Errorf("%w (%w)", errNotSaved, err)
	}
	j.lines, j.longest = lines, longest
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
