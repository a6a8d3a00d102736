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

// Exit is an error that has been reported already, or needs no report, and is
// now an exit code only.
type Exit int

// The exit codes, which are part of the program's interface.
const (
	ExitYes     Exit = 0                 // accepted; done
	ExitNo      Exit = 1                 // rejected: the daemon holds proof
	ExitUsage   Exit = program.ExitUsage // called wrongly
	ExitUnknown Exit = 3                 // could not tell
)

func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Fail reports why a command other than a lookup got no answer, and what to do.
// That the daemon finds the request itself wrong is a mistake of usage.
func (s *Settings) Fail(err error) error { return s.FailAt("", err) }

// FailAt is Fail of a verb of the admin socket, for which a code can have a meaning
// of its own.
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

// FailureAt is the document of an error of the client that was made last.
func (s *Settings) FailureAt(verb protocol.Verb, err error) document.Failure {
	d := document.Failure{Error: Cause(err)}
	var reply *client.ReplyError
	if errors.As(err, &reply) {
		d.Code, d.RetryAfter, d.Next = string(reply.Code), int64(reply.RetryAfter.Seconds()), s.meantProject(reply.Code, advice.Refused(verb, reply.Code))
		return d
	}
	d.Next = s.NoAnswer(err)
	return d
}

// meantProject is what to do about an unknown project: the daemon that was asked
// is asked once more, for the projects that there are for this caller. For other
// codes, and where none is like the one that was named, it is otherwise.
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

// Unknown is what to do when nothing was learnt of a token, for that code.
func (s *Settings) Unknown(code protocol.Code) string {
	return s.meantProject(code, advice.Unknown(code))
}

// NoAnswer is what to do about an error of the client that was made last, which
// is no reply.
func (s *Settings) NoAnswer(err error) string { return advice.NoAnswer(err, s.asked) }

// Cause is the text of a client's error, without the client's name. What the daemon
// says is whole: which line of its configuration is wrong, for one thing.
func Cause(err error) string {
	var reply *client.ReplyError
	if !errors.As(err, &reply) || reply.Text == "" {
		return strings.TrimPrefix(err.Error(), "neonauthd: ")
	}
	said := client.ReplyError{Code: reply.Code, RetryAfter: reply.RetryAfter}
	return strings.TrimPrefix(said.Error(), "neonauthd: ") + ": " + terminal.Printable(reply.Text)
}
