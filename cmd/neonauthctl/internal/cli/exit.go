package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/advice"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
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
		d.Code, d.RetryAfter, d.Next = string(reply.Code), int64(reply.RetryAfter.Seconds()), advice.Refused(verb, reply.Code)
		return d
	}
	d.Next = s.NoAnswer(err)
	return d
}

// NoAnswer is what to do about an error of the client that was made last, which
// is no reply.
func (s *Settings) NoAnswer(err error) string { return advice.NoAnswer(err, s.asked) }

// Cause is the text of a client's error, without the client's name.
func Cause(err error) string { return strings.TrimPrefix(err.Error(), "neonauthd: ") }
