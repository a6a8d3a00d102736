package fleet

import (
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestAHostThatHasJustStartedIsCounted: from Await on it accepts, and the others have not
// had a heartbeat since. What they revoked before is in force there.
func TestAHostThatHasJustStartedIsCounted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := newHost(t, options(t, 0, s.url()))
	awaitAll(t, []*host{first})
	for i := 1; i <= 5; i++ {
		m, _ := first.revoke(subject(label(i)))
		late := newHost(t, options(t, i, s.url()))
		late.Await(t.Context())
		if !late.inForce(m.Name) {
			t.Errorf("host %d: what was revoked before it started is not in force", i)
		}
		if _, reach := first.revoke(subject("u")); reach.Of != i+1 {
			t.Errorf("host %d accepts, and a change reaches %+v", i, reach)
		}
	}
}

// TestTheFirstWordsOfAHostHaveTheEnginesTime, or they could look older than those with
// which the run before left, and count for nothing. The host gets no further than these
// words here.
func TestTheFirstWordsOfAHostHaveTheEnginesTime(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.must("HSET", newEngineKeys("test").marks, "r:x", "junk")
	s.must("ACL", "SETUSER", "default", "-hscan")
	o := options(t, 1, s.url())
	o.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	h := newHost(t, o)
	h.Await(t.Context())
	said := s.must("HGET", h.keys.hosts, o.ID)
	raw, _ := said.ToString()
	w, _, opens := h.peers.openWords(o.ID, raw)
	if age := time.Since(time.UnixMilli(w.Time)); !opens || age > time.Minute {
		t.Errorf("it opens: %v; said %s ago", opens, age)
	}
}

// TestAStartDoesNotWaitForAnEngineThatIsNotThere, nor for ever for one that hangs.
func TestAStartDoesNotWaitForAnEngineThatIsNotThere(t *testing.T) {
	t.Parallel()
	hangs := newServer(t)
	hangs.signal(syscall.SIGSTOP)
	for name, url := range map[string]string{"nobody listens": "unix://" + e2e.NewFolder(t).Path("nowhere"), "it hangs": hangs.url()} {
		h := newHost(t, options(t, 0, url))
		if h.Await(t.Context()); h.Connected() {
			t.Errorf("%s, and the host is connected", name)
		}
	}
}
