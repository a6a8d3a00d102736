package client

import "github.com/neonauthd/neonauthd/protocol"

// askable tells whether the token can stand on a request line. One that cannot
// is malformed beyond doubt: no kind of token is empty, has blanks, control
// bytes or other than ASCII in it, or is longer than the protocol's cap.
// Sending it could only do harm: "x project=other" would be a second argument
// and "project=other" a field of the request.
func askable(token string) bool {
	return len(token) <= protocol.MaxToken && protocol.ValidWord([]byte(token))
}
