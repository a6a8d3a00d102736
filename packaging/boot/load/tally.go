package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxNotes is how many unexpected replies are shown.
const maxNotes = 5

// tally counts the results of the questions.
type tally struct {
	mu          sync.Mutex
	questions   int
	connects    int
	refused     int // connects that failed
	foundClosed int // attempts at a connection that was closed already
	lostNew     int // questions sent and not answered, on a connection that had brought none before
	lostKept    int // the same, on a connection that had brought a reply before
	unanswered  int // questions given up
	judged      [unknown + 1]int
	times       []time.Duration // from the first attempt to the answer
	notes       []string
}

func (t *tally) count(how func(*tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	how(t)
}

// note keeps the first few unexpected replies. The caller holds the lock.
func (t *tally) note(text string) {
	if len(t.notes) < maxNotes {
		t.notes = append(t.notes, fmt.Sprintf("%.150q", text))
	}
}

func (t *tally) answered(j judgement, reply []byte, took time.Duration) {
	t.count(func(t *tally) {
		t.judged[j]++
		t.times = append(t.times, took)
		if j != right {
			t.note("reply: " + string(reply))
		}
	})
}

// quantile returns the time within which a share of the answers came.
func (t *tally) quantile(share float64) time.Duration {
	if len(t.times) == 0 {
		return 0
	}
	slices.Sort(t.times)
	return t.times[min(int(share*float64(len(t.times))), len(t.times)-1)]
}

// report writes one line of counts, and below it the unexpected replies.
func (t *tally) report(out io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := fmt.Fprintf(out, "questions=%d right=%d wrong=%d unknown=%d unanswered=%d connects=%d refused=%d found-closed=%d lost-new=%d lost-kept=%d median=%sms p99=%sms slowest=%sms\n",
		t.questions, t.judged[right], t.judged[wrong], t.judged[unknown], t.unanswered, t.connects, t.refused, t.foundClosed, t.lostNew, t.lostKept,
		milliseconds(t.quantile(0.5)), milliseconds(t.quantile(0.99)), milliseconds(t.quantile(1)))
	for _, note := range t.notes {
		_, err = fmt.Fprintln(out, note)
	}
	return err
}

// milliseconds formats d for people: with one decimal, or two below one
// millisecond.
func milliseconds(d time.Duration) string {
	digits := 1
	if d < time.Millisecond {
		digits = 2
	}
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', digits, 64)
}
