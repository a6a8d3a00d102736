package serve

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/protocol"
)

// command answers every verb that is not a lookup. It returns false if the connection
// ends.
func (c *conn) command(r *protocol.Request) bool {
	switch verb := protocol.Verb(r.Verb); verb {
	case protocol.LOGOUT:
		c.logout(r)
	case protocol.PING:
		c.simple(r)
	case protocol.HELLO:
		c.hello(r)
	case protocol.QUIT:
		return c.quit(r)
	case protocol.WATCH:
		return c.watch(r)
	case protocol.SEEN:
		c.refuse(r.Tag, BadRequest("SEEN is for a watch; WATCH makes this connection one"))
	default:
		c.administer(verb, r)
	}
	return true
}

// simple answers a verb that takes no arguments and changes nothing. It reports whether it answered OK.
func (c *conn) simple(r *protocol.Request) bool {
	if refused := TakesNothing(r); refused != nil {
		c.refuse(r.Tag, refused)
		return false
	}
	c.line(r.Tag, protocol.Reply{Status: protocol.OK})
	return true
}

// quit answers after all earlier requests. It reports whether the connection goes on, as it does after a QUIT with
// arguments.
func (c *conn) quit(r *protocol.Request) bool {
	if TakesNothing(r) == nil {
		c.out.flush()
		c.pending.Wait()
	}
	return !c.simple(r)
}

// hello answers with what a client needs to know of this daemon.
func (c *conn) hello(r *protocol.Request) {
	version, name, refused := readHello(r)
	if refused != nil {
		c.refuse(r.Tag, refused)
		return
	}
	c.updateTerms()
	var names []string
	for _, p := range c.terms.Projects.List {
		if c.permission.sees(p.Name()) {
			names = append(names, p.Name())
		}
	}
	reply := Done(
		protocol.FieldVersion, c.server.version,
		protocol.FieldProtocol, strconv.Itoa(version),
		protocol.FieldMaxLine, strconv.Itoa(protocol.MaxRequestLine),
		protocol.FieldInFlight, strconv.Itoa(cap(c.slots)),
		protocol.FieldProjects, strings.Join(names, ","),
	)
	c.server.log.Debug("client said hello", "client", name, "uid", c.peer.id.UID)
	c.line(r.Tag, reply)
}

// readHello returns the version to speak, and the client's name.
func readHello(r *protocol.Request) (version int, name string, refused *Refusal) {
	if r.Fields.Len() > 0 || r.NArgs != 2 {
		return 0, "", BadRequest("HELLO takes a version and a client name, and no fields")
	}
	v, err := number(r.Args[0], 1, math.MaxInt64)
	if err != nil {
		return 0, "", BadRequest("the version is not a number from 1 on")
	}
	name, err = protocol.Value(r.Args[1])
	if err != nil || len(name) > protocol.MaxClientName {
		return 0, "", BadRequest("the client name is at most 64 bytes, percent-encoded")
	}
	if credential.Contains(name) { // the log shows it
		return 0, "", BadRequest("the client name has the form of a token or a key; give the program's name")
	}
	return int(min(v, protocol.Version)), name, nil
}

// TakesNothing refuses a request with fields or arguments. It returns nil for one
// without.
func TakesNothing(r *protocol.Request) *Refusal {
	if r.Fields.Len() > 0 || r.NArgs > 0 {
		return BadRequest("this verb takes no fields and no argument")
	}
	return nil
}

// line hands over a reply that is not a verdict.
func (c *conn) line(tag []byte, reply protocol.Reply) {
	reply.Tag = tag
	c.out.reply(nil, &reply)
}

// administer answers a verb of the admin socket.
func (c *conn) administer(verb protocol.Verb, r *protocol.Request) {
	switch {
	case !slices.Contains(protocol.AdminVerbs(), verb):
		c.refuse(r.Tag, &Refusal{Code: protocol.CodeUnknownVerb, Advice: "HELLO tells the version; protocol.md lists its verbs"})
		return
	case !c.admin:
		c.refuse(r.Tag, &Refusal{Code: protocol.CodeForbidden, Advice: "this verb is served on the admin socket only"})
		return
	}
	began := time.Now()
	reply, rest, refused := c.server.admin(verb, r, c.peer.id)
	if rest == nil {
		c.administered(bytes.Clone(r.Tag), nil, &reply, refused)
		c.logAdministered(verb, began, refused)
		return
	}
	c.answerLater(func(tag []byte, place *slot) {
		if later := rest(c.ctx, &reply); refused == nil {
			refused = later
		}
		c.logAdministered(verb, began, refused)
		c.administered(tag, place, &reply, refused)
		c.out.flush()
	})
}

// logout answers LOGOUT: the token is judged, and what it names is ended.
func (c *conn) logout(r *protocol.Request) {
	c.updateTerms()
	l, refused := readLogout(r, &c.terms.Projects)
	if refused == nil {
		if refused = c.permission.refuseProject(l.Project.Name()); refused != nil {
			refused.about = l.Project
		}
	}
	if refused != nil {
		c.refuse(r.Tag, refused)
		return
	}
	l.Asker.ID = c.peer.id
	began := time.Now()
	c.answerLater(func(tag []byte, place *slot) {
		reply, refused := c.server.logout(c.ctx, l)
		c.logLogout(l.Project.Name(), began, &reply, refused)
		c.administered(tag, place, &reply, refused)
		c.out.flush()
	})
}

// readLogout reads a logout token, and the project that the request names or the default one.
func readLogout(r *protocol.Request, projects *resolve.Projects) (*resolve.Lookup, *Refusal) {
	if r.NArgs != 1 {
		return nil, BadRequest("takes one logout token as its argument")
	}
	l := &resolve.Lookup{Project: projects.First, Token: bytes.Clone(r.Args[0])}
	for i := range r.Fields.Len() {
		name, raw := r.Fields.At(i)
		if string(name) != protocol.FieldProject {
			return nil, BadRequest("unknown field for this verb")
		}
		if l.Project = projects.ByName[string(raw)]; l.Project == nil {
			return nil, UnknownProject()
		}
	}
	return l, nil
}

// administered hands over the reply to a verb that is no lookup, or the refusal.
func (c *conn) administered(tag []byte, place *slot, reply *protocol.Reply, refused *Refusal) {
	if refused != nil {
		// With another code of lookups the request was not turned away: what it asked for failed.
		if refused.Code == protocol.CodeBusy || !slices.Contains(LookupCodes(), refused.Code) {
			c.server.counters.Refused.add(refused.Code)
		}
		c.out.refusal(tag, place, refused)
		return
	}
	reply.Tag = tag
	c.out.reply(place, reply)
}

// Done returns an OK reply with fields, given as pairs of name and value. The values
// are this program's own, and always valid in a field.
func Done(pairs ...string) protocol.Reply {
	reply := protocol.Reply{Status: protocol.OK}
	for i := 0; i+1 < len(pairs); i += 2 {
		AddField(&reply, pairs[i], pairs[i+1])
	}
	return reply
}

// Bit is the value of a field that is yes or no: "1" or "0".
func Bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// AddField adds a field with a value of this program's own, which is always valid in a
// field.
func AddField(r *protocol.Reply, name, value string) {
	if err := r.Fields.Add(name, protocol.AppendValue(nil, value)); err != nil {
		panic("reply field " + name + ": " + err.Error())
	}
}
