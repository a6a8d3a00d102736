package serve

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/lease"
)

// TestAnAnswerByTheTermsOfBeforeIsNotKept: a reload comes, and clients are told, between the terms by which a lookup is
// judged and the revision that its answer has.
func TestAnAnswerByTheTermsOfBeforeIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		var reload sync.Once
		h.server.leases = lease.New(lease.Options{Hearing: func() (time.Duration, bool) { // this is called when the revision is read
			reload.Do(func() {
				next := *h.terms
				h.server.SetTerms(&next)
				h.server.leases.ForgetAll()
			})
			return 0, false
		}})
		k := h.connect(1)
		for i, kept := range []bool{false, true} {
			reply := k.Ask("VERIFY keep=1 %s", h.token("ada"))
			if !strings.HasPrefix(reply, "OK ") || strings.Contains(reply, " handles=") != kept {
				t.Errorf("lookup %d: %.200s, to be kept: %v", i, reply, kept)
			}
		}
		_ = k.Conn.Close()
		synctest.Wait()
	})
}
