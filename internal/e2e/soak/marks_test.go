package soak_test

import (
	"math"
	"sync/atomic"
	"time"
)

// markID names a revocation.
type markID struct {
	project     *project
	kind, value string
}

// mark is a revocation that was made at some time. It may have been taken back.
type mark struct {
	id      markID
	force   *fact[reach]
	highest int64 // the greatest iat that any reach of this mark may have covered
}

// reach is what a revocation covers. A revocation of a subject covers tokens by
// their iat: certainly up to surely, and certainly not beyond perhaps.
type reach struct {
	on      bool
	surely  int64
	perhaps *atomic.Int64
}

func off() reach { return reach{perhaps: &atomic.Int64{}} }

// coverage says whether the reaches that may be in force cover a token, surely
// or perhaps.
type coverage struct{ surely, perhaps bool }

// mark returns the revocation with this name. If there was none, it is new and
// not in force.
func (w *model) mark(id markID) *mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.marks[id]
	if m == nil {
		m = &mark{id: id, force: always(off())}
		w.marks[id] = m
	}
	return m
}

// inForce returns the revocations that may be in force.
func (w *model) inForce() []*mark {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var all []*mark
	for _, m := range w.marks {
		if m.force.latest().on {
			all = append(all, m)
		}
	}
	return all
}

// revoking begins to put the mark in force. The caller calls done when it is in
// force.
func (w *model) revoking(m *mark) (done func()) {
	now := time.Now()
	earliest, _ := w.wall(now, now)
	r := reach{on: true, surely: earliest.Add(leeway).Unix(), perhaps: &atomic.Int64{}}
	r.perhaps.Store(math.MaxInt64)
	end := m.force.change(r)
	return func() {
		_, latest := w.wall(now, time.Now())
		m.highest = max(m.highest, latest.Add(leeway).Unix(), m.id.project.newest.Load())
		r.perhaps.Store(m.highest)
		end()
	}
}

// covered returns whether the revocations in a span cover a token.
func (w *model) covered(t *token, from, until time.Time) (c coverage) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for kind, value := range map[string]string{"token": t.text, "session": t.session, "subject": t.subject, "key": t.key} {
		m := w.marks[markID{t.project, kind, value}]
		if m == nil || value == "" {
			continue
		}
		surely := true
		for _, r := range m.force.during(from, until) {
			surely = surely && r.on && (kind != "subject" || t.issued <= r.surely)
			c.perhaps = c.perhaps || r.on && (kind != "subject" || t.issued <= r.perhaps.Load())
		}
		c.surely = c.surely || surely
	}
	return c
}
