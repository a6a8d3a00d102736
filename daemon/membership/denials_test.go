package membership

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// denied is the mark of a denied user.
func denied(subject string) revoke.Mark {
	return revoke.Mark{Kind: revoke.KindPurgeSubject, Project: "main", Value: subject}
}

// busy keeps the list as a change does that is being saved, until release is called.
func (h *host) busy(t *testing.T) (release func()) {
	t.Helper()
	held, hold := make(chan struct{}), make(chan struct{})
	h.list.SetStamp(func(_ revoke.Mark, known uint64) uint64 {
		select {
		case held <- struct{}{}:
		case <-hold:
		}
		<-hold
		return known + 1
	})
	var saving sync.WaitGroup
	saving.Go(func() { h.revoke(revoke.Mark{Kind: revoke.KindSubject, Project: "main", Value: "somebody"}) })
	<-held
	release = sync.OnceFunc(func() {
		close(hold)
		saving.Wait()
	})
	t.Cleanup(release)
	return release
}

// TestADenialDoesNotWaitForTheDisk: the lookup that met it goes on, and forgets the profile that
// this host has. It is saved and told when the disk answers.
func TestADenialDoesNotWaitForTheDisk(t *testing.T) {
	hosts, _ := newFleet(t, 2)
	h := hosts[0]
	release := h.busy(t)
	link, _ := h.Link()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 10 {
			link.Denied("main", fmt.Sprint(i))
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("the lookup hangs")
	}
	release()
	e2e.Until(t, "all are saved, and told to the other host", func() bool {
		for i := range 10 {
			if !h.list.Purged(denied(fmt.Sprint(i))) || !hosts[1].list.Purged(denied(fmt.Sprint(i))) {
				return false
			}
		}
		return true
	})
}

// TestADenialIsSavedWheneverTheHostEnds: those that wait then, and those that come later.
func TestADenialIsSavedWheneverTheHostEnds(t *testing.T) {
	hosts, _ := newFleet(t, 1)
	h := hosts[0]
	release := h.busy(t)
	link, _ := h.Link()
	link.Denied("main", "before")
	h.cancel()
	release()
	h.ran.Wait()
	link.Denied("main", "after")
	for _, subject := range []string{"before", "after"} {
		if !h.list.Purged(denied(subject)) {
			t.Errorf("the one %s the end is not kept", subject)
		}
	}
}
