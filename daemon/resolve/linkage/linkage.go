// Package linkage guesses from an introspection endpoint's answers whether the client that asks has to do with the tokens
// at all. An upstream tells other clients that a token is not active, also where it is: a misconfigured host then refuses
// everybody, and it looks like a denial.
package linkage

import "sync"

// DoubtAfter is how many fresh tokens in a row have to be called inactive, and none active between, before it is doubtful
// that the client is linked to what they are for.
const DoubtAfter = 5

// Watch counts answers. The zero value has heard none. Safe for concurrent use.
type Watch struct {
	mu    sync.Mutex
	state State
	fresh map[[32]byte]struct{} // tokens that were called inactive since one was called active; at most DoubtAfter
}

// State is a reading of a Watch.
type State struct {
	// Active and Inactive are how many answers have called a token so.
	Active, Inactive uint64
	// Unlinked tells that the client may not be linked to the tokens' resource.
	Unlinked bool
}

// Change is what an answer has changed in that guess.
type Change int

// The changes.
const (
	None    Change = iota
	Doubted        // it is doubtful, from now on or still
	Settled        // it was doubtful and is not any more
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

// Inactive notes that the token of a digest was called inactive. fresh tells that it was verified, and issued so shortly
// before that most such tokens are active; only these count for the guess, each once.
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
