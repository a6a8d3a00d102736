package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/protocol"
)

// admin answers the verbs of the admin socket. Each is in effect before its
// reply is returned.
type admin struct{ daemon *Daemon }

// answer does what one admin verb says, and returns its reply. Where that has to wait
// for others, rest waits, and returns why the reply is another one, or nil.
func (a *admin) answer(verb protocol.Verb, r *protocol.Request) (reply protocol.Reply, rest func(context.Context, *protocol.Reply) *refusal) {
	var refused *refusal
	switch verb {
	case protocol.STATS:
		reply, refused = a.stats(r)
	case protocol.KEYS:
		reply, refused = a.keys(r)
	case protocol.EXPLAIN:
		reply, refused = a.explain(r)
	case protocol.REVOKE, protocol.UNREVOKE:
		reply, rest, refused = a.revoke(r, verb == protocol.REVOKE)
	case protocol.PURGE:
		reply, rest, refused = a.purge(r)
	case protocol.RELOAD:
		reply, rest, refused = a.reload(r)
	case protocol.LEVEL:
		reply, refused = a.level(r)
	case protocol.FLEET:
		reply, refused = a.fleet(r)
	default:
		refused = &refusal{code: protocol.CodeUnknownVerb}
	}
	if refused != nil {
		reply = refused.reply()
	}
	return reply, rest
}

// reply is the refusal as a reply.
func (r *refusal) reply() protocol.Reply {
	return protocol.Reply{Status: protocol.ERR, Word: []byte(r.code), Rest: r.text()}
}

// text is the refusal's advice as a reply's rest.
func (r *refusal) text() []byte {
	text := protocol.AppendText(nil, r.advice)
	if len(text) == 0 {
		return nil
	}
	return text[1:] // less the space that a builder writes
}

func badRequest(advice string) *refusal {
	return &refusal{code: protocol.CodeBadRequest, advice: advice}
}

// done is an OK reply with fields, given as pairs of name and value.
func done(pairs ...string) protocol.Reply {
	reply := protocol.Reply{Status: protocol.OK}
	for i := 0; i+1 < len(pairs); i += 2 {
		addField(&reply, pairs[i], pairs[i+1])
	}
	return reply
}

// object is an OK reply with a JSON object.
func object(v any) (protocol.Reply, *refusal) {
	text, err := json.Marshal(v)
	if err != nil || len(text) > protocol.MaxProfile {
		return protocol.Reply{}, &refusal{code: protocol.CodeUnavailable, advice: "the answer does not fit a line"}
	}
	return protocol.Reply{Status: protocol.OK, Rest: text}, nil
}

// named returns the project that the request is about: the default one if it
// names none, and then named is false.
func (a *admin) named(r *protocol.Request) (p *resolve.Project, named bool, refused *refusal) {
	projects := &a.daemon.state.Load().projects
	p = projects.first
	for i := range r.Fields.Len() {
		name, raw := r.Fields.At(i)
		if string(name) != protocol.FieldProject {
			return nil, false, badRequest("unknown field for this verb")
		}
		if p = projects.byName[string(raw)]; p == nil {
			return nil, false, &refusal{code: protocol.CodeUnknownProject, advice: "no such project is configured; HELLO lists them"}
		}
		named = true
	}
	return p, named, nil
}

// revoke puts a revocation in force, or takes it back.
func (a *admin) revoke(r *protocol.Request, on bool) (reply protocol.Reply, rest func(context.Context, *protocol.Reply) *refusal, refused *refusal) {
	p, _, refused := a.named(r)
	if refused != nil {
		return reply, nil, refused
	}
	if r.NArgs != 2 {
		return reply, nil, badRequest("takes a kind (token, session, subject or key) and a value")
	}
	m, until, refused := a.mark(p, revoke.Kind(r.Args[0]), r.Args[1])
	if refused != nil {
		return reply, nil, refused
	}
	revocations := a.daemon.revocations
	var changed bool
	var err error
	if on {
		changed, err = revocations.Revoke(m, time.Duration(p.Config().Leeway), until)
	} else {
		changed, err = revocations.Unrevoke(m)
	}
	if errors.Is(err, revoke.ErrFull) {
		return reply, nil, &refusal{code: protocol.CodeBusy, advice: err.Error()}
	}
	if on { // also when it was in force, or is not saved
		a.daemon.ended(m)
	}
	rest = func(ctx context.Context, reply *protocol.Reply) *refusal {
		if a.tell(reply, m); !on {
			return nil
		}
		return a.settled(ctx)
	}
	if err != nil {
		a.daemon.opts.Logger.Error("revocation not saved: it is in force, and a restart would forget it; mend the state directory and repeat", "kind", m.Kind, "project", p.Name(), "error", err)
		return reply, rest, &refusal{code: protocol.CodeUnavailable, advice: revoke.ErrNotSaved.Error()}
	}
	a.daemon.opts.Logger.Info("revocations changed", "kind", m.Kind, "project", p.Name(), "revoked", on, "changed", changed)
	return done(protocol.FieldChanged, bit(changed), protocol.FieldEntries, strconv.Itoa(revocations.Len())), rest, nil
}

