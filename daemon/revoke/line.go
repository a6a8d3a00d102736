package revoke

import (
	"bytes"
	"errors"
	"hash/crc32"
	"strconv"
	"strings"
	"unique"

	"github.com/go-json-experiment/json"
)

// The form of the journal, version 2. It begins with a head,
//
//	neonauthd-revocations 2 ID SEQ SUM
//
// and each line after it is one change:
//
//	SEQ SUM {"op":"revoke","kind":"subject","project":"main","value":"...","at":1764000000}
//
// A revocation says when it was made, "made", by which user, "by", and why, "reason", where these are
// known. On a host in a fleet a change also has stamps, "r" and "u", revocations that were taken back
// stay in the journal with their stamps, and purges are changes too. A program that does not know
// these members refuses the file.
//
// SEQ counts by one from line to line, during the whole life of the state directory: when the file is
// written anew, its head has the next number. ID is drawn when the first journal of a directory is
// made. SUM is the CRC-32C of ID, SEQ and the text. So a line cannot be taken for another line of
// this file or of another file. A further kind of change gets another op. A program that does not
// know the op refuses the file, so that it forgets nothing.
const (
	headWord    = "neonauthd-revocations"
	formVersion = 2
	// maxLine is the longest line in bytes: with the longest possible mark and reason, and each of
	// their bytes escaped.
	maxLine = 8 << 10
	// lineSpare is more than a line has beside its project and value, in bytes.
	lineSpare = 2 << 10
	idLen     = 16
	sumLen    = 8
)

// The operations in the journal.
const (
	opRevoke   = "revoke"
	opUnrevoke = "unrevoke"
	opLongest  = "longest" // Until is the lifetime in seconds
	opIssued   = "issued"  // At is the greatest iat seen in Project's tokens
	opPurge    = "purge"   // of a host in a fleet: Revoked is its stamp
)

// line is one operation, the JSON of one line.
type line struct {
	Op string `json:"op"`
	Mark
	At    int64 `json:"at,omitzero"`
	Until int64 `json:"until,omitzero"`
	// Of a revocation in force: when it was made, by which user, and why.
	Made   int64  `json:"made,omitzero"`
	By     string `json:"by,omitzero"`
	Reason string `json:"reason,omitzero"`
	// The stamps of a host in a fleet, see Shared.
	Revoked uint64 `json:"r,omitzero"`
	Undone  uint64 `json:"u,omitzero"`
}

// valid reports whether this program writes lines of this form. A line with a kind that no lookup
// asks for would be a lost revocation.
func (l *line) valid() bool {
	if l.Op != opRevoke && (l.Made != 0 || l.By != "" || l.Reason != "") {
		return false
	}
	switch l.Op {
	case opLongest:
		return l.Mark == Mark{} && l.At == 0 && l.Until >= 0 && l.Revoked == 0 && l.Undone == 0
	case opIssued:
		return l.Project != "" && l.Mark == Mark{Project: l.Project} && l.At > 0 && l.Until == 0 && l.Revoked == 0 && l.Undone == 0
	case opPurge:
		return isPurge(l.Kind) && l.Revoked > 0 && l.Undone == 0 && l.Until > 0
	case opRevoke, opUnrevoke:
		if len(l.Reason) > MaxReason || strings.Trim(l.By, "0123456789") != "" {
			return false
		}
		known := l.Kind == KindToken || l.Kind == KindSession || l.Kind == KindSessionless || l.Kind == KindSubject || l.Kind == KindKey
		return known && l.Project != "" && l.Value != ""
	}
	return false
}

// fits reports whether a start reads this line, whatever reason it gets later.
func (l line) fits() bool {
	const escaped = 6 // bytes for one byte at most: backslash, u, four digits
	switch {
	case !l.valid():
		return false
	case escaped*(len(l.Project)+len(l.Value)) <= maxLine-lineSpare:
		return true
	}
	text, err := appendLine(nil, "", 0, &l)
	return err == nil && len(text) <= maxLine-lineSpare
}

// parseLine reads the JSON of one line, strictly.
func parseLine(text []byte) (l line, ok bool) {
	if len(text) == 0 || text[0] != '{' || text[len(text)-1] != '}' {
		return l, false
	}
	if err := json.Unmarshal(text, &l, json.RejectUnknownMembers(true)); err != nil {
		return l, false
	}
	// Many marks have the same few values, so each value is kept in memory once.
	l.Kind = unique.Make(l.Kind).Value()
	l.Project = unique.Make(l.Project).Value()
	return l, l.valid()
}

// castagnoli returns the polynomial of the sums.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // the package makes it only once

// appendSum appends the sum that proves text as line seq of the journal id.
func appendSum(b []byte, id string, seq uint64, text []byte) []byte {
	var room [idLen + 1 + 20 + 1]byte
	where := append(append(room[:0], id...), ' ')
	where = append(strconv.AppendUint(where, seq, 10), ' ')
	return appendHex(b, crc32.Update(crc32.Checksum(where, castagnoli()), castagnoli(), text))
}

func appendHex(b []byte, sum uint32) []byte {
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[sum>>shift&0xf])
	}
	return b
}

// appendLine appends the line with number seq in the form of the file.
func appendLine(b []byte, id string, seq uint64, l *line) ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return b, err
	}
	b = append(strconv.AppendUint(b, seq, 10), ' ')
	b = append(appendSum(b, id, seq, text), ' ')
	return append(append(b, text...), '\n'), nil
}

// appendHead appends the head of a journal whose first line will have the number seq + 1.
func appendHead(b []byte, id string, seq uint64) []byte {
	b = append(b, headWord+" "+strconv.Itoa(formVersion)+" "+id+" "...)
	b = append(strconv.AppendUint(b, seq, 10), ' ')
	return append(appendSum(b, id, seq, []byte(headWord)), '\n')
}

// errNewer says that a file is of a version that this program does not know.
var errNewer = errors.New("is of a newer neonauthd; install that one again, or a newer one")

// parseHead reads a head without its end. The error says in words what is wrong
// with the head.
func parseHead(text string) (id string, seq uint64, wrong error) {
	words := strings.Split(text, " ")
	if words[0] != headWord {
		return "", 0, errors.New("the head is missing that every journal of revocations has")
	}
	if len(words) > 1 {
		if n, err := strconv.Atoi(words[1]); err == nil && n > formVersion {
			return "", 0, errNewer
		}
	}
	if len(words) == 5 {
		seq, _ = parseSeq(words[3])
		id = words[2]
		if text+"\n" == string(appendHead(nil, id, seq)) && len(id) == idLen {
			return id, seq, nil
		}
	}
	return "", 0, errors.New("the head does not have its own sum")
}

// parseSeq reads a number in the only spelling that is written.
func parseSeq(text string) (seq uint64, ok bool) {
	seq, err := strconv.ParseUint(text, 10, 63)
	return seq, err == nil && strconv.FormatUint(seq, 10) == text
}

// splitLine splits a line without its end into its parts. ok tells whether its sum is right.
func splitLine(text []byte, id string) (seq uint64, change []byte, ok bool) {
	number, rest, _ := bytes.Cut(text, []byte(" "))
	seq, ok = parseSeq(string(number))
	if !ok || len(rest) <= sumLen || rest[sumLen] != ' ' {
		return 0, nil, false
	}
	sum, change := rest[:sumLen], rest[sumLen+1:]
	var room [sumLen]byte
	return seq, change, bytes.Equal(appendSum(room[:0], id, seq, change), sum)
}
