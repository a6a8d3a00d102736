// Package profiling serves profiles of the running program to its operator: where its time
// and its memory go. It serves less than net/http/pprof. A profile has names of functions
// and numbers, and no contents of the memory.
package profiling

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/internal/httpserver"
)

// Prefix is the path prefix of profiles.
const Prefix = "/debug/pprof/"

// Bounds of a profile.
const (
	// MaxSeconds is the longest duration of a profile, in seconds.
	MaxSeconds = 60

	defaultSeconds      = 30 // for a CPU profile
	defaultTraceSeconds = 1
	sendTime            = 10 * time.Second
)

// The profiles that take time.
const (
	cpu   = "profile"
	trace = "trace"
)

// snapshots returns the profiles that take no time. The command line, which net/http/pprof
// serves, is left out, and so are symbols, because profiles have the names.
func snapshots() []string {
	return []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"}
}

// Handler serves profiles, one at a time. Make it with New.
type Handler struct {
	allowed func() bool
	log     *slog.Logger
	busy    atomic.Bool
}

// New returns a Handler for paths below Prefix. The Handler calls allowed for each request,
// and answers 404 if it returns false. It logs each profile that it takes.
func New(allowed func() bool, log *slog.Logger) *Handler {
	return &Handler{allowed: allowed, log: log}
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	known := name == cpu || name == trace || slices.Contains(snapshots(), name)
	switch {
	case !h.allowed() || name != "" && !known:
		http.NotFound(w, r)
		return
	case name == "":
		httpserver.Say(w, http.StatusOK, fmt.Sprintf("%s?seconds=%d\n%s?seconds=%d\n%s", cpu, defaultSeconds, trace, defaultTraceSeconds, strings.Join(snapshots(), "\n")))
		return
	}
	ask, err := read(name, r.URL.Query())
	if err != nil {
		httpserver.Say(w, http.StatusBadRequest, err.Error())
		return
	}
	if !h.busy.CompareAndSwap(false, true) {
		httpserver.Say(w, http.StatusServiceUnavailable, "another profile is being taken")
		return
	}
	defer h.busy.Store(false)
	h.log.Info("profile taken", "profile", name, "seconds", ask.seconds)
	// The server's own limits are for short answers. Neither call fails for a connection of
	// net/http.
	limit := time.Now().Add(time.Duration(ask.seconds)*time.Second + sendTime)
	control := http.NewResponseController(w)
	_, _ = control.SetReadDeadline(limit), control.SetWriteDeadline(limit)
	w.Header().Set("Cache-Control", "no-store")
	asked := r.Clone(r.Context())
	asked.URL.RawQuery = ask.query()
	switch name {
	case cpu:
		pprof.Profile(w, asked)
	case trace:
		pprof.Trace(w, asked)
	default:
		pprof.Handler(name).ServeHTTP(w, asked)
	}
}

// request is the options of a request.
type request struct {
	seconds int  // 0: a profile of the present state
	text    bool // text for people
	collect bool // run the garbage collector before a profile of the heap
}

// read reads the options from a query. It refuses those that would show or take too much.
func read(name string, query url.Values) (q request, err error) {
	switch name {
	case cpu:
		q.seconds = defaultSeconds
	case trace:
		q.seconds = defaultTraceSeconds
	}
	if text := query.Get("seconds"); text != "" {
		if q.seconds, err = strconv.Atoi(text); err != nil || q.seconds < 1 || q.seconds > MaxSeconds {
			return q, fmt.Errorf("seconds must be a number from 1 to %d", MaxSeconds)
		}
	}
	switch query.Get("debug") {
	case "", "0":
	case "1":
		q.text = true
	default:
		// Greater values show stacks with the arguments of functions, which may contain
		// user data.
		return q, errors.New("debug can only be 1")
	}
	q.collect = query.Get("gc") == "1"
	return q, nil
}

// query is the request as package pprof reads it.
func (q request) query() string {
	v := url.Values{}
	if q.seconds > 0 {
		v.Set("seconds", strconv.Itoa(q.seconds))
	}
	if q.text {
		v.Set("debug", "1")
	}
	if q.collect {
		v.Set("gc", "1")
	}
	return v.Encode()
}
