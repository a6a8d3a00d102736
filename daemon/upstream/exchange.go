package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/transport"
)

// maxErrorBody bounds the body of an answer other than 200. A longer one is no known error.
const maxErrorBody = 16 << 10

// drainTime is how long to wait for the body of an answer that is judged by its head.
const drainTime = 50 * time.Millisecond

// errOverdue is the cause of a context that ended by the Client's own Timeout, and not by its caller's.
var errOverdue = errors.New("the upstream's time is over")

// answer is a response of the upstream, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte // nil if it was too long for an error, or encoded, or if the head decides
	at     instants
}

// within bounds a call as a whole.
func (c *Client) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.limits.Load().Timeout, errOverdue)
}

// get sends one GET request.
func (c *Client) get(ctx context.Context, target string, header http.Header, limit int) (*answer, *Error) {
	return c.send(ctx, http.MethodGet, target, header, nil, limit)
}

// send sends one request. A 200 is read up to limit bytes; what is longer, cut off or encoded is a failure.
// Other answers come back however long their body is: their status and code have to be judged. An answer that is judged
// by its head alone comes back whatever happens to its body, so that a Retry-After counts even if the rest is lost.
//
// It ends with ctx, whatever the other side sends.
func (c *Client) send(ctx context.Context, method, target string, header http.Header, content []byte, limit int) (*answer, *Error) {
	began := c.config.Now()
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(content))
	if err != nil {
		return nil, &Error{Meaning: Misconfigured, Local: true, detail: "the URL cannot be asked"}
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("User-Agent", c.config.UserAgent)
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	// Nothing is decoded here, so nothing that unfolds to gigabytes may be sent.
	request.Header.Set("Accept-Encoding", "identity")
	client := c.http.Load()
	defer c.retire(client) // after the body was closed
	response, err := client.Do(request)
	if err != nil {
		return nil, c.exchangeFailure(ctx, began, err)
	}
	// A body within its limit is read to its end, so the connection can be used again. A longer one costs the
	// connection: reading on for its sake would let a body that never ends hold up the answer.
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusSwitchingProtocols {
		// The body is now the bare connection, and reading from it would not end with ctx.
		return nil, unusable(response.StatusCode, "the connection changes to another protocol, though nothing asked for that")
	}
	got := &answer{status: response.StatusCode, header: response.Header, at: c.heed(response.Header, began)}
	if headDecides(got.status) {
		drain(response.Body)
		return got, nil
	}
	ok := got.status == http.StatusOK
	if !ok {
		limit = maxErrorBody
	}
	encoded := isEncoded(response.Header)
	if ok && encoded {
		return nil, unusable(got.status, "the body is compressed, though nothing asked for that")
	}
	body, err := readBody(response, limit)
	switch {
	case err == nil && !encoded:
		got.body = body
	case err == nil:
	case !errors.Is(err, errTooLong):
		return nil, c.paced(got, c.exchangeFailure(ctx, began, err))
	case ok:
		e := unusable(got.status, fmt.Sprintf("the body has more than %d bytes", limit))
		e.ofOne = limit == MaxProfileBody && isJSON(got.header) // users write parts of their profiles
		return nil, e
	}
	return got, nil
}

// headDecides reports whether judgeStatus judges the status, or there is no body with it.
func headDecides(status int) bool {
	switch status {
	case http.StatusOK:
		return false
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status < 400 || status >= 500
}

// drain reads a body to its end, so that the connection can be used again, if the body is short and comes at once.
func drain(body io.ReadCloser) {
	late := time.AfterFunc(drainTime, func() { _ = body.Close() })
	defer late.Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(body, maxErrorBody+1))
}

// errTooLong is what readBody returns for a body over its limit.
var errTooLong = errors.New("body too long")

// readBody reads a body of at most limit bytes. One byte more is read to tell a body at the limit from a longer one.
func readBody(response *http.Response, limit int) ([]byte, error) {
	if response.ContentLength > int64(limit) {
		return nil, errTooLong
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(body) > limit {
		return nil, errTooLong
	}
	return body, nil
}

// isEncoded reports whether the body is anything but the plain bytes (RFC 9110 section 8.4).
func isEncoded(header http.Header) bool {
	for _, value := range header.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return true
			}
		}
	}
	return false
}

// mediaType returns the body's type in lower case, without parameters; empty if there is none that can be read.
func mediaType(header http.Header) string {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return kind
}

// isJSON reports whether the body claims to be JSON: application/json, or a type with the suffix +json
// (RFC 6839), such as application/jwk-set+json.
func isJSON(header http.Header) bool {
	kind := mediaType(header)
	return kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")
}

// exchangeFailure turns an error of the HTTP client into ours. If a caller gives up, this says nothing about the
// upstream, unless the upstream has had half of its time: a flight whose deadline is about as long as ours must not
// hide a dead upstream from the circuit.
func (c *Client) exchangeFailure(ctx context.Context, began time.Time, err error) *Error {
	switch {
	case transport.NeedsOperator(err):
		return &Error{Meaning: Misconfigured, detail: transport.Phrase(err)}
	case ctx.Err() == nil:
		return &Error{detail: c.phrase(err), err: sentinel(err), outcome: failed}
	case errors.Is(context.Cause(ctx), errOverdue):
		return &Error{detail: "no answer in time", err: context.DeadlineExceeded, outcome: failed}
	}
	e := abandoned(ctx)
	if errors.Is(e.err, context.DeadlineExceeded) && clock.Awake(began, c.config.Now()) >= c.limits.Load().Timeout/2 {
		e.outcome = failed
	}
	return e
}

// phrase describes an error of the HTTP client, and says whether it happened behind a proxy or at the proxy.
func (c *Client) phrase(err error) string {
	text := transport.Phrase(err)
	var proxy *transport.ProxyError
	if at, _ := c.Proxy(); at != "" && !errors.As(err, &proxy) {
		text += ", through the proxy"
	}
	return text
}

// sentinel returns the error that callers may test err for: context.Canceled, context.DeadlineExceeded or nil.
func sentinel(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	}
	return nil
}

// abandoned is the failure of a call whose caller gave up.
func abandoned(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{detail: "the caller's deadline is over", err: context.DeadlineExceeded, outcome: silent}
	}
	return &Error{detail: "the caller gave up", err: context.Canceled, outcome: silent}
}

// unusable is the failure of an answer that does not hold what it should: something went wrong on the way, or only with
// this user. It does not count against the upstream as a whole, unless several users in a row get such answers (see
// unfit). The operator has to hear of it, because it may stay so for this user for ever.
func unusable(status int, detail string) *Error {
	return &Error{Meaning: Unavailable, Status: status, detail: detail, loud: true}
}
