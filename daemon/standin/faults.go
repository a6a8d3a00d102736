package standin

import (
	"net/http"
	"sync"
	"time"
)

// Kind says what a [Fault] does to an answer.
type Kind string

// The kinds of fault. The genuine answer is made first where a kind distorts it, so an access token that
// would be refused is refused under the fault as well.
const (
	Delay          Kind = "delay"           // only the fault's Latency or Until, then the genuine answer
	Hang           Kind = "hang"            // no answer until the caller goes away or the server stops
	Reset          Kind = "reset"           // the connection is reset
	Status         Kind = "status"          // the fault's Status with a fitting body, RetryAfter, XRetryAfter
	KnownError     Kind = "known-error"     // Stack's envelope with the fault's Code
	Wrapped        Kind = "wrapped"         // the same with status 200 and the true one in x-stack-actual-status
	Answer         Kind = "answer"          // the fault's Status, Header and Body as they are
	Redirect       Kind = "redirect"        // to Location, with Status or 302
	Garbage        Kind = "garbage"         // status 200 with a page of HTML
	Truncate       Kind = "truncate"        // the genuine answer, cut in the middle of its body
	Drip           Kind = "drip"            // the genuine answer, one byte each Interval
	Huge           Kind = "huge"            // an endless-looking JSON body of Size bytes
	GzipBomb       Kind = "gzip-bomb"       // Content-Encoding: gzip, small here, Size bytes when unpacked
	EndlessHeaders Kind = "endless-headers" // header lines without end, Size bytes of them
	EmptyKeys      Kind = "empty-keys"      // a key set without keys
	OddKeys        Kind = "odd-keys"        // the genuine key set among keys and values nobody can use
	OtherUser      Kind = "other-user"      // the genuine profile, of a user whose id is Subject
	PadProfile     Kind = "pad-profile"     // the genuine profile, its image grown until the body has Size bytes
)

// Kinds lists every kind of fault.
func Kinds() []Kind {
	return []Kind{Delay, Hang, Reset, Status, KnownError, Wrapped, Answer, Redirect, Garbage, Truncate, Drip,
		Huge, GzipBomb, EndlessHeaders, EmptyKeys, OddKeys, OtherUser, PadProfile}
}

// Fault is a disturbance of an endpoint. Fields that its Kind does not mention are ignored, apart from
// Times, Latency and Until, which go with every kind. The zero value changes nothing, for ever.
type Fault struct {
	Kind Kind
	// Times is how many calls the fault takes; zero: every one until it is cleared.
	Times int
	// Latency passes before the answer begins.
	Latency time.Duration
	// Until, when not nil, holds the answer back until it is closed.
	Until <-chan struct{}
	// Status is an HTTP status; zero: 503 for Status, 302 for Redirect, 200 for Answer.
	Status int
	// Code of a KnownError or Wrapped answer; empty: UNPARSABLE_ACCESS_TOKEN.
	Code string
	// RetryAfter and XRetryAfter are the values of these headers with Status; empty: left out.
	RetryAfter, XRetryAfter string
	// Location of a Redirect.
	Location string
	// Header and Body of an Answer.
	Header http.Header
	Body   string
	// Size in bytes; zero: 64 MiB for Huge, 1 GiB for GzipBomb, 16 MiB for EndlessHeaders, 300 KB for PadProfile.
	Size int64
	// Interval between bytes of a Drip; zero: 100 ms.
	Interval time.Duration
	// Subject of OtherUser; empty: a fresh UUID.
	Subject string
}

// faults holds what disturbs each endpoint, in the order it was injected.
type faults struct {
	mu    sync.Mutex
	queue map[Endpoint][]Fault
}

func newFaults() *faults { return &faults{queue: map[Endpoint][]Fault{}} }

// Inject puts faults behind those an endpoint has. Each takes its number of calls, then the next one
// acts. Faults of an endpoint come before those of a wider one ([Keys], [Any]).
func (s *Standin) Inject(e Endpoint, all ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.queue[e] = append(s.faults.queue[e], all...)
}

// Clear takes the faults of exactly this endpoint away. Calls that are under one already stay so.
func (s *Standin) Clear(e Endpoint) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	delete(s.faults.queue, e)
}

// ClearAll takes every fault away.
func (s *Standin) ClearAll() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	clear(s.faults.queue)
}

// take returns the fault for the next call of an endpoint, and whether there is one.
func (f *faults) take(e Endpoint) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, scope := range e.scopes() {
		queue := f.queue[scope]
		if len(queue) == 0 {
			continue
		}
		fault := queue[0]
		if fault.Times > 0 {
			queue[0].Times--
			if queue[0].Times == 0 {
				f.queue[scope] = queue[1:]
			}
		}
		return fault, true
	}
	return Fault{}, false
}
