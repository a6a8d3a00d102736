package daemon

import (
	"errors"
	"fmt"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// tell says what an attempt came to that brought no key set, and what an operator
// can do about it.
func tell(err error) (what, remedy string) {
	var unusable *keyset.NoUsableKeyError
	var call *upstream.Error
	switch {
	case errors.As(err, &unusable):
		return "key set fetched, and no key of it can be used", "see that jwks_url names the right key set, and algorithms what its keys are for"
	case !errors.As(err, &call):
		return "what was fetched is no key set", "see that jwks_url is right"
	case call.Status != 0:
		return "key set not fetched", "something answered: see that base_url and jwks_url are right"
	default:
		return "key set not fetched", "see that this host reaches the upstream"
	}
}

// trouble is what went wrong in the last attempt, in closed words; empty if it
// succeeded.
func (k *keysets) trouble() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.problem == nil {
		return ""
	}
	return k.problem.Error()
}

// standing is a sentence on the keys that were current a moment ago.
func (k *keysets) standing(current *keys, now time.Time) string {
	trouble := k.trouble()
	if trouble != "" {
		trouble = "; the last attempt: " + trouble
	}
	switch {
	case current == nil && trouble == "":
		return "no key set has been had yet"
	case current == nil:
		return "no key set that can be used has been had yet" + trouble
	}
	text := fmt.Sprintf("confirmed %s ago, keys: %d", clock.Elapsed(current.fetched, now).Round(time.Second), len(current.set.Keys()))
	if skipped := current.set.Skipped(); len(skipped) > 0 {
		text += fmt.Sprintf(", left out: %d (%s)", len(skipped), keyset.Kinds(skipped))
	}
	switch {
	case current.usable(now):
	case current.saved && !current.plausible(now):
		text = "saved in the future, by this host's clock: " + text
	default:
		text = "older than a day: " + text
	}
	return text + trouble
}

// leftOut are the entries of the key set that are not used: of the one in use
// or, without one, of the one that was fetched last.
func (k *keysets) leftOut() []keyset.Skipped {
	if current := k.current.Load(); current != nil {
		return current.set.Skipped()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var unusable *keyset.NoUsableKeyError
	if errors.As(k.problem, &unusable) {
		return unusable.Skipped
	}
	return nil
}
