package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/advice"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// Exit is an exit code as an error. The error has been reported already, or
// needs no report.
type Exit int

// The exit codes. They are part of the program's interface.
const (
	ExitYes     Exit = 0                 // accepted; done
	ExitNo      Exit = 1                 // rejected: the daemon holds proof
	ExitUsage   Exit = program.ExitUsage // called wrongly
	ExitUnknown Exit = 3                 // could not tell
)

func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Fail reports why a command other than a lookup got no answer, and what to do.
// If the daemon says that the request is wrong, the exit code is ExitUsage.
func (s *Settings) Fail(err error) error { return s.FailAt("", err) }

// FailAt is Fail for a verb of the admin socket, where a code can have another
// meaning.
func (s *Settings) FailAt(verb protocol.Verb, err error) error {
	d := s.FailureAt(verb, err)
	code := ExitUnknown
	if d.Code == string(protocol.CodeBadRequest) {
		code = ExitUsage
	}
	if s.JSON {
		if err := s.PrintJSON(d); err != nil {
			return err
		}
		return code
	}
	fmt.Fprintf(s.Err, "neonauthctl: %s\n", d.Error)
	fmt.Fprintf(s.Err, "  next: %s\n", d.Next)
	return code
}

// FailureAt returns the document for an error of the last client.
func (s *Settings) FailureAt(verb protocol.Verb, err error) document.Failure {
	d := document.Failure{Error: Cause(err)}
	var reply *client.ReplyError
	if errors.As(err, &reply) {
		d.Code, d.RetryAfter, d.Next = string(reply.Code), int64(reply.RetryAfter.Seconds()), s.meantProject(reply.Code, advice.Refused(verb, reply.Code, reply.Text))
		return d
	}
	var advised Advised
	if errors.As(err, &advised) {
		d.Next = advised.Next
		return d
	}
	d.Next = s.NoAnswer(err)
	return d
}

// Advised is an error that is not about the daemon, with what to do next.
type Advised struct {
	Err  error
	Next string
}

func (a Advised) Error() string { return a.Err.Error() }

// Unwrap returns the error.
func (a Advised) Unwrap() error { return a.Err }

// meantProject returns what to do about an unknown project: it asks the daemon
// for the caller's projects and names a similar one. For other codes, or
// without a similar name, it returns otherwise.
func (s *Settings) meantProject(code protocol.Code, otherwise string) string {
	if code != protocol.CodeUnknownProject {
		return otherwise
	}
	c := &client.Client{Socket: s.asked.Path, Timeout: time.Second, Conns: 1, Keep: -1, Name: "neonauthctl"}
	defer c.Close()
	d, err := c.Hello(context.Background())
	if err != nil {
		return otherwise
	}
	return otherwise + nearest.Question(s.Project, d.Projects, "", "")
}

// Unknown returns what to do when nothing was learnt about the token, for this
// code of err.
func (s *Settings) Unknown(code protocol.Code, err error) string {
	var reply *client.ReplyError
	if errors.As(err, &reply) {
		switch code { //nolint:exhaustive // the others have one advice each
		case protocol.CodeForbidden:
			return advice.Forbidden(reply.Text)
		case protocol.CodeUnavailable:
			return advice.Unavailable(reply.Text)
		case protocol.CodeMisconfigured:
			return advice.Misconfigured(reply.Text)
		}
	}
	return s.meantProject(code, advice.Unknown(code))
}

// NoAnswer returns what to do about an error of the last client that is not a
// reply.
func (s *Settings) NoAnswer(err error) string { return advice.NoAnswer(err, s.asked) }

// Cause returns the text of a client's error, without the client's name. The
// daemon's explanation is not cut, because it may name the wrong line of its
// configuration.
func Cause(err error) string {
	var reply *client.ReplyError
	if !errors.As(err, &reply) || reply.Text == "" {
		return strings.TrimPrefix(err.Error(), "neonauthd: ")
	}
	said := client.ReplyError{Code: reply.Code, RetryAfter: reply.RetryAfter}
	return strings.TrimPrefix(said.Error(), "neonauthd: ") + ": " + terminal.Printable(reply.Text)
}
