package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/protocol"
)

// revoke puts a revocation in force.
func (a *admin) revoke(r *protocol.Request, by fair.ID) (protocol.Reply, serve.Rest, *serve.Refusal) {
	p, m, until, refused := a.readRevocation(r, revocable(), protocol.FieldReason)
	if refused != nil {
		return protocol.Reply{}, nil, refused
	}
	reason, refused := readReason(r)
	switch {
	case refused != nil:
		return protocol.Reply{}, nil, refused
	case credential.Contains(m.Value): // the list of revocations would keep it, and show it
		return protocol.Reply{}, nil, errCredential()
	}
	origin := revoke.Origin{By: by.User(), Reason: reason}
	changed, err := a.daemon.revocations.Revoke(m, origin, time.Duration(p.Config().Leeway), until)
	if errors.Is(err, revoke.ErrFull) {
		return protocol.Reply{}, nil, &serve.Refusal{Code: protocol.CodeBusy, Advice: err.Error()}
	}
	a.daemon.ended(m) // even if it was in force already, or is not saved
	reply, refused := a.changeReply(m, by, true, changed, err)
	if refused == nil && m.Kind == revoke.KindKey && p.Lacks(m.Value, a.daemon.opts.Now()) {
		serve.AddField(&reply, protocol.FieldKnown, "0")
	}
	return reply, func(ctx context.Context, reply *protocol.Reply) *serve.Refusal {
		a.announce(reply, m)
		return a.settled(ctx)
	}, refused
}

// unrevoke takes a revocation back.
func (a *admin) unrevoke(r *protocol.Request, by fair.ID) (protocol.Reply, serve.Rest, *serve.Refusal) {
	// A revocation that a logout has made can be taken back as well.
	_, m, _, refused := a.readRevocation(r, revoke.Kinds())
	switch {
	case refused != nil:
		return protocol.Reply{}, nil, refused
	case credential.Contains(m.Value) && !a.daemon.revocations.Has(m): // an earlier build may have taken one
		return protocol.Reply{}, nil, errCredential()
	}
	changed, err := a.daemon.revocations.Unrevoke(m)
	reply, refused := a.changeReply(m, by, false, changed, err)
	return reply, func(_ context.Context, reply *protocol.Reply) *serve.Refusal {
		a.announce(reply, m)
		return nil
	}, refused
}

// changeReply returns the reply to a change that is in force. The change was saved if err
// is nil.
func (a *admin) changeReply(m revoke.Mark, by fair.ID, on, changed bool, err error) (protocol.Reply, *serve.Refusal) {
	if err != nil {
		text := "revocation not saved: it is in force, and a restart would forget it; mend the state directory and repeat"
		if !on {
			text = "end of a revocation not saved: it is in force, and a restart would bring the revocation back; mend the state directory and repeat"
		}
		a.daemon.opts.Logger.Error(text, "kind", m.Kind, "project", m.Project, "error", err)
		return protocol.Reply{}, &serve.Refusal{Code: protocol.CodeUnavailable, Advice: protocol.TextNotSaved}
	}
	a.daemon.opts.Logger.Info("revocations changed", "kind", m.Kind, "project", m.Project, "revoked", on, "changed", changed, "uid", by.User())
	return serve.Done(protocol.FieldChanged, serve.Bit(changed), protocol.FieldEntries, strconv.Itoa(a.daemon.revocations.Len())), nil
}

// revocable returns the kinds that REVOKE takes.
func revocable() []revoke.Kind {
	return []revoke.Kind{revoke.KindToken, revoke.KindSession, revoke.KindSubject, revoke.KindKey}
}

// readRevocation reads the mark to revoke or to take back, which must be of one of the
// kinds. For a token it also returns when the token ends.
func (a *admin) readRevocation(r *protocol.Request, kinds []revoke.Kind, takes ...string) (*resolve.Project, revoke.Mark, time.Time, *serve.Refusal) {
	p, _, refused := a.projectOf(r, takes...)
	if refused != nil {
		return nil, revoke.Mark{}, time.Time{}, refused
	}
	if r.NArgs != 2 {
		return nil, revoke.Mark{}, time.Time{}, serve.BadRequest("takes a kind (token, session, subject or key) and a value")
	}
	if !slices.Contains(kinds, revoke.Kind(r.Args[0])) {
		return nil, revoke.Mark{}, time.Time{}, serve.BadRequest("the kind is none of token, session, subject, key")
	}
	m, until, refused := a.readMark(p, revoke.Kind(r.Args[0]), r.Args[1])
	return p, m, until, refused
}

