package authrequest

import (
	"time"

	"github.com/neonauthd/neonauthd/internal/accesslog"
)

// Record makes the Service write a line about each request to a destination, as
// package accesslog defines it; "": no lines. Without a key, the hashes of
// users are only comparable within this run. Call Record before the first
// request.
func (s *Service) Record(destination string, key accesslog.Key) (err error) {
	if destination != "" && key == nil {
		key = accesslog.NewKey()
		s.log.Warn("access log: the hash of a user changes with each start; give this program the credential " + accesslog.KeyCredential + " to keep it")
	}
	s.access, err = accesslog.New(accesslog.Options{Destination: destination, Key: key, Program: "neonauth-http", Logger: s.log})
	return err
}

// UnsafeLog returns why the access log would be refused now; nil if it would
// not.
func (s *Service) UnsafeLog() error { return s.access.Unsafe() }

// Reopen opens the file of the access log again, after it was moved.
func (s *Service) Reopen() { s.access.Reopen() }

// record writes a line about a request, if there is an access log. The line
// contains nothing that a visitor sent: no path, no address, no token, and only
// a hash of the user.
func (s *Service) record(began time.Time, took time.Duration, d *dialect, want *requirement, f *finding) {
	if s.access == nil {
		return
	}
	line := accesslog.Line{
		Time: began, Dialect: d.name, Project: want.project, Outcome: f.outcome.String(), Reason: f.reason,
		Status: f.status(d), Duration: accesslog.Seconds(took),
	}
	if want.level != 0 {
		line.Level = want.level.String()
	}
	if a := f.answer; a != nil {
		line.Project, line.Source, line.Subject = a.Project, a.Source.String(), a.Subject
	}
	s.access.Write(line)
}
