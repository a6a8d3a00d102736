package protocol

// SyntaxError is an error in a line, a value or a number. Its text is one of a few fixed sentences, holds nothing of
// the parsed bytes, and can be sent as the text of ERR bad-request.
type SyntaxError string

// Error returns the sentence.
func (e SyntaxError) Error() string { return string(e) }

// ErrLineTooLong is returned for a line longer than its limit. For a request it becomes ERR line-too-long, after which
// the connection ends, because the start of the next line is not known.
const ErrLineTooLong SyntaxError = "line too long"

const (
	errTag       SyntaxError = "bad tag"
	errTagAlone  SyntaxError = "nothing after the tag"
	errEmpty     SyntaxError = "empty line"
	errSpace     SyntaxError = "words must be separated by single spaces"
	errByte      SyntaxError = "byte outside visible ASCII"
	errVerb      SyntaxError = "a verb is 1 to 32 upper-case letters"
	errName      SyntaxError = "bad field name"
	errValue     SyntaxError = "field value is not canonically percent-encoded"
	errDuplicate SyntaxError = "field given twice"
	errFields    SyntaxError = "too many fields"
	errArguments SyntaxError = "too many arguments"
	errStatus    SyntaxError = "a reply begins with OK, NO or ERR"
	errWord      SyntaxError = "NO and ERR need a reason or code"
	errRest      SyntaxError = "rest is not one line of UTF-8"
	errNumber    SyntaxError = "not a canonical decimal number"
	errHandles   SyntaxError = "not a list of handles"
	errRevision  SyntaxError = "not a revision"
)