// readMark reads the mark and, for a token, when the token ends.
func (a *admin) readMark(p *resolve.Project, kind revoke.Kind, raw []byte) (revoke.Mark, time.Time, *serve.Refusal) {
	if kind != revoke.KindToken {
		value, refused := readID(raw)
		return revoke.Mark{Kind: kind, Project: p.Name(), Value: value}, time.Time{}, refused
	}
	m, until, ok := p.TokenMark(raw, a.daemon.opts.Now())
	if !ok {
		return revoke.Mark{}, time.Time{}, serve.BadRequest("that is not a token; an operator revokes a session or a subject by its id")
	}
	return m, until, nil
}

// readID reads the id of a session, a subject or a key. An id is text without control
// characters, because no token can have another.
func readID(raw []byte) (string, *serve.Refusal) {
	id, err := protocol.Value(raw)
	if err != nil || id == "" || len(id) > protocol.MaxID || !oneLine(id) {
		return "", serve.BadRequest("the value is not the percent-encoded id of anything: 1 to 512 bytes of UTF-8 without control characters")
	}
	return id, nil
}

// errCredential refuses a value in an id's place. It does not repeat the value.
func errCredential() *serve.Refusal {
	return serve.BadRequest("the value has the form of a token or a key, and an id is wanted here: a credential is given after the kind token")
}

// readReason reads the reason of a revocation; "" if none is given.
func readReason(r *protocol.Request) (string, *serve.Refusal) {
	raw, given := r.Fields.Get(protocol.FieldReason)
	reason, err := protocol.Value(raw)
	if given && (err != nil || reason == "" || len(reason) > protocol.MaxReason || !oneLine(reason)) {
		return "", serve.BadRequest("the reason is not the percent-encoded text for people that it has to be: 1 to 256 bytes of UTF-8 without control characters")
	}
	if credential.Contains(reason) {
		return "", serve.BadRequest("the reason has something in it with the form of a token or a key; it is a text for people, which is kept and shown")
	}
	return reason, nil
}

func oneLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// maxListed is how many revocations one answer has at most. Even the longest possible
// ones, with each byte of value and reason escaped, fit one line.
const maxListed = 800

// revocationList is REVOCATIONS's answer; protocol.md describes its members.
type revocationList struct {
	Entries     int                `json:"entries"`
	Revocations []revocationReport `json:"revocations"`
	More        string             `json:"more"`
}

type revocationReport struct {
	Project string  `json:"project"`
	Kind    string  `json:"kind"`
	Value   string  `json:"value"`
	Since   int64   `json:"since"`
	Until   int64   `json:"until"`
	UID     *uint32 `json:"uid,omitempty"`
	Reason  string  `json:"reason"`
}

// list answers with the revocations in force.
func (a *admin) list(r *protocol.Request) (protocol.Reply, *serve.Refusal) {
	p, named, refused := a.projectOf(r, protocol.FieldAfter)
	if refused != nil {
		return protocol.Reply{}, refused
	}
	if r.NArgs > 0 {
		return protocol.Reply{}, serve.BadRequest("this verb takes no argument")
	}
	var after revoke.Mark
	if raw, given := r.Fields.Get(protocol.FieldAfter); given {
		text, err := protocol.Value(raw)
		var words [3]string
		if err != nil || json.Unmarshal([]byte(text), &words) != nil {
			return protocol.Reply{}, serve.BadRequest("after is not what the last answer had in more")
		}
		after = revoke.Mark{Project: words[0], Kind: revoke.Kind(words[1]), Value: words[2]}
	}
	project := ""
	if named {
		project = p.Name()
	}
	page, more := a.daemon.revocations.Page(project, after, maxListed)
	out := revocationList{Entries: a.daemon.revocations.Len(), Revocations: []revocationReport{}}
	for i := range page {
		out.Revocations = append(out.Revocations, reportRevocation(&page[i]))
	}
	if more {
		last := page[len(page)-1]
		text, err := json.Marshal([3]string{last.Project, string(last.Kind), last.Value})
		if err != nil {
			return protocol.Reply{}, &serve.Refusal{Code: protocol.CodeUnavailable, Advice: "the list cannot be written"}
		}
		out.More = string(text)
	}
	return object(out)
}

func reportRevocation(e *revoke.Entry) revocationReport {
	out := revocationReport{Project: e.Project, Kind: string(e.Kind), Value: e.Value, Reason: e.Reason}
	if !e.Since.IsZero() {
		out.Since = e.Since.Unix()
	}
	if !e.Until.IsZero() {
		out.Until = e.Until.Unix()
	}
	if uid, err := strconv.ParseUint(e.By, 10, 32); err == nil {
		u := uint32(uid)
		out.UID = &u
	}
	return out
}
