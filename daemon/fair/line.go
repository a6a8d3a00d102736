package fair

import "container/list"

// Asker is on whose behalf something is done: a caller and, where the caller asks for several others, for whom.
type Asker struct {
	ID
	// For tells the caller's own askers apart, such as the visitors of a web server. It divides the caller's share and
	// gives it no more. Empty: the caller itself.
	For string
}

// Line is a waiting line that is served by turns: each caller that waits has its turn before any has the next, and
// within a caller's turns the same holds for those it asks for. One that asks for much waits behind itself. The zero value
// is an empty line. It is not safe for concurrent use.
type Line struct {
	callers turns[ID]
	len     int
}

// Waiter is a place in a Line.
type Waiter struct {
	// Ready is closed when the waiter's turn has come.
	Ready chan struct{}

	asker Asker
	place *list.Element // in line.waiters; nil once it has left
	line  *lineOf
}

// Asker returns on whose behalf the waiter is there.
func (w *Waiter) Asker() Asker { return w.asker }

// turns are what wait by turns, the next one in front.
type turns[K comparable] struct {
	order list.List
	byKey map[K]*list.Element
}

// linesOf are the lines of one caller's askers.
type linesOf struct {
	id     ID
	askers turns[string]
	len    int
}

// lineOf is the line of one asker, the first to come in front.
type lineOf struct {
	of      *linesOf
	name    string
	waiters list.List
}

// at returns what waits under k, putting what make returns at the end if there is nothing.
func (t *turns[K]) at(k K, create func() any) any {
	if e := t.byKey[k]; e != nil {
		return e.Value
	}
	if t.byKey == nil {
		t.byKey = map[K]*list.Element{}
	}
	t.byKey[k] = t.order.PushBack(create())
	return t.byKey[k].Value
}

// next puts what waits under k at the end, or drops it if it is empty.
func (t *turns[K]) next(k K, empty bool) {
	e := t.byKey[k]
	if !empty {
		t.order.MoveToBack(e)
		return
	}
	t.drop(k)
}

func (t *turns[K]) drop(k K) {
	t.order.Remove(t.byKey[k])
	delete(t.byKey, k)
}

// Len returns how many wait.
func (l *Line) Len() int { return l.len }

// Join adds a waiter at the end of the asker's own line.
func (l *Line) Join(asker Asker) *Waiter {
	of := l.callers.at(asker.ID, func() any { return &linesOf{id: asker.ID} }).(*linesOf)
	line := of.askers.at(asker.For, func() any { return &lineOf{of: of, name: asker.For} }).(*lineOf)
	w := &Waiter{Ready: make(chan struct{}), asker: asker, line: line}
	w.place = line.waiters.PushBack(w)
	of.len++
	l.len++
	return w
}

// Leave removes a waiter whose turn has not come, and reports whether it has not.
func (l *Line) Leave(w *Waiter) bool {
	if w.place == nil {
		return false
	}
	l.remove(w)
	if w.line.waiters.Len() == 0 {
		w.line.of.askers.drop(w.line.name)
	}
	if w.line.of.len == 0 {
		l.callers.drop(w.line.of.id)
	}
	return true
}

// Next takes the waiter whose turn it is out of the line, without closing Ready, and gives its asker the last turn. Callers
// that may not go now keep theirs. It returns nil when nobody waits who may go; a nil may admits everybody.
func (l *Line) Next(may func(ID) bool) *Waiter {
	for e := l.callers.order.Front(); e != nil; e = e.Next() {
		of := e.Value.(*linesOf)
		if may != nil && !may(of.id) {
			continue
		}
		line := of.askers.order.Front().Value.(*lineOf)
		w := line.waiters.Front().Value.(*Waiter)
		l.remove(w)
		of.askers.next(line.name, line.waiters.Len() == 0)
		l.callers.next(of.id, of.len == 0)
		return w
	}
	return nil
}

// Waits reports whether anybody waits who may go now, as Next has it.
func (l *Line) Waits(may func(ID) bool) bool {
	for e := l.callers.order.Front(); e != nil; e = e.Next() {
		if may(e.Value.(*linesOf).id) {
			return true
		}
	}
	return false
}

func (l *Line) remove(w *Waiter) {
	w.line.waiters.Remove(w.place)
	w.place = nil
	w.line.of.len--
	l.len--
}

// Ahead returns how many would be served before a further waiter of the asker, if none left and none came.
func (l *Line) Ahead(asker Asker) int {
	own := 0
	if e := l.callers.byKey[asker.ID]; e != nil {
		of := e.Value.(*linesOf)
		own = of.askers.ahead(asker.For, func(line any) int { return line.(*lineOf).waiters.Len() })
	}
	return l.callers.aheadOf(asker.ID, own, func(of any) int { return of.(*linesOf).len })
}

// ahead returns how many are served before a further one at the end of what waits under k.
func (t *turns[K]) ahead(k K, size func(any) int) int {
	own := 0
	if e := t.byKey[k]; e != nil {
		own = size(e.Value)
	}
	return t.aheadOf(k, own, size)
}

// aheadOf returns how many are served before the one under k that has own before it there: as many of each other that
// waits, and one more of those whose turn comes first.
func (t *turns[K]) aheadOf(k K, own int, size func(any) int) int {
	mine, rounds, sum := t.byKey[k], own+1, own
	for e := t.order.Front(); e != nil; e = e.Next() {
		if e == mine {
			rounds = own
			continue
		}
		sum += min(rounds, size(e.Value))
	}
	return sum
}
