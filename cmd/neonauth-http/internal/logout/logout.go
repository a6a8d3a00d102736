// Package logout receives the logout tokens that an issuer sends when a session
// has ended (OpenID Connect Back-Channel Logout 1.0), and passes them to the
// daemon, which verifies them. It has its own listener, because only this part
// of the program may be public.
package logout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/retry"
	"github.com/neonauthd/neonauthd/internal/httpserver"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// Limits of what is received from outside.
const (
	// Path is where tokens are posted to; the project's name follows.
	Path = "/logout/"
	// MaxBody is the greatest size of a body: the longest token, and space for
	// other parameters of a sender.
	MaxBody = 16 << 10
	// MaxConnections is the greatest number of connections, and MaxConns is how
	// many of them may ask the daemon at the same time.
	MaxConnections = 256
	MaxConns       = 16
	// ReadTimeout is how long a request may take from its first byte to its last, and
	// a connection to its first request.
	ReadTimeout = 5 * time.Second
	idleTimeout = 30 * time.Second
	maxHeader   = 16 << 10
)

// Time limits of the daemon's answer. A sender waits for five seconds.
const (
	// Timeout is how long a token may take, restarts of the daemon included.
	Timeout = 4500 * time.Millisecond
	// retryPause is the time between two attempts to reach a daemon that is
	// restarting.
	retryPause = 50 * time.Millisecond
	// complaintInterval is the shortest time between two log lines of one kind.
	complaintInterval = time.Minute
)

// Receiver receives logout tokens. It is an http.Handler, safe for concurrent
// use.
type Receiver struct {
	// Daemon is the client for the daemon. Its Project is empty: each request
	// names one.
	Daemon *client.Client
	// Count is called with the outcome of each token that reached the daemon.
	Count func(protocol.Status)
	// Log gets the problems that an operator may have to solve.
	Log *slog.Logger

	within time.Duration // how long a token may take; 0: Timeout
}

// NewClient returns the client that a Receiver asks. It must be closed.
func NewClient(socket string) *client.Client {
	return &client.Client{Socket: socket, Name: "neonauth-http", Conns: MaxConns, Keep: -1, Timeout: Timeout}
}

// NewServer returns a server for h with limits for requests from the network.
func NewServer(h http.Handler) *http.Server {
	return httpserver.New(h, httpserver.Limits{Read: ReadTimeout, Write: ReadTimeout + Timeout + time.Second, Idle: idleTimeout, Header: maxHeader})
}

// failure is why a token was refused, as section 2.8 requires it to be
// reported.
type failure struct {
	status     int
	code       string // an OAuth error code
	text       string
	retryAfter time.Duration
}

func invalid(status int, text string) *failure {
	return &failure{status: status, code: "invalid_request", text: text}
}

// ServeHTTP answers one request. It does not redirect, and accepts only exact
// paths.
func (s *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	project, token, failed := read(w, r)
	if failed == nil {
		failed = s.receive(r.Context(), project, token)
	}
	if failed == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	text, err := json.Marshal(struct {
		Code string `json:"error"`
		Text string `json:"error_description"`
	}{failed.code, failed.text})
	if err != nil {
		text = nil
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if failed.status == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodPost)
	}
	if failed.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((failed.retryAfter+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(failed.status)
	_, _ = w.Write(append(text, '\n')) // it fails only if the sender has left
}

// read returns the project and the token of a request.
func read(w http.ResponseWriter, r *http.Request) (project, token string, failed *failure) {
	project, ok := strings.CutPrefix(r.URL.EscapedPath(), Path)
	if !ok || !protocol.IsProject(project) {
		return "", "", &failure{status: http.StatusNotFound, code: "not_found", text: "logout tokens are posted to /logout/PROJECT"}
	}
	if r.Method != http.MethodPost {
		return "", "", invalid(http.StatusMethodNotAllowed, "a logout token is posted")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", "", invalid(http.StatusBadRequest, "the content type must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return "", "", invalid(http.StatusRequestEntityTooLarge, "the body is too long")
	} else if err != nil {
		return "", "", invalid(http.StatusBadRequest, "the body did not arrive")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["logout_token"]) != 1 || form["logout_token"][0] == "" {
		return "", "", invalid(http.StatusBadRequest, "the body must have logout_token, once")
	}
	return project, form["logout_token"][0], nil
}

// receive passes a token to the daemon. nil says that the session has ended.
func (s *Receiver) receive(ctx context.Context, project, token string) *failure {
	if !protocol.IsToken(protocol.LOGOUT, token) {
		s.Count(protocol.NO)
		return refused(protocol.ReasonMalformed)
	}
	// Go on if the sender has left: it would not send the token again.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(s.within, Timeout))
	defer stop()
	reply, err := s.ask(ctx, project, token)
	var said *client.ReplyError
	switch {
	case err == nil && reply.Status == protocol.OK:
		s.Count(protocol.OK)
		return nil
	case err == nil:
		s.Count(protocol.NO)
		return refused(protocol.Reason(reply.Word))
	case errors.As(err, &said) && said.Code == protocol.CodeUnknownProject:
		s.Count(protocol.ERR)
		s.complain("a logout token came for a project that the daemon does not have; compare the registered address with [[project]]", "unknown-project")
		return &failure{status: http.StatusNotFound, code: "not_found", text: "there is no such project"}
	case errors.As(err, &said):
		s.Count(protocol.ERR)
		s.complain("the daemon could not judge a logout token, and its sender tries once: what it names goes on; the daemon's log tells more", string(said.Code))
		return &failure{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", text: "nothing was ended, as far as is known: " + string(said.Code), retryAfter: max(said.RetryAfter, time.Second)}
	}
	s.Count(protocol.ERR)
	return s.unanswered(err)
}

// unanswered logs why the daemon gave no answer about a token, and returns the failure.
func (s *Receiver) unanswered(err error) *failure {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		s.complain("the daemon did not answer about a logout token in time, and its sender tries once: what it names may go on; see journalctl -u neonauthd", "no-answer")
	case errors.Is(err, client.ErrGarbled):
		s.complain("the daemon's answer about a logout token cannot be used, and its sender tries once: what it names may go on; see that --socket is the daemon's, and that the versions fit", "garbled")
	default:
		s.complain("the daemon is not reachable, and the sender of a logout token tries once: what it names goes on; see systemctl status neonauthd", "unreachable")
	}
	return &failure{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", text: "nothing was ended, as far as is known", retryAfter: time.Second}
}

func refused(why protocol.Reason) *failure {
	return invalid(http.StatusBadRequest, "the logout token is refused: "+string(why))
}

// ask asks the daemon, also across its restart: passing a token twice does no
// harm.
func (s *Receiver) ask(ctx context.Context, project, token string) (*protocol.Reply, error) {
	var fields protocol.Fields
	if err := fields.Add(protocol.FieldProject, []byte(project)); err != nil {
		return nil, err
	}
	return retry.Ask(ctx, retryPause, func() (*protocol.Reply, error) {
		return s.Daemon.AskWith(ctx, protocol.LOGOUT, &fields, token)
	})
}

func (s *Receiver) complain(message, why string) {
	s.Log.LogAttrs(context.Background(), slog.LevelWarn, message, program.Every(complaintInterval, why), slog.String("why", why))
}
