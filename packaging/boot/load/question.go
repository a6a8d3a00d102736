package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/neonauthd/neonauthd/protocol"
)

// question is a token and its right answer.
type question struct {
	status protocol.Status
	word   string // the subject of an accepted token, the reason of a rejected one
	token  string
}

// readQuestions reads a file of lines "OK SUBJECT TOKEN" and "NO REASON TOKEN".
func readQuestions(file string) ([]question, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []question
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "OK" && fields[0] != "NO" {
			return nil, fmt.Errorf("%s: line %d is not \"OK SUBJECT TOKEN\" or \"NO REASON TOKEN\"", file, len(all)+1)
		}
		q := question{status: protocol.OK, word: fields[1], token: fields[2]}
		if fields[0] == "NO" {
			q.status = protocol.NO
		}
		all = append(all, q)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no question", file)
	}
	return all, nil
}

// judgement is the result of checking a reply.
type judgement uint8

const (
	wrong   judgement = iota // another verdict than the right one, another's answer, or no reply at all
	right                    // the right verdict
	unknown                  // ERR: the daemon could not tell
)

// judge compares a reply, without its line feed, with the right reply to q
// under this tag.
func (q *question) judge(reply []byte, tag string) judgement {
	var r protocol.Reply
	if err := protocol.ParseReply(reply, &r); err != nil || string(r.Tag) != tag {
		return wrong
	}
	switch r.Status {
	case protocol.ERR:
		return unknown
	case protocol.OK:
		raw, _ := r.Fields.Get(protocol.FieldSubject)
		subject, err := protocol.Value(raw)
		if q.status == protocol.OK && err == nil && subject == q.word {
			return right
		}
	case protocol.NO:
		if q.status == protocol.NO && string(r.Word) == q.word {
			return right
		}
	}
	return wrong
}
