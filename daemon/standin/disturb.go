package standin

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/distort"
	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/serving"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
	"github.com/neonauthd/neonauthd/internal/pause"
)

// Defaults of [Fault.Size] and [Fault.Interval], and the piece that long answers are written in.
const (
	hugeSize    = 64 << 20
	bombSize    = 1 << 30
	headersSize = 16 << 20
	paddedSize  = 300_000
	dripPause   = 100 * time.Millisecond
	pieceSize   = 32 << 10
	bombMember  = 1 << 20
)

// disturb answers a request under a fault.
func (s *Standin) disturb(w http.ResponseWriter, r *http.Request, e Endpoint, f Fault, genuine http.HandlerFunc) {
	if !late(r, f) {
		s.abort(w, false)
		return
	}
	extend(w)
	switch f.Kind {
	case Hang:
		<-r.Context().Done()
		s.abort(w, false)
	case Reset:
		s.abort(w, true)
	case EndlessHeaders:
		s.endlessHeaders(w, r, sizeOr(f.Size, headersSize))
	case Huge:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, `{"keys":[`)
		repeat(w, r, []byte(strings.Repeat(" ", pieceSize)), sizeOr(f.Size, hugeSize))
	case GzipBomb:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Encoding", "gzip")
		piece := gzipSpaces()
		repeat(w, r, piece, sizeOr(f.Size, bombSize)/bombMember*int64(len(piece)))
	case Status, KnownError, Wrapped, Answer, Redirect, Garbage:
		s.replace(w, r, e, f)
	case Truncate, Drip, EmptyKeys, OddKeys, OtherUser, PadProfile:
		s.distort(w, r, f, genuine)
	default:
		genuine(w, r)
	}
}

// late lets the fault's time pass; false means that the caller or the server is gone.
func late(r *http.Request, f Fault) bool {
	if f.Latency > 0 && !pause.For(r.Context(), f.Latency) {
		return false
	}
	if f.Until != nil {
		select {
		case <-f.Until:
		case <-r.Context().Done():
			return false
		}
	}
	return true
}

// extend gives the rest of an answer the server's full time again.
func extend(w http.ResponseWriter) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(serving.WriteTimeout)) // fails without a connection, and is then not needed
}

// abort ends the connection without an answer: with a reset, or by closing it.
func (s *Standin) abort(w http.ResponseWriter, reset bool) {
	s.hijacked.Add(1)
	defer s.hijacked.Done()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		tcp.SetLinger(0) // closing then sends RST (tcp(7), SO_LINGER)
	}
	conn.Close()
}

func (s *Standin) endlessHeaders(w http.ResponseWriter, r *http.Request, size int64) {
	s.hijacked.Add(1)
	defer s.hijacked.Done()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(serving.WriteTimeout))
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
	repeat(conn, r, []byte("X-Padding: "+strings.Repeat("x", 1000)+"\r\n"), size)
}

