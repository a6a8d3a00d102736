package upstream

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// alarmInterval is how long one and the same alarm stays silent after it was raised.
const alarmInterval = 10 * time.Minute

// maxAlarms bounds how many alarms are told apart.
const maxAlarms = 64

// alarms tells the operator what only he can mend, each thing once in a while rather than once per request.
type alarms struct {
	logger *slog.Logger
	now    func() time.Time

	mu   sync.Mutex
	last map[string]time.Time // by the error's text, which has only closed words and a status in it
}

func newAlarms(config Config) *alarms {
	return &alarms{logger: config.Logger, now: config.Now, last: map[string]time.Time{}}
}

// raise logs e if it concerns the operator and has not been logged of late.
func (a *alarms) raise(e *Error) {
	if e.Meaning != Misconfigured && !e.loud || !a.due(e.Error()) {
		return
	}
	a.logger.LogAttrs(context.Background(), slog.LevelError, "upstream needs attention", slog.String("error", e.Error()))
}

func (a *alarms) due(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if last, seen := a.last[text]; seen && now.Sub(last) < alarmInterval {
		return false
	}
	if len(a.last) >= maxAlarms {
		clear(a.last)
	}
	a.last[text] = now
	return true
}
