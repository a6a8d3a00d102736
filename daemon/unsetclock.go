package daemon

import (
	"log/slog"
	"time"
)

// clockUnsetStatus is the text about a clock that was never set, in the status and in /readyz.
const clockUnsetStatus = "this host's clock was never set, and nothing is accepted"

// unsetClock tells the operator that lookups are not judged because the clock was never
// set, or was set far back, and that this is over: a line each. The zero value has told
// nothing. It is not safe for concurrent use.
type unsetClock struct{ told bool }

// look logs a change. is says whether the clock, which shows now, is unset.
func (u *unsetClock) look(is bool, now time.Time, log *slog.Logger) {
	if is == u.told {
		return
	}
	u.told = is
	shows := slog.String("clock", now.UTC().Format(time.RFC3339))
	if is {
		log.Error("this host's clock shows a time before this program was made: nothing is accepted until it is right, lookups are answered unavailable; set the clock, and see that something keeps it (timedatectl)", shows)
		return
	}
	log.Info("this host's clock shows a possible time again: lookups are judged by it", shows)
}
