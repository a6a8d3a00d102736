package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// The causes that a caller may want to tell apart. They are wrapped in
// Unknown.Err and in the errors of Ping, Hello and Ask; find them with
// errors.Is.
var (
	// ErrUnreachable: no connection could be made.
	ErrUnreachable = errors.New("daemon is not reachable")
	// ErrBroken: the connection ended before the reply was complete.
	ErrBroken = errors.New("connection broke before the reply was complete")
	// ErrGarbled: the daemon's line is not a reply of this protocol, or does
	// not answer the question that was asked, or it accepts a token that has
	// ended meanwhile.
	ErrGarbled = errors.New("reply is not of the protocol")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("client is closed")
)

// ReplyError is an ERR reply of the daemon: it cannot tell, or the request is
// wrong.
type ReplyError struct {
	Code       protocol.Code
	RetryAfter time.Duration // 0: the daemon did not say
	Text       string        // the daemon's explanation for people, may be empty

	// Project is the project that the question named. Empty: the question named
	// none, or the given text cannot be the name of a project.
	Project string
}

// Error returns the code, the project and the explanation. Foreign text in it
// is quoted and cut.
func (e *ReplyError) Error() string {
	s := "neonauthd: daemon answers " + string(e.Code)
	if e.Project != "" {
		s += " for project " + quoted(e.Project)
	}
	if e.RetryAfter > 0 {
		s += ", retry after " + e.RetryAfter.String()
	}
	if e.Text != "" {
		s += ": " + quoted(e.Text)
	}
	return s
}

// quoted makes foreign text safe for an error: one line, no control bytes, at
// most 128 characters.
func quoted(s string) string { return fmt.Sprintf("%+.128q", s) }

// errNoProject: to send no project would ask about the daemon's first one.
var errNoProject = errors.New("neonauthd: WithProject has an empty name: give the project's name, or leave the option out for Client.Project")

// errTooLong: the request is longer than the daemon reads. The name of a project
// and the arguments of Ask can make it so long; the token of a lookup cannot.
var errTooLong = fmt.Errorf("neonauthd: %w: the request has more than %d bytes: shorten its arguments or the name of the project",
	protocol.ErrLineTooLong, protocol.MaxRequestLine)

// broken wraps only the sentinel: a timeout or EOF in the cause says nothing
// about the context of the call.
func broken(cause error) error { return fmt.Errorf("neonauthd: %w: %s", ErrBroken, cause.Error()) }

func garbled(what string) error { return fmt.Errorf("neonauthd: %w: %s", ErrGarbled, what) }
