package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// The causes a caller may want to tell apart. They stand in Unknown.Err and in
// the errors of Ping, Hello and Ask, wrapped with what was being done.
var (
	// ErrUnreachable: no connection could be made.
	ErrUnreachable = errors.New("daemon is not reachable")
	// ErrBroken: the connection ended before the reply was complete.
	ErrBroken = errors.New("connection broke before the reply was complete")
	// ErrGarbled: what came back is not a reply of this protocol, or not one
	// to the question asked, or it accepts a token that has ended meanwhile.
	ErrGarbled = errors.New("reply is not of the protocol")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("client is closed")
)

// ReplyError is an ERR reply: the daemon was asked, and says that it cannot
// tell or that the request is wrong.
type ReplyError struct {
	Code       protocol.Code
	RetryAfter time.Duration // 0: the daemon did not say
	Text       string        // the daemon's explanation for people, may be empty

	// Project is the one that was named in the question. Empty: none was, or the
	// text that was given cannot be a project's name.
	Project string
}

// Error gives the code, the project and the explanation, quoted and cut.
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

// quoted makes foreign text fit for an error: one line, no control bytes, short.
func quoted(s string) string { return fmt.Sprintf("%+.128q", s) }

// broken is why a connection died. It decides whether a call that hung on it
// may be asked again.
type broken struct {
	cause error
	// idle: the connection had lain unused and brought nothing of a reply, as
	// one does that the daemon closed while nobody was using it.
	idle bool
}

func (b *broken) Error() string {
	return fmt.Sprintf("neonauthd: %v: %v", ErrBroken, b.cause)
}

// Unwrap offers the sentinel only: a timeout or EOF inside is no verdict on
// the call's own context.
func (b *broken) Unwrap() error { return ErrBroken }

// errTooLong: the request exceeds what the daemon reads. Only a project's name
// can make it so long, a token cannot.
var errTooLong = fmt.Errorf("neonauthd: %w", protocol.ErrLineTooLong)

func garbled(what string) error { return fmt.Errorf("neonauthd: %w: %s", ErrGarbled, what) }
