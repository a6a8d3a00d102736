package upstream

import (
	"slices"
	"sync"
	"time"
)

// LastFailure is the last time that a question of one kind brought no answer.
type LastFailure struct {
	// Of is what was asked for: "profile", "api-key", "introspection" or "metadata".
	Of string
	// At is when it failed.
	At time.Time
	// Meaning is Unavailable or Misconfigured, Status the HTTP status, 0 when there was no answer.
	Meaning Meaning
	Status  int
	// Cause says why, in closed words, the meaning first.
	Cause string
	// Over tells that such a question was answered since.
	Over bool
}

// lastFailures keeps the last failure of each kind of question. Its zero value has none. Safe for concurrent use.
type lastFailures struct {
	mu  sync.Mutex
	all []LastFailure
}

// kindOf is what an act asks for; "" for an act whose failures are kept elsewhere.
func kindOf(act string) string {
	switch act {
	case actProfile, actSelfTest: // the test of the settings asks for a profile too
		return "profile"
	case actAPIKey:
		return "api-key"
	case actIntrospect:
		return "introspection"
	case actMetadata:
		return "metadata"
	}
	return ""
}

// note enters the end of an act: nil for an answer. A request that was not sent is ignored, unless the operator has to act.
func (l *lastFailures) note(act string, e *Error, now time.Time) {
	kind := kindOf(act)
	if kind == "" || e != nil && e.Meaning != Denied && (e.outcome == silent || e.Local && e.Meaning != Misconfigured) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.all, func(f LastFailure) bool { return f.Of == kind })
	if e == nil || e.Meaning == Denied {
		if i >= 0 {
			l.all[i].Over = true
		}
		return
	}
	failure := LastFailure{Of: kind, At: now, Meaning: e.Meaning, Status: e.Status, Cause: e.Cause()}
	if i >= 0 {
		l.all[i] = failure
		return
	}
	l.all = append(l.all, failure)
}

// list returns a copy.
func (l *lastFailures) list() []LastFailure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}
