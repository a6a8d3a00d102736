package authrequest

import (
	"time"

	"github.com/neonauthd/neonauthd/internal/accesslog"
)

// accessLine is a line of the access log. It holds nothing that a visitor sent:
// no path, no address, no token, and of the user a hash.
type accessLine struct {
	Time     string  `json:"time"` // when the request was read
	Dialect  string  `json:"dialect"`
	Level    string  `json:"level,omitempty"`
	Project  string  `json:"project,omitempty"` // the daemon's word, else what was asked for
	Outcome  string  `json:"outcome"`
	Reason   string  `json:"reason,omitempty"`
	Source   string  `json:"source,omitempty"`
	Subject  string  `json:"subject,omitempty"`
	Status   int     `json:"status"`
	Duration float64 `json:"duration"` // seconds
}

// record writes a line about a request, where somebody wants it.
func (s *Service) record(began time.Time, took time.Duration, d *dialect, want *requirement, f *finding) {
	if s.access == nil {
		return
	}
	line := accessLine{
		Time: began.UTC().Format(time.RFC3339Nano), Dialect: d.name, Project: want.project, Outcome: f.outcome.String(), Reason: f.reason,
		Status: f.status(d), Duration: took.Seconds(),
	}
	if want.level != 0 {
		line.Level = want.level.String()
	}
	if a := f.answer; a != nil {
		line.Project, line.Source, line.Subject = a.Project, a.Source.String(), accesslog.Subject(a.Subject)
	}
	s.access.Write(line)
}
