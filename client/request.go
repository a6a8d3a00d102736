package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/protocol"
)

// Ping asks whether the daemon answers at all. A nil error says that it does.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.Ask(ctx, protocol.PING)
	return err
}

// Daemon is what a daemon says about itself in the reply to Hello.
type Daemon struct {
	Version  string   // its release
	Protocol int      // the protocol version that it speaks
	MaxLine  int      // the longest request line in bytes, line end included
	InFlight int      // how many requests of one connection it works on at a time
	Projects []string // the projects that this program may ask about, the default one first
}

// Hello sends this program's Name to the daemon, and returns what the daemon
// says about itself. Lookups do not need it.
func (c *Client) Hello(ctx context.Context) (Daemon, error) {
	name := cmp.Or(c.Name, DefaultName)
	if len(name) > protocol.MaxClientName {
		return Daemon{}, fmt.Errorf("neonauthd: client name has %d bytes, more than %d", len(name), protocol.MaxClientName)
	}
	r, err := c.Ask(ctx, protocol.HELLO, strconv.Itoa(protocol.Version), string(protocol.AppendValue(nil, name)))
	if err != nil {
		return Daemon{}, err
	}
	f := fieldReader{fields: &r.Fields}
	d := Daemon{
		Version:  f.text(protocol.FieldVersion),
		Protocol: int(f.number(protocol.FieldProtocol)),
		MaxLine:  int(f.number(protocol.FieldMaxLine)),
		InFlight: int(f.number(protocol.FieldInFlight)),
	}
	d.Projects = strings.FieldsFunc(f.text(protocol.FieldProjects), func(r rune) bool { return r == ',' })
	if f.bad != "" {
		return Daemon{}, garbled("field " + f.bad)
	}
	return d, nil
}

// Ask sends any request but a lookup: LOGOUT with a logout token, or a verb of
// the admin socket if Socket is the path of that socket. The arguments are sent
// as they stand. Each must be one word of visible ASCII; protocol.AppendValue
// encodes any value as such a word. For any other argument Ask returns an error
// that does not repeat the argument. With the verbs that take a project, Ask
// sends the Client's Project. It refuses WATCH, SEEN and QUIT, because the
// Client opens and ends its connections and watches itself.
//
// An ERR reply is returned as an error, a *ReplyError. A NO reply is returned
// as a reply: see its Status. The caller may keep the reply.
func (c *Client) Ask(ctx context.Context, verb protocol.Verb, args ...string) (*protocol.Reply, error) {
	return c.AskWith(ctx, verb, nil, args...)
}

// AskWith is Ask with more fields; nil: none. They go before the arguments,
// beside the Client's Project.
func (c *Client) AskWith(ctx context.Context, verb protocol.Verb, fields *protocol.Fields, args ...string) (*protocol.Reply, error) {
	if len(args) > protocol.MaxArguments {
		return nil, fmt.Errorf("neonauthd: %d arguments, more than %d", len(args), protocol.MaxArguments)
	}
	q := question{verb: verb}
	switch verb {
	case protocol.VERIFY, protocol.PROFILE:
		return nil, errors.New("neonauthd: Ask is not for lookups: use Verify or Profile")
	case protocol.WATCH, protocol.SEEN, protocol.QUIT: // the next question on the connection would get no reply of its own
		return nil, fmt.Errorf("neonauthd: Ask does not send %s: the Client opens and ends its connections and watches itself", verb)
	case protocol.KEYS, protocol.EXPLAIN, protocol.REVOKE, protocol.UNREVOKE, protocol.PURGE, protocol.REVOCATIONS, protocol.LOGOUT:
		q.wishes[optProject] = WithProject(c.Project)
	default: // the other verbs take no project
	}
	for i := 0; fields != nil && i < fields.Len(); i++ {
		name, value := fields.At(i)
		q.words = fmt.Appendf(q.words, " %s=%s", name, value)
	}
	for i, a := range args {
		first := "X"[:min(i, 1)] // only the first argument could be taken for a field
		if a == "" || !protocol.ValidWord([]byte(first+a)) {
			return nil, fmt.Errorf("neonauthd: argument %d cannot stand on a request line", i+1)
		}
		q.words = append(append(q.words, ' '), a...)
	}
	line, err := c.ask(ctx, &q)
	if err != nil {
		return nil, err
	}
	r := new(protocol.Reply)
	if err := protocol.ParseReply(line, r); err != nil {
		return nil, garbled(err.Error())
	}
	if r.Status == protocol.ERR {
		// Before another argument stands the kind, such as "token": a word that the daemon's texts have too.
		return nil, replyError(r, q.wishes.project(), args[max(0, len(args)-1):]...)
	}
	return r, nil
}
