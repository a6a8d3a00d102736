package cli

import (
	"errors"
	"fmt"

	"github.com/neonauthd/neonauthd/client"
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

// Fail reports why a command other than a lookup got no answer. That the
// daemon finds the request itself wrong is a mistake of usage.
func (s *Settings) Fail(err error) error {
	code := ExitUnknown
	var reply *client.ReplyError
	if errors.As(err, &reply) && reply.Code == protocol.CodeBadRequest {
		code = ExitUsage
	}
	if s.JSON {
		if err := s.PrintJSON(FailureOf(err)); err != nil {
			return err
		}
		return code
	}
	fmt.Fprintf(s.Err, "neonauthctl: %v\n", err)
	return code
}

// FailureOf is the document of an error.
func FailureOf(err error) document.Failure {
	d := document.Failure{Error: err.Error()}
	var reply *client.ReplyError
	if errors.As(err, &reply) {
		d.Code, d.RetryAfter = string(reply.Code), int64(reply.RetryAfter.Seconds())
	}
	return d
}
