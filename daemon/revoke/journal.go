package revoke

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// maxLines is more lines than a journal has: before the last append at most twice what
// the list can hold, and then once that, if other hosts of the fleet tell everything at
// once. It leaves room for the facts.
const maxLines = 3*(Max+MaxPast) + 10*slack

// maxJournal is the largest journal that is read, in bytes: no journal that this program
// writes is larger, however long the ids are, or a start would refuse it.
const maxJournal int64 = maxLines * maxLine

// slack is how many superseded lines the journal may have, besides those in
// force, before it is written anew.
const slack = 1000

// journal is the file of changes, with its seal. Each change is appended and
// synced, so that an acknowledged change is on disk. A journal knows lines, and
// not what is in force. Its owner's lock guards it.
type journal struct {
	dir   *statedir.Dir
	seal  seal
	id    string
	seq   uint64 // number of the last line
	lines int    // number of lines in the file
	size  int64  // size that the file must have
	file  *os.File
	// broken: the file may lack acknowledged changes, or end in half a line. It
	// is written anew before anything is appended.
	broken bool
}

// The files of the state directory.
const (
	journalName = "revocations.journal"
	sealName    = "revocations.seal"
)

// newJournal returns the journal in dir with its seal. It does not read them.
func newJournal(dir *statedir.Dir) *journal {
	return &journal{dir: dir, seal: seal{dir: dir}, broken: true}
}

// path returns the path of the journal, for people.
func (j *journal) path() string { return filepath.Join(j.dir.Path(), journalName) }

// sealPath returns the path of the seal, for people.
func (j *journal) sealPath() string { return filepath.Join(j.dir.Path(), sealName) }

// sound reports whether lines can be appended to the file: the file and its
// seal are as the last call left them. Somebody may have removed or cut them
// since.
func (j *journal) sound() bool {
	return !j.broken && j.dir.InPlace(j.file, journalName, j.size) && j.seal.inPlace()
}

// append adds lines to a sound journal. When it returns, they are on disk.
func (j *journal) append(lines []line) error {
	var text []byte
	var err error
	for i := range lines {
		var fault error
		text, fault = appendLine(text, j.id, j.seq+uint64(i)+1, &lines[i])
		err = errors.Join(err, fault)
	}
	if err != nil {
		return err
	}
	j.broken = true // until everything is written, the file may end in half a line
	if _, err = j.file.WriteAt(text, j.size); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return err
	}
	j.seq += uint64(len(lines))
	j.lines += len(lines)
	j.size += int64(len(text))
	if err := j.seal.set(sealed{j.id, j.seq}); err != nil {
		return err
	}
	j.broken = false
	return nil
}

// replace writes the file anew with exactly lines. When it returns, they are on
// disk.
func (j *journal) replace(lines iter.Seq[line]) error {
	if j.id == "" {
		j.id = newID()
	}
	j.broken = true
	j.seq++ // also after a failure, so that no number stands for two lines
	head := appendHead(nil, j.id, j.seq)
	size, count := int64(len(head)), 0
	err := j.dir.Replace(journalName, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 64<<10)
		_, _ = buffered.Write(head) // an error comes back from Flush
		var text []byte
		for l := range lines {
			var err error
			if text, err = appendLine(text[:0], j.id, j.seq+1, &l); err != nil {
				return err
			}
			_, _ = buffered.Write(text)
			j.seq++
			count++
			size += int64(len(text))
		}
		return buffered.Flush()
	})
	if err == nil {
		err = j.reopen()
	}
	if err == nil {
		err = j.seal.set(sealed{j.id, j.seq})
	}
	j.size, j.lines, j.broken = size, count, err != nil
	return err
}

func (j *journal) reopen() error {
	f, err := j.dir.OpenToWrite(journalName)
	if err != nil {
		return err
	}
	if j.file != nil {
		_ = j.file.Close() // its content has been synced or replaced
	}
	j.file = f
	return nil
}

// close closes the files. Everything in them has been synced.
func (j *journal) close() error {
	err := j.seal.close()
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
	}
	j.file = nil
	return err
}

// newID draws a random name for a directory's journal.
func newID() string {
	var id [idLen / 2]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
