package revoke

import (
	"testing"
	"time"
)

// TestWhoOnlyReadsDoesNotWaitForTheDisk: lookups, metrics and the list of revocations have
// their answers while a change is being saved.
func TestWhoOnlyReadsDoesNotWaitForTheDisk(t *testing.T) {
	s := member(t)
	l := s.open()
	purge, m := Mark{KindPurgeToken, "main", "x"}, Mark{KindSubject, "main", "ada"}
	if err := l.Purge(purge, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.revoke(l, m)
	saving, saved, revoked := make(chan struct{}), make(chan struct{}), make(chan struct{})
	l.SetStamp(func(Mark, uint64) uint64 { close(saving); <-saved; return 1000 }) // is called where the file is written, under the lock
	go func() {
		defer close(revoked)
		s.revoke(l, Mark{KindSubject, "main", "bob"})
	}()
	<-saving
	read := make(chan struct{})
	go func() {
		defer close(read)
		if !l.Purged(purge) || l.Purged(m) || l.Purged(Mark{KindPurgeToken, "main", "y"}) {
			t.Error("the wrong purges are remembered")
		}
		if page, more := l.Page("", Mark{}, 10); len(page) != 1 || more || !l.Has(m) || l.Len() != 1 || l.Projects()["main"] != 1 {
			t.Errorf("in force: %v", page)
		}
		if l.Unsaved() || len(l.Faults()) > 0 {
			t.Errorf("not saved %v, faults %v", l.Unsaved(), l.Faults())
		}
		if !l.Covers(&Token{Project: "main", Subject: "ada"}) {
			t.Error("not covered")
		}
		l.sighted(m, revocation{})
	}()
	select {
	case <-read:
	case <-time.After(10 * time.Second):
		t.Error("somebody who only reads waits for the disk")
	}
	close(saved)
	<-revoked
	<-read
}
