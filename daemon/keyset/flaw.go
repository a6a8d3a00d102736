package keyset

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/neonauthd/neonauthd/internal/foreign"
	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// flaw is what is wrong with one member of a header or payload. Names of members
// and their kinds are no secrets; their values are, and stay out.
type flaw struct {
	member string // foreign text
	what   string // a phrase of this package, with the member as its subject
}

// Error is for explanations only: it names the member.
func (f *flaw) Error() string { return foreign.Quoted(f.member, maxQuoted) + " " + f.what }

// maxQuoted bounds how much of a member's name is repeated.
const maxQuoted = 64

// detail is a phrase that says what the error is about and which member it
// concerns; empty if there is no error.
func detail(err error) string {
	var fault *strictjson.Fault
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &fault):
		return err.Error()
	case fault.Member != "":
		return fault.What + ", at " + foreign.Quoted(fault.Member, maxQuoted)
	default:
		return fault.What
	}
}

// gateFlaw says why Gate refuses a token, nil if it does not.
func gateFlaw(token []byte) error {
	switch dots := bytes.Count(token, []byte{'.'}); {
	case Gate(token):
		return nil
	case len(token) < minToken || len(token) > MaxToken:
		return fmt.Errorf("%d bytes, and a token has %d to %d", len(token), minToken, MaxToken)
	case dots != 2:
		return fmt.Errorf("dots: %d, and a token has two", dots)
	}
	header, payload, signature := segments(token)
	for i, segment := range [][]byte{header, payload, signature} {
		if !canonical(segment) {
			return errors.New("the " + [...]string{"first", "second", "third"}[i] + " part is not base64url, or has unused bits that are set")
		}
	}
	return nil
}
