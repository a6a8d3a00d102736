package leases_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

const (
	// calmFor is the longest time between two faults. Clients that have lost their watch wait for a second before they
	// open another.
	calmFor = 3 * time.Second

	// The long run judges at least manyAnswers answers, in at least manyRounds rounds.
	manyAnswers, manyRounds = 10_000_000, 20
)

// TestNobodyIsAcceptedAfterRevoke has programs in Go, Node and Python ask the real daemon. It revokes the tokens that
// they ask about, and stops, kills and slows down everything that takes part. No lookup that begins after REVOKE has
// returned may be accepted, and none that begins after UNREVOKE has returned may be refused. "make lease-faults" runs
// this for a long time.
func TestNobodyIsAcceptedAfterRevoke(t *testing.T) {
	need.Time(t, "leases end by the clock of the host")
	need.Working(t, "Node 20", "node", "-e", "process.exit(process.versions.node.split('.')[0] >= 20 ? 0 : 1)")
	need.Working(t, "Python 3.11", "python3", "-c", "import sys; sys.exit(sys.version_info < (3, 11))")
	if os.Getenv("LEASE_LONG") == "" {
		playRound(t, 100)
		return
	}
	var answers int64
	for n := 0; answers < manyAnswers || n < manyRounds; n++ {
		if !t.Run(fmt.Sprintf("round %d", n), func(t *testing.T) { answers += playRound(t, 2000) }) {
			return
		}
	}
	t.Logf("%d answers, none too late", answers)
}

// playRound plays one round and returns how many answers were judged.
func playRound(t *testing.T, burst int) (answers int64) {
	c := newCourse(t)
	for _, p := range c.programs(t) {
		c.startAsker(t, p, burst, false)
		c.startAsker(t, p, burst, true)
	}
	end := c.startRevoking()
	defer end() // in case a fault ends the test
	for _, n := range rand.Perm(len(faults)) {
		pauseUpTo(calmFor)
		faults[n].happen(t, c)
	}
	pauseUpTo(calmFor)
	end()
	e2e.Must(t, c.failed)
	callers := map[string][]run{}
	for _, a := range c.askers {
		callers[a.name] = a.end(t)
	}
	judge(t, c.changes, callers)
	return c.weigh(t, callers)
}

// weigh logs how many answers there were, and fails the test if they are too few to show anything.
func (c *course) weigh(t *testing.T, callers map[string][]run) (answers int64) {
	t.Helper()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "asker\taccepted\trevoked\tunknown\tlines to the daemon\t")
	for _, a := range c.askers {
		count := map[string]int64{}
		for _, r := range callers[a.name] {
			count[r.outcome] += r.count
		}
		sent := ""
		if a.relay != nil {
			lines := a.relay.lines.Load()
			sent = fmt.Sprint(lines)
			if kept := count["accepted"] - lines; kept < 500 {
				t.Errorf("%s sent %d lines and was accepted %d times: that shows nothing of what is kept", a.name, lines, count["accepted"])
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t\n", a.name, count["accepted"], count["revoked"], count["unknown"], sent)
		if count["accepted"] < 200 || count["revoked"] < 5 {
			t.Errorf("%s was accepted %d times and refused %d times: that shows nothing", a.name, count["accepted"], count["revoked"])
		}
		answers += count["accepted"] + count["revoked"]
		delete(count, "accepted")
		delete(count, "revoked")
		delete(count, "unknown")
		if len(count) > 0 {
			t.Errorf("%s got answers that nothing here can bring about: %v", a.name, count)
		}
	}
	e2e.Must(t, w.Flush())
	if len(c.changes) < 40 {
		t.Errorf("only %d revocations and ends of them", len(c.changes))
	}
	t.Logf("%d revocations and ends of them\n%s", len(c.changes), &table)
	return answers
}
