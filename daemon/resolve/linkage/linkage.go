// Package linkage guesses, from the answers of an introspection endpoint, whether the client that asks is linked to the
// resource of the tokens. For other clients an upstream calls every token inactive, even an active one. So a
// misconfigured host rejects everybody, and each rejection looks like a denial.
package linkage

import "sync"

// DoubtAfter is how many fresh tokens in a row, with no active one between them, must be called inactive until it is
// doubtful that the client is linked to the tokens' resource.
const DoubtAfter = 5

// Watch counts answers. The zero value has counted none. It is safe for concurrent use.
type Watch struct {
	mu    sync.Mutex
	state State
	fresh map[[32]byte]struct{} // tokens that were called inactive after the last active one; at most DoubtAfter
}

// State is a reading of a Watch.
type State struct {
	// Active and Inactive are how many answers have called a token active or inactive.
	Active, Inactive uint64
	// Unlinked tells that the client may not be linked to the tokens' resource.
	Unlinked bool
}

// Change is how an answer has changed the guess.
type Change int

// The changes.
const (
	None    Change = iota
	Doubted        // the link is doubtful, from now on or still
	Settled        // the link was doubtful and is not any more
)

// Active notes that a token was called active.
func (w *Watch) Active() Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Active++
	was := w.state.Unlinked
	w.fresh, w.state.Unlinked = nil, false
	if was {
		return Settled
	}
	return None
}

// Inactive notes that the token of a digest was called inactive. fresh tells that the token was verified and is so new
// that most such tokens are active. Only fresh tokens count for the guess, each once.
func (w *Watch) Inactive(digest [32]byte, fresh bool) Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Inactive++
	if !fresh {
		return None
	}
	if w.fresh == nil {
		w.fresh = map[[32]byte]struct{}{}
	}
	if len(w.fresh) < DoubtAfter {
		w.fresh[digest] = struct{}{}
	}
	if w.state.Unlinked = len(w.fresh) >= DoubtAfter; w.state.Unlinked {
		return Doubted
	}
	return None
}

// State returns what has been counted.
func (w *Watch) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}
