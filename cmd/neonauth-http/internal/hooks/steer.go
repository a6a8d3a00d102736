package hooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/retry"
	"github.com/neonauthd/neonauthd/internal/webhook"
	"github.com/neonauthd/neonauthd/protocol"
)

// askTimeout is how long the daemon may take for one delivery. The daemon saves to disk,
// waits for its clients, and waits up to two seconds for its fleet. askTimeout and
// readTimeout together are less than the 15 seconds that Svix waits.
const askTimeout = 9 * time.Second

// While a daemon restarts, and no service manager keeps its socket open, a question is
// repeated after each restartPause, for restartWait at most.
const (
	restartWait  = 2 * time.Second
	restartPause = 100 * time.Millisecond
)

// deletedReason is the reason that "neonauthctl revocations" shows.
const deletedReason = "user deleted (webhook)"

// reach says on which hosts of the fleet a change is in force. The zero value is for a host
// without a fleet.
type reach struct {
	reached, of, silent int64
	blind               bool
}

func (r reach) whole() bool { return !r.blind && r.silent == 0 && r.reached >= r.of }

// worse returns the one of the two that has not reached all hosts, if there is one.
func (r reach) worse(other reach) reach {
	if r.whole() {
		return other
	}
	return r
}

// steerer sends PURGE and REVOKE to the daemon, over its admin socket.
type steerer struct{ client *client.Client }

// follow has the daemon revoke and forget what the event says. The revocation comes first,
// because it is urgent. If the same delivery comes again, both are repeated, which changes
// nothing. So no delivery has to be remembered.
//
// REVOKE covers the tokens of the user that were issued until now. There will be no later
// ones, since the upstream gives an id to one user only. If the upstream's clock is ahead,
// the difference is within the project's leeway: otherwise its tokens are not accepted.
func (s *steerer) follow(ctx context.Context, project string, event webhook.Event) (reach, error) {
	var r reach
	if event.Kind == webhook.UserDeleted {
		var err error
		if r, err = s.ask(ctx, project, protocol.REVOKE, event.User, deletedReason); err != nil {
			return r, err
		}
	}
	purged, err := s.ask(ctx, project, protocol.PURGE, event.User, "")
	return r.worse(purged), err
}

// ready returns an error if the daemon does not answer or lacks one of the projects. It is
// for the start: otherwise the first delivery would show this.
func (s *steerer) ready(ctx context.Context, projects []string) error {
	daemon, err := s.client.Hello(ctx)
	if err != nil {
		return fmt.Errorf("the daemon's admin socket does not answer: %w", err)
	}
	for _, name := range projects {
		if !slices.Contains(daemon.Projects, name) {
			return fmt.Errorf("the daemon has no project %s, whose webhooks are to come here; it has %s", name, strings.Join(daemon.Projects, ", "))
		}
	}
	return nil
}

// errReply means that the daemon's reply is not a reply to REVOKE or PURGE.
var errReply = errors.New("the daemon's reply is none to this verb")

// ask sends a verb about a user of a project. If it returns no error, the daemon has
// carried it out and saved it.
func (s *steerer) ask(ctx context.Context, project string, verb protocol.Verb, user, reason string) (reach, error) {
	var fields protocol.Fields
	err := fields.Add(protocol.FieldProject, []byte(project))
	if err == nil && reason != "" {
		err = fields.Add(protocol.FieldReason, protocol.AppendValue(nil, reason))
	}
	if err != nil {
		return reach{}, err
	}
	reply, err := s.acrossRestart(ctx, func() (*protocol.Reply, error) {
		return s.client.AskWith(ctx, verb, &fields, "subject", string(protocol.AppendValue(nil, user)))
	})
	if err != nil {
		return reach{}, err
	}
	if _, ok := reply.Fields.Get(protocol.FieldEntries); reply.Status != protocol.OK || !ok {
		return reach{}, errReply
	}
	return readReach(reply), nil
}

// acrossRestart asks again if the daemon cannot be reached or ends before it answers. The verbs
// can be repeated without harm.
func (s *steerer) acrossRestart(ctx context.Context, ask func() (*protocol.Reply, error)) (*protocol.Reply, error) {
	waiting, cancel := context.WithTimeout(ctx, restartWait)
	defer cancel()
	return retry.Ask(waiting, restartPause, ask)
}

// readReach reads from a reply on which hosts the change is in force.
func readReach(reply *protocol.Reply) reach {
	number := func(name string) int64 {
		raw, _ := reply.Fields.Get(name)
		n, err := protocol.Int(raw)
		if err != nil {
			return 0 // no fleet
		}
		return n
	}
	fleet, _ := reply.Fields.Get(protocol.FieldFleet)
	return reach{
		reached: number(protocol.FieldReached), of: number(protocol.FieldOf), silent: number(protocol.FieldSilent),
		blind: string(fleet) == protocol.FleetBlind,
	}
}

// advice tells the operator what to do about an error of the daemon.
func advice(err error) string {
	var reply *client.ReplyError
	if !errors.As(err, &reply) {
		return "see that neonauthd runs, that --admin-socket is its admin socket, and that this user may open it"
	}
	switch reply.Code {
	case protocol.CodeUnknownProject:
		return "the daemon has no project of this name: give it the name that it has in neonauthd.toml"
	case protocol.CodeUnknownVerb, protocol.CodeForbidden:
		return "--admin-socket must be the daemon's admin socket, not the one for applications"
	case protocol.CodeUnavailable:
		return "it is in force, but not saved: mend the daemon's state directory"
	default:
		return "the sender tries again"
	}
}
