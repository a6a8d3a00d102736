package serve

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// ask is one checked VERIFY or PROFILE request.
type ask struct {
	question
	deadline time.Duration
	label    []byte // for which of its own users or clients the caller asks (field "for"); nil if it does not say
}

// question is the part of a request that its reply depends on.
type question struct {
	resolve.Lookup
	keeping
	asked time.Time // when the line was read; set only if lookups are logged
}

// Refusal is why a request has no other answer than an error.
type Refusal struct {
	// Code is the reply's code.
	Code protocol.Code
	// RetryAfter is when asking again may help; 0: it does not help.
	RetryAfter time.Duration
	// Advice says what to do next.
	Advice string

	about *resolve.Project // the project that the request is about; nil: not known
}

// BadRequest returns the refusal of a request that the protocol does not allow.
func BadRequest(advice string) *Refusal {
	return &Refusal{Code: protocol.CodeBadRequest, Advice: advice}
}

// reset prepares a for a request at level.
func (a *ask) reset(level resolve.Level) {
	*a = ask{question: question{Lookup: resolve.Lookup{Level: level, MaxAge: -1}}, deadline: resolve.DefaultDeadline}
}

// read reads r's fields and argument into a. projects has the projects by name.
func (a *ask) read(r *protocol.Request, projects *resolve.Projects) *Refusal {
	if r.NArgs != 1 {
		return BadRequest("takes one token as its argument")
	}
	a.Token = r.Args[0]
	a.Project = projects.First
	for i := range r.Fields.Len() {
		name, raw := r.Fields.At(i)
		if refused := a.field(string(name), raw, projects); refused != nil {
			return refused
		}
	}
	if a.Project == nil { // only now, so that faults of the request itself come first
		return UnknownProject()
	}
	return nil
}

// UnknownProject refuses a request that names a project that is not configured.
func UnknownProject() *Refusal {
	return &Refusal{Code: protocol.CodeUnknownProject, Advice: "no such project is configured; HELLO lists them"}
}

func (a *ask) field(name string, raw []byte, projects *resolve.Projects) *Refusal {
	profile := a.Level == resolve.LevelProfile
	var err error
	switch {
	case name == protocol.FieldProject:
		a.Project = projects.ByName[string(raw)]
	case name == protocol.FieldDeadline:
		a.deadline, err = duration(raw, time.Millisecond, 1, protocol.MaxDeadline)
	case name == protocol.FieldHeard:
		a.Heard, err = duration(raw, time.Second, 1, protocol.MaxHeard)
	case name == protocol.FieldMaxAge && profile:
		a.MaxAge, err = duration(raw, time.Second, 0, protocol.MaxMaxAge)
	case name == protocol.FieldFallback && profile:
		a.Fallback = string(raw) == protocol.LevelClaims
		if !a.Fallback {
			err = errors.New("fallback can only be claims")
		}
	case name == protocol.FieldFor:
		if a.label = raw; !isLabel(raw) {
			err = errors.New("for is 1 to 32 letters, digits, \"-\" and \"_\"")
		}
	case name == protocol.FieldKeep:
		if a.keep = string(raw) == "1"; !a.keep {
			err = errors.New("keep can only be 1")
		}
	default:
		err = errors.New("unknown field for this verb")
	}
	if err != nil {
		return BadRequest(err.Error())
	}
	return nil
}

// isLabel reports whether raw is valid as the value of the field "for".
func isLabel(raw []byte) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return len(raw) > 0 && len(raw) <= protocol.MaxFor && len(bytes.TrimLeft(raw, letters)) == 0
}

// duration reads a number of units between least and most.
func duration(raw []byte, unit time.Duration, least, most int64) (time.Duration, error) {
	n, err := number(raw, least, most)
	return time.Duration(n) * unit, err
}

// number reads a number between least and most.
func number(raw []byte, least, most int64) (int64, error) {
	n, err := protocol.Int(raw)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("a number is not a plain decimal from %d to %d", least, most)
	}
	return n, nil
}