// repeat writes a piece again and again, about size bytes in all, while the caller is there.
func repeat(w io.Writer, r *http.Request, piece []byte, size int64) {
	for ; size > 0 && r.Context().Err() == nil; size -= int64(len(piece)) {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// gzipSpaces is one member of a gzip stream (RFC 1952); members may be strung together, so a bomb of any
// size needs one small compression only.
func gzipSpaces() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(bytes.Repeat([]byte(" "), bombMember))
	z.Close()
	return b.Bytes()
}

// replace answers without regard to the genuine answer.
func (s *Standin) replace(w http.ResponseWriter, r *http.Request, e Endpoint, f Fault) {
	code := f.Code
	fallback(&code, func() string { return "UNPARSABLE_ACCESS_TOKEN" })
	switch f.Kind {
	case KnownError:
		stackauth.Example(code, s.options.ProjectID, s.now()).Write(w, r)
	case Wrapped:
		stackauth.SetHeaders(w)
		stackauth.Example(code, s.options.ProjectID, s.now()).WriteWrapped(w)
	case Redirect:
		w.Header().Set("Location", f.Location)
		w.WriteHeader(int(sizeOr(int64(f.Status), http.StatusFound)))
	case Garbage:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>Sign in</title><h1>Sign in to the network</h1>\n")
	case Answer:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		w.WriteHeader(int(sizeOr(int64(f.Status), http.StatusOK)))
		io.WriteString(w, f.Body)
	default:
		writeStatus(w, e, f)
	}
}

// writeStatus is a bare status as the upstream of the endpoint, or its platform, sends it.
func writeStatus(w http.ResponseWriter, e Endpoint, f Fault) {
	status := int(sizeOr(int64(f.Status), http.StatusServiceUnavailable))
	neon := e == GetSession || e == NeonKeys || e == Introspection
	kind, body := "text/html", fmt.Sprintf("<h1>%d</h1>", status)
	switch {
	case status == http.StatusTooManyRequests && neon:
		kind, body = "text/plain;charset=UTF-8", `{"message":"Too many requests. Please try again later."}`
	case status == http.StatusTooManyRequests:
		kind, body = "application/json; charset=utf-8", `{"message":"Too many requests"}`
	case status == http.StatusInternalServerError && neon:
		kind, body = "application/json", `{"code":"FAILED_TO_GET_SESSION","message":"Failed to get session"}`
	case status >= 500 && (e == Me || e == StackKeys):
		id := stackauth.SetHeaders(w)
		kind, body = "text/plain; charset=utf-8", stackauth.InternalErrorText(id)
	}
	w.Header().Set("Content-Type", kind)
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.XRetryAfter != "" {
		w.Header().Set("X-Retry-After", f.XRetryAfter)
	}
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// distort changes the genuine answer.
func (s *Standin) distort(w http.ResponseWriter, r *http.Request, f Fault, genuine http.HandlerFunc) {
	answer := &recorder{header: w.Header(), status: http.StatusOK}
	r = r.Clone(r.Context())
	r.Header.Del("If-None-Match") // otherwise a caller that has the genuine answer would not see the fault
	genuine(answer, r)
	w.Header().Del("ETag")
	body := answer.body.Bytes()
	if answer.status == http.StatusOK {
		body = changeBody(body, f)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.status)
	switch f.Kind {
	case Truncate:
		w.Write(body[:len(body)/2]) // the server closes the connection, since bytes are missing
	case Drip:
		drip(w, r, body, time.Duration(sizeOr(int64(f.Interval), int64(dripPause))))
	default:
		w.Write(body)
	}
}

func drip(w http.ResponseWriter, r *http.Request, body []byte, interval time.Duration) {
	control := http.NewResponseController(w)
	for i := range body {
		extend(w)
		if _, err := w.Write(body[i : i+1]); err != nil || control.Flush() != nil || !pause.For(r.Context(), interval) {
			return
		}
	}
}

func changeBody(body []byte, f Fault) []byte {
	switch f.Kind {
	case EmptyKeys:
		return []byte(`{"keys":[]}`)
	case OddKeys:
		return distort.WithOddKeys(body)
	case OtherUser:
		id, other := distort.ProfileID(body), f.Subject
		if id == "" {
			return body
		}
		fallback(&other, mint.UUID)
		return bytes.ReplaceAll(body, ordered.Encode(id), ordered.Encode(other))
	case PadProfile:
		return distort.PadProfile(body, sizeOr(f.Size, paddedSize))
	}
	return body
}

// recorder keeps an answer. Its header is that of the answer to come.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header         { return a.header }
func (a *recorder) WriteHeader(status int)      { a.status = status }
func (a *recorder) Write(b []byte) (int, error) { return a.body.Write(b) }

func sizeOr(size, otherwise int64) int64 {
	if size == 0 {
		return otherwise
	}
	return size
}
