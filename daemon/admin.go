package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/protocol"
)

// admin answers the verbs of the admin socket. When its reply is returned, the verb is
// in effect.
type admin struct{ daemon *Daemon }

// answer carries out one admin verb of a caller, and returns its reply or the refusal.
// If the reply has to wait for others, rest is not nil and waits; see serve.Config.
func (a *admin) answer(verb protocol.Verb, r *protocol.Request, by fair.ID) (reply protocol.Reply, rest serve.Rest, refused *serve.Refusal) {
	switch verb {
	case protocol.STATS:
		reply, refused = a.stats(r)
	case protocol.KEYS:
		reply, refused = a.keys(r)
	case protocol.EXPLAIN:
		reply, refused = a.explain(r)
	case protocol.REVOKE:
		return a.revoke(r, by)
	case protocol.UNREVOKE:
		return a.unrevoke(r, by)
	case protocol.REVOCATIONS:
		reply, refused = a.list(r)
	case protocol.PURGE:
		return a.purge(r)
	case protocol.RELOAD:
		return a.reload(r)
	case protocol.LEVEL:
		reply, refused = a.level(r)
	case protocol.FLEET:
		reply, refused = a.fleet(r)
	default:
		refused = &serve.Refusal{Code: protocol.CodeUnknownVerb}
	}
	return reply, nil, refused
}

// object returns an OK reply with a JSON object.
func object(v any) (protocol.Reply, *serve.Refusal) {
	text, err := json.Marshal(v)
	if err != nil || len(text) > protocol.MaxProfile {
		return protocol.Reply{}, &serve.Refusal{Code: protocol.CodeUnavailable, Advice: "the answer does not fit a line"}
	}
	return protocol.Reply{Status: protocol.OK, Rest: text}, nil
}

// projectOf returns the project that the request is about. If the request names none, it
// is the default project, and named is false. Other fields must be in takes.
func (a *admin) projectOf(r *protocol.Request, takes ...string) (p *resolve.Project, named bool, refused *serve.Refusal) {
	projects := a.daemon.projects()
	p = projects.First
	for i := range r.Fields.Len() {
		name, raw := r.Fields.At(i)
		if slices.Contains(takes, string(name)) {
			continue
		}
		if string(name) != protocol.FieldProject {
			return nil, false, serve.BadRequest("unknown field for this verb")
		}
		if p = projects.ByName[string(raw)]; p == nil {
			return nil, false, serve.UnknownProject()
		}
		named = true
	}
	return p, named, nil
}

// keys answers with the key sets in use, of the named project or of all.
func (a *admin) keys(r *protocol.Request) (protocol.Reply, *serve.Refusal) {
	p, named, refused := a.projectOf(r)
	if refused != nil {
		return protocol.Reply{}, refused
	}
	if r.NArgs > 0 {
		return protocol.Reply{}, serve.BadRequest("this verb takes no argument")
	}
	list := []*resolve.Project{p}
	if !named {
		list = a.daemon.projects().List
	}
	var out struct {
		Projects []keysReport `json:"projects"`
	}
	for _, p := range list {
		out.Projects = append(out.Projects, reportKeys(p.State(a.daemon.opts.Now())))
	}
	return object(out)
}

// purge drops cached entries.
func (a *admin) purge(r *protocol.Request) (reply protocol.Reply, rest serve.Rest, refused *serve.Refusal) {
	p, named, refused := a.projectOf(r)
	if refused != nil {
		return reply, nil, refused
	}
	var entries int64
	var marks []revoke.Mark
	kind, d := string(r.Args[0]), a.daemon
	switch {
	case r.NArgs == 1 && kind == "all":
		// The entries of one project are not kept separately. Purging more than asked
		// only costs verifications.
		entries, marks = d.resolver.PurgeAll(), []revoke.Mark{{Kind: revoke.KindPurgeAll}}
	case r.NArgs == 2 && kind == string(revoke.KindSubject):
		subject, refused := readID(r.Args[1])
		switch {
		case refused != nil:
			return reply, nil, refused
		case credential.Contains(subject):
			return reply, nil, errCredential()
		}
		entries = d.resolver.PurgeSubject(p.Name(), subject)
		marks = []revoke.Mark{{Kind: revoke.KindPurgeSubject, Project: p.Name(), Value: subject}}
	case r.NArgs == 2 && kind == string(revoke.KindToken):
		entries, marks = d.resolver.PurgeToken(r.Args[1], d.projects().List), resolve.PurgesOf(r.Args[1])
	default:
		return reply, nil, serve.BadRequest("takes all, or subject and a value, or token and a token")
	}
	d.opts.Logger.Info("purged", "kind", kind, "project", p.Name(), "named", named)
	d.ended(marks...)
	rest = func(ctx context.Context, reply *protocol.Reply) *serve.Refusal {
		return cmp.Or(a.announcePurge(reply, marks), a.settled(ctx))
	}
	return serve.Done(protocol.FieldEntries, strconv.FormatInt(entries, 10)), rest, nil
}

func (a *admin) reload(r *protocol.Request) (reply protocol.Reply, rest serve.Rest, refused *serve.Refusal) {
	if refused := serve.TakesNothing(r); refused != nil {
		return reply, nil, refused
	}
	if err := a.daemon.beginReload(); err != nil {
		a.daemon.tellReload(err)
		return reply, nil, &serve.Refusal{Code: protocol.CodeMisconfigured, Advice: err.Error()}
	}
	return serve.Done(), func(ctx context.Context, _ *protocol.Reply) *serve.Refusal {
		refused := a.settled(ctx)
		a.daemon.tellReload(nil)
		return refused
	}, nil
}

func (a *admin) level(r *protocol.Request) (protocol.Reply, *serve.Refusal) {
	var level config.LogLevel
	switch {
	case r.Fields.Len() > 0 || r.NArgs > 1:
		return protocol.Reply{}, serve.BadRequest("takes one of debug, info, warn, error, or nothing")
	case r.NArgs == 0:
		return serve.Done(protocol.FieldLevel, config.LogLevel(a.daemon.opts.Level.Level()).String()), nil
	case level.UnmarshalText(r.Args[0]) != nil:
		return protocol.Reply{}, serve.BadRequest("the level is none of debug, info, warn, error")
	}
	a.daemon.opts.Level.Set(slog.Level(level))
	return serve.Done(protocol.FieldLevel, level.String()), nil
}
