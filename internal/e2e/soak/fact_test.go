package soak_test

import (
	"sync"
	"time"
)

// fact is a value that changes, with all its former values and their times. A
// change takes time: while it is in progress, the old and the new value may
// both hold. It is safe for concurrent use; changes come one after the other.
type fact[T any] struct {
	mu     sync.Mutex
	phases []phase[T] // in the order in which they began
}

// phase is a value that may hold from one instant to another. until is zero
// until another value certainly holds.
type phase[T any] struct {
	value       T
	from, until time.Time
}

// always returns a fact that has always had this value.
func always[T any](v T) *fact[T] { return &fact[T]{phases: []phase[T]{{value: v}}} }

// change begins a change to v. After done is called, only v holds. If done is
// never called, both values remain possible.
func (f *fact[T]) change(v T) (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.phases)
	f.phases = append(f.phases, phase[T]{value: v, from: time.Now()})
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		now := time.Now()
		for i := range f.phases[:before] {
			if f.phases[i].until.IsZero() {
				f.phases[i].until = now
			}
		}
	}
}

// during returns the values that may have held at some instant of a span, the
// latest first.
func (f *fact[T]) during(from, until time.Time) []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	var values []T
	for i := len(f.phases) - 1; i >= 0; i-- {
		p := &f.phases[i]
		if !p.until.IsZero() && p.until.Before(from) {
			break // this one and all before it ended earlier
		}
		if !p.from.After(until) {
			values = append(values, p.value)
		}
	}
	return values
}

// ever reports whether v may have held at some instant of a span.
func ever[T comparable](f *fact[T], v T, from, until time.Time) bool {
	for _, held := range f.during(from, until) {
		if held == v {
			return true
		}
	}
	return false
}

// latest returns the value of the last change.
func (f *fact[T]) latest() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.phases[len(f.phases)-1].value
}
