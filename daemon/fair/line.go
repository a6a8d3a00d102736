package fair

import "container/list"

// Asker is for whom something is done: a caller and, if the caller asks for several clients of its own, one of them.
type Asker struct {
	ID
	// For names one of the caller's own clients, such as a visitor of a web server. It divides the caller's share, and
	// does not make it larger. Empty: the caller itself.
	For string
}

// Line is a waiting line that is served by turns: each caller that waits has one turn before any caller has the next.
// Within a caller's turns the same holds for its askers. So an asker with many waiters waits only behind itself. The
// zero value is an empty line. It is not safe for concurrent use.
type Line struct {
	callers turns[ID]
	len     int
}

// Waiter is a place in a Line.
type Waiter struct {
	// Ready is closed when the waiter's turn has come.
	Ready chan struct{}

	asker Asker
	place *list.Element // in line.waiters; nil after the waiter has left
	line  *askerLine
}

// Asker returns for whom the waiter waits.
func (w *Waiter) Asker() Asker { return w.asker }

// turns is a list of lines that are served by turns, with the next one in front.
type turns[K comparable] struct {
	order list.List
	byKey map[K]*list.Element
}

// callerLine has the lines of one caller's askers.
type callerLine struct {
	id     ID
	askers turns[string]
	len    int
}

// askerLine has the waiters of one asker. The waiter that came first is in front.
type askerLine struct {
	of      *callerLine
	name    string
	waiters list.List
}

// Len returns how many waiters there are.
func (l *Line) Len() int { return l.len }

// Join adds a waiter at the end of the asker's own line.
func (l *Line) Join(asker Asker) *Waiter {
	of := l.callers.at(asker.ID, func() any { return &callerLine{id: asker.ID} }).(*callerLine)
	line := of.askers.at(asker.For, func() any { return &askerLine{of: of, name: asker.For} }).(*askerLine)
	w := &Waiter{Ready: make(chan struct{}), asker: asker, line: line}
	w.place = line.waiters.PushBack(w)
	of.len++
	l.len++
	return w
}

// Leave removes a waiter whose turn has not come yet. It returns false if the turn has come.
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

// Next takes the waiter whose turn it is out of the line, without closing Ready, and moves its asker to the end. A
// caller that may not go now keeps its turn. Next returns nil if no waiter may go; if may is nil, all may go.
func (l *Line) Next(may func(ID) bool) *Waiter {
	for e := l.callers.order.Front(); e != nil; e = e.Next() {
		of := e.Value.(*callerLine)
		if may != nil && !may(of.id) {
			continue
		}
		line := of.askers.order.Front().Value.(*askerLine)
		w := line.waiters.Front().Value.(*Waiter)
		l.remove(w)
		of.askers.next(line.name, line.waiters.Len() == 0)
		l.callers.next(of.id, of.len == 0)
		return w
	}
	return nil
}

// Waits reports whether there is a waiter that may go now; may is as for Next.
func (l *Line) Waits(may func(ID) bool) bool {
	for e := l.callers.order.Front(); e != nil; e = e.Next() {
		if may(e.Value.(*callerLine).id) {
			return true
		}
	}
	return false
}

// Ahead returns how many waiters would be served before a further waiter of the asker, if no other left or came.
func (l *Line) Ahead(asker Asker) int {
	own := 0
	if e := l.callers.byKey[asker.ID]; e != nil {
		of := e.Value.(*callerLine)
		own = of.askers.ahead(asker.For, func(line any) int { return line.(*askerLine).waiters.Len() })
	}
	return l.callers.aheadOf(asker.ID, own, func(of any) int { return of.(*callerLine).len })
}

func (l *Line) remove(w *Waiter) {
	w.line.waiters.Remove(w.place)
	w.place = nil
	w.line.of.len--
	l.len--
}

// at returns the line under k. If there is none, it appends a new one, made by create.
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

// next moves the line under k to the end, or drops it if it is empty.
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

// ahead returns how many are served before a further waiter at the end of the line under k.
func (t *turns[K]) ahead(k K, size func(any) int) int {
	own := 0
	if e := t.byKey[k]; e != nil {
		own = size(e.Value)
	}
	return t.aheadOf(k, own, size)
}

// aheadOf returns how many are served before the waiter under k that has own waiters before it in its line. From each
// other line that is as many, and one more from the lines whose turn comes first; but no more than the line has.
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
