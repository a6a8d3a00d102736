package client

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// answerTo reads the reply line to a lookup. The JSON of the answer aliases
// line. A line that is not precisely a reply to this question gives Unknown.
func answerTo(q *question, line []byte) (Answer, grant) {
	var r protocol.Reply
	if err := protocol.ParseReply(line, &r); err != nil {
		return Unknown{Err: garbled(err.Error())}, grant{}
	}
	switch r.Status {
	case protocol.OK:
		return accepted(q, &r), granted(&r)
	case protocol.NO:
		return Rejected{Reason: protocol.Reason(r.Word)}, grant{}
	default:
		return unknown(replyError(&r, q.wishes.project(), q.token)), grant{}
	}
}

// grant is the daemon's permission to keep an answer. Without handles there is
// no permission.
type grant struct {
	rev     protocol.Revision
	handles []protocol.Handle
}

func granted(r *protocol.Reply) grant {
	rev, _ := r.Fields.Get(protocol.FieldRev)
	names, _ := r.Fields.Get(protocol.FieldHandles)
	revision, err := protocol.ParseRevision(rev)
	handles, wrong := protocol.ParseHandles(nil, names, protocol.MaxHandles)
	if err != nil || wrong != nil {
		return grant{} // the answer counts, but is not kept
	}
	return grant{revision, handles}
}

// unknown turns an error of ask into an answer.
func unknown(err error) Unknown {
	if e, ok := errors.AsType[*ReplyError](err); ok {
		return Unknown{Code: e.Code, RetryAfter: e.RetryAfter, Err: e}
	}
	return Unknown{Err: err}
}

func accepted(q *question, r *protocol.Reply) Answer {
	f := fieldReader{fields: &r.Fields}
	a := Accepted{
		Level:   Level(f.word(protocol.FieldLevel, protocol.LevelClaims, protocol.LevelProfile)),
		Project: f.text(protocol.FieldProject),
		Subject: f.text(protocol.FieldSubject),
		Age:     f.seconds(protocol.FieldAge),
		TTL:     f.seconds(protocol.FieldTTL),
		Expires: time.Unix(f.number(protocol.FieldExpires), 0),
		Source:  Source(f.word(protocol.FieldSource, protocol.SourceUpstream, protocol.SourceCache, protocol.SourceStale)),
		JSON:    r.Rest,
	}
	if _, said := r.Fields.Get(protocol.FieldPrincipal); said {
		// A newer daemon may admit principals that this client does not know.
		// The program could not know what they may do, so the answer is
		// garbled.
		f.word(protocol.FieldPrincipal, protocol.PrincipalUser, protocol.PrincipalMachine, protocol.PrincipalTeam)
		a.Principal = f.text(protocol.FieldPrincipal)
	}
	if _, said := r.Fields.Get(protocol.FieldHeard); said {
		a.Heard = f.seconds(protocol.FieldHeard)
	}
	switch {
	case f.bad != "":
		return Unknown{Err: garbled("field " + f.bad)}
	case a.Subject == "":
		return Unknown{Err: garbled("no subject")}
	// The daemon has validated the JSON; this check only refuses other text in
	// its place.
	case !bytes.HasPrefix(a.JSON, []byte{'{'}) || !bytes.HasSuffix(a.JSON, []byte{'}'}):
		return Unknown{Err: garbled("no JSON object")}
	// A lower level is no answer, unless the caller allowed it with
	// FallbackClaims, which only Profile takes; a higher one would put a profile
	// where claims are expected.
	case (a.Level == LevelProfile) != (q.verb == protocol.PROFILE) && !q.wishes.fallback():
		return Unknown{Err: garbled("level was not asked for")}
	case q.wishes.project() != "" && a.Project != q.wishes.project():
		return Unknown{Err: garbled("project was not asked for")}
	case q.wishes.heard() >= 0 && a.Heard > q.wishes.heard():
		return Unknown{Err: garbled("the fleet was heard longer ago than asked for")}
	case !time.Now().Before(a.Expires): // it was true when the daemon wrote it, and is too late now
		return Unknown{Err: garbled("the token ended before the answer came")}
	}
	if a.Level == LevelProfile {
		a.payload = payloadOf(q.token)
	}
	return a
}

// fieldReader reads the fields of a reply, and remembers the first field that
// is missing or invalid.
type fieldReader struct {
	fields *protocol.Fields
	bad    string
}

func (f *fieldReader) text(name string) string {
	raw, ok := f.fields.Get(name)
	s, err := protocol.Value(raw)
	if !ok || err != nil {
		f.bad = cmp.Or(f.bad, name)
	}
	return s
}

// number returns a count. A negative number is invalid.
func (f *fieldReader) number(name string) int64 {
	raw, ok := f.fields.Get(name)
	n, err := protocol.Int(raw)
	if !ok || err != nil || n < 0 || n > protocol.MaxExpires { // no number of a reply is greater
		f.bad = cmp.Or(f.bad, name)
	}
	return n
}

func (f *fieldReader) seconds(name string) time.Duration {
	return time.Duration(f.number(name)) * time.Second
}

// word returns the position of the field's value in words, counted from 1; 0 if
// the value is none of them.
func (f *fieldReader) word(name string, words ...string) uint8 {
	raw, _ := f.fields.Get(name)
	at := slices.Index(words, string(raw)) + 1
	if at == 0 {
		f.bad = cmp.Or(f.bad, name)
	}
	return uint8(at)
}

// replyError turns an ERR reply to a question about the project into an error.
// The reply's text is for people. If it contains one of the words that were
// sent, which the daemon's texts never do, it is left out: the word may be a
// token.
func replyError(r *protocol.Reply, project string, asked ...string) error {
	f := fieldReader{fields: &r.Fields}
	e := &ReplyError{Code: protocol.Code(r.Word)}
	if protocol.IsProject(project) { // other text may be a token in the wrong place, and no error may show a token
		e.Project = project
	}
	if _, said := r.Fields.Get(protocol.FieldRetryAfter); said {
		e.RetryAfter = f.seconds(protocol.FieldRetryAfter)
	}
	if f.bad != "" {
		return garbled("field " + f.bad)
	}
	if !slices.ContainsFunc(asked, func(word string) bool { return bytes.Contains(r.Rest, []byte(word)) }) {
		e.Text = string(r.Rest)
	}
	return e
}
