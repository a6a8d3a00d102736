package hooks

import (
	"context"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/internal/program"
)

// complaintInterval is the shortest time between two log lines of one kind. Anybody can
// cause such lines.
const complaintInterval = 10 * time.Second

// complain logs what goes wrong with deliveries, each kind once in complaintInterval.
func (s *Service) complain(level slog.Level, message string, is result, attrs ...slog.Attr) {
	s.log.LogAttrs(context.Background(), level, message, append(attrs, program.Every(complaintInterval, string(is)))...)
}

// tell logs the result of a delivery. For a signed delivery the line has its id, by which
// the sender's dashboard finds it. No line has data of a user.
func (s *Service) tell(d *delivery, is result) {
	if d.project == nil {
		return // somebody tries paths; the metrics count this
	}
	project := slog.String("project", d.project.name)
	event, id := slog.String("event", string(d.event.Kind)), slog.String("id", d.envelope.ID)
	switch is {
	case done:
		s.log.LogAttrs(context.Background(), slog.LevelInfo, "a webhook was followed", project, event, id)
	case partly:
		s.complain(slog.LevelWarn, "a webhook was followed on this host, and other hosts of the fleet are told as soon as they can be: see neonauthctl fleet", is, project, event, id,
			slog.Int64("reached", d.reach.reached), slog.Int64("of", d.reach.of), slog.Int64("silent", d.reach.silent), slog.Bool("blind", d.reach.blind))
	case unavailable:
		s.complain(slog.LevelError, "a webhook was not followed, and the sender will try again: "+advice(d.err), is, project, event, id, slog.Any("error", d.err))
	case badSignature:
		s.complain(slog.LevelWarn, "a delivery is signed with none of the project's secrets: if it is the sender's, take the signing secret of this endpoint from its dashboard", is, project)
	case badTime:
		s.complain(slog.LevelWarn, "a delivery is refused because its time is more than 5 minutes away from this host's clock: if it is the sender's, the clock of one of the two is wrong", is, project,
			slog.Int64("seconds", int64(s.now().Sub(d.envelope.At)/time.Second)))
	case badBody:
		s.complain(slog.LevelWarn, "a delivery is signed, and its body cannot be read as an event: what it says is not followed", is, project, id)
	case badHeaders, tooLarge, unread, busy, badMethod:
		s.complain(slog.LevelWarn, "a delivery is refused", is, project, slog.String("because", string(is)))
	case ignored, noProject, fault:
	}
}