// mark reads what is to be revoked, and for a token until when.
func (a *admin) mark(p *resolve.Project, kind revoke.Kind, raw []byte) (revoke.Mark, time.Time, *refusal) {
	switch kind {
	case revoke.KindToken:
		m, until, ok := p.TokenMark(raw, a.daemon.opts.Now())
		if !ok {
			return revoke.Mark{}, time.Time{}, badRequest("that is not a token; an operator revokes a session or a subject by its id")
		}
		return m, until, nil
	case revoke.KindSession, revoke.KindSubject, revoke.KindKey:
		value, refused := readID(raw)
		return revoke.Mark{Kind: kind, Project: p.Name(), Value: value}, time.Time{}, refused
	default: // what hosts tell each other is not for REVOKE
	}
	return revoke.Mark{}, time.Time{}, badRequest("the kind is none of token, session, subject, key")
}

// maxID is the longest id that can be revoked, in bytes, decoded: far beyond
// what upstreams use, and short enough for MaxRevocations of them.
const maxID = 512

// readID reads the id of a session, a subject or a key. It is text without
// control characters: no token could carry anything else.
func readID(raw []byte) (string, *refusal) {
	id, err := protocol.Value(raw)
	if err != nil || id == "" || len(id) > maxID || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return "", badRequest("the value is not the percent-encoded id of anything: 1 to 512 bytes of UTF-8 without control characters")
	}
	return id, nil
}

// purge forgets what is cached.
func (a *admin) purge(r *protocol.Request) (reply protocol.Reply, rest func(context.Context, *protocol.Reply) *refusal, refused *refusal) {
	p, named, refused := a.named(r)
	if refused != nil {
		return reply, nil, refused
	}
	var entries int64
	var marks []revoke.Mark
	kind, d := string(r.Args[0]), a.daemon
	switch {
	case r.NArgs == 1 && kind == "all":
		// One project's entries are not kept apart: purging more than asked
		// costs verifications and nothing else.
		entries, marks = d.resolver.PurgeAll(), []revoke.Mark{{Kind: revoke.KindPurgeAll}}
	case r.NArgs == 2 && kind == string(revoke.KindSubject):
		subject, refused := readID(r.Args[1])
		if refused != nil {
			return reply, nil, refused
		}
		entries = d.resolver.PurgeSubject(p.Name(), subject)
		marks = []revoke.Mark{{Kind: revoke.KindPurgeSubject, Project: p.Name(), Value: subject}}
	case r.NArgs == 2 && kind == string(revoke.KindToken):
		entries, marks = d.resolver.PurgeToken(r.Args[1], d.state.Load().projects.list), resolve.PurgesOf(r.Args[1])
	default:
		return reply, nil, badRequest("takes all, or subject and a value, or token and a token")
	}
	d.opts.Logger.Info("purged", "kind", kind, "project", p.Name(), "named", named)
	d.ended(marks...)
	rest = func(ctx context.Context, reply *protocol.Reply) *refusal {
		return cmp.Or(a.tellPurge(reply, marks), a.settled(ctx))
	}
	return done(protocol.FieldEntries, strconv.FormatInt(entries, 10)), rest, nil
}

func (a *admin) reload(r *protocol.Request) (reply protocol.Reply, rest func(context.Context, *protocol.Reply) *refusal, refused *refusal) {
	if refused := takesNothing(r); refused != nil {
		return reply, nil, refused
	}
	if err := a.daemon.beginReload(); err != nil {
		a.daemon.tellReload(err)
		return reply, nil, &refusal{code: protocol.CodeMisconfigured, advice: err.Error()}
	}
	return done(), func(ctx context.Context, _ *protocol.Reply) *refusal {
		refused := a.settled(ctx)
		a.daemon.tellReload(nil)
		return refused
	}, nil
}

func (a *admin) level(r *protocol.Request) (protocol.Reply, *refusal) {
	var level config.LogLevel
	switch {
	case r.Fields.Len() > 0 || r.NArgs > 1:
		return protocol.Reply{}, badRequest("takes one of debug, info, warn, error, or nothing")
	case r.NArgs == 0:
		level = config.LogLevel(a.daemon.opts.Level.Level())
	case level.UnmarshalText(r.Args[0]) != nil:
		return protocol.Reply{}, badRequest("the level is none of debug, info, warn, error")
	}
	a.daemon.opts.Level.Set(slog.Level(level))
	return done(protocol.FieldLevel, level.String()), nil
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
