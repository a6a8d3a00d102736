package hooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/webhook"
	"github.com/neonauthd/neonauthd/protocol"
)

// askTimeout is how long the daemon may take for all that follows from a delivery.
// It saves to disk, waits for its clients and up to two seconds for its fleet. With
// what the body may take it is less than the 15 seconds that Svix waits.
const askTimeout = 9 * time.Second

// A daemon that restarts, where no service manager keeps its socket, is waited for:
// so long, and asked so often.
const (
	restartPatience = 2 * time.Second
	restartPause    = 100 * time.Millisecond
)

// deletedReason is what neonauthctl revocations shows of it.
const deletedReason = "user deleted (webhook)"

// reach is on which hosts a change is in force. The zero value is that of a host
// without a fleet.
type reach struct {
	reached, of, silent int64
	blind               bool
}

func (r reach) whole() bool { return !r.blind && r.silent == 0 && r.reached >= r.of }

// worse is what is true of both.
func (r reach) worse(other reach) reach {
	if r.whole() {
		return other
	}
	return r
}

// steerer has the daemon forget and revoke, over its admin socket.
type steerer struct{ client *client.Client }

// follow does what follows from an event. The revocation comes first: it is what
// must not be late. Both are done again when a delivery comes again, which changes
// nothing; so no delivery has to be remembered.
//
// Revoked are the user's tokens issued until now. There will be no later ones: the
// upstream never gives an id to somebody else. What its clock is ahead of ours is
// within the project's leeway, or its tokens would not be accepted.
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

// ready is nil if the daemon answers and has the projects: what is wrong with
// either would else be noticed at the first delivery.
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

// errReply says that the daemon answers what no REVOKE or PURGE is answered.
var errReply = errors.New("the daemon's reply is none to this verb")

// ask has a verb done to a user of a project. It is done, and saved, if there is no
// error.
func (s *steerer) ask(ctx context.Context, project string, verb protocol.Verb, user, reason string) (reach, error) {
	var fields protocol.Fields
	err := fields.Add(protocol.FieldProject, []byte(project))
	if err == nil && reason != "" {
		err = fields.Add(protocol.FieldReason, protocol.AppendValue(nil, reason))
	}
	if err != nil {
		return reach{}, err
	}
	reply, err := s.patiently(ctx, func() (*protocol.Reply, error) {
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

// patiently asks, and asks again where the daemon cannot be reached or was lost
// before it had answered: what was done already is done again without harm.
func (s *steerer) patiently(ctx context.Context, ask func() (*protocol.Reply, error)) (*protocol.Reply, error) {
	waiting, cancel := context.WithTimeout(ctx, restartPatience)
	defer cancel()
	for {
		reply, err := ask()
		if !errors.Is(err, client.ErrUnreachable) && !errors.Is(err, client.ErrBroken) {
			return reply, err
		}
		select {
		case <-waiting.Done():
			return nil, err
		case <-time.After(restartPause):
		}
	}
}

// readReach reads how far a change has come.
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

// advice is what to do about a daemon that has not done it.
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
