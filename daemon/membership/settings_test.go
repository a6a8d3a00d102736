package membership

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestNewSettingsAreNoLeave: the host goes on accepting, whether it can connect with the
// new settings or not, so REVOKE on another host has to count it all the time.
func TestNewSettingsAreNoLeave(t *testing.T) {
	nowhere := "unix://" + e2e.NewFolder(t).Path("nowhere")
	for name, row := range map[string]struct {
		change func(*fleet.Options)
		last   fleet.Reach // of a change on the other host, in the end
	}{
		"that connect":        {func(o *fleet.Options) { o.Label = "other" }, fleet.Reach{Reached: 2, Of: 2}},
		"that do not connect": {func(o *fleet.Options) { o.URLs = []string{nowhere} }, fleet.Reach{Reached: 1, Of: 2, Silent: 1}},
		"and no more refusal": {func(o *fleet.Options) { o.URLs, o.RefuseAfter = []string{nowhere}, 0 }, fleet.Reach{Reached: 1, Of: 2, Silent: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			hosts, engine := newFleet(t, 2)
			a, b := hosts[0], hosts[1]
			b.join(engine.URL, func(o *fleet.Options) { o.RefuseAfter = time.Millisecond })
			m := revoke.Mark{Kind: revoke.KindSubject, Project: "main", Value: "ada"}
			a.revoke(m)
			a.reaches(m, 2)
			b.join(engine.URL, func(o *fleet.Options) { o.RefuseAfter = time.Minute }, row.change)
			e2e.Until(t, "the host is heard or missed again", func() bool {
				reach, ok := a.Announce(t.Context(), m)
				if !ok || reach.Of != 2 {
					t.Fatalf("a change reaches %+v", reach)
				}
				return reach == row.last && (reach.Silent > 0 || b.Fleet().Connected())
			})
		})
	}
}

// TestAHostWithNewSettingsKnowsTheHostsThatItKnew, although nothing tells it of them: the
// other host is on another engine now, and may be accepting.
func TestAHostWithNewSettingsKnowsTheHostsThatItKnew(t *testing.T) {
	hosts, _ := newFleet(t, 2)
	b := hosts[1]
	b.join(e2e.StartEngine(t, e2e.NewFolder(t).Dir).URL)
	if n := b.Fleet().Stats().Hosts; n != 2 {
		t.Errorf("before it connects it knows %d hosts", n)
	}
	m := revoke.Mark{Kind: revoke.KindSubject, Project: "main", Value: "ada"}
	b.revoke(m)
	e2e.Until(t, "the other host is missed", func() bool {
		reach, ok := b.Announce(t.Context(), m)
		if !ok || reach.Of != 2 {
			t.Fatalf("a change reaches %+v", reach)
		}
		return reach == fleet.Reach{Reached: 1, Of: 2, Silent: 1}
	})
}

// TestAStopRightAfterNewSettingsIsALeave: the settings before took none.
func TestAStopRightAfterNewSettingsIsALeave(t *testing.T) {
	hosts, engine := newFleet(t, 2)
	hosts[1].join(engine.URL, func(o *fleet.Options) { o.Label = "other" })
	hosts[1].stop()
	e2e.Until(t, "the other host knows that it has left", func() bool { return hosts[0].Fleet().Stats().Hosts == 1 })
}

// TestAHostThatCouldNotTakeLeaveCanStill: it joins again with settings that connect, and leaves.
func TestAHostThatCouldNotTakeLeaveCanStill(t *testing.T) {
	hosts, engine := newFleet(t, 2)
	a, b := hosts[0], hosts[1]
	b.join("unix://" + e2e.NewFolder(t).Path("nowhere"))
	b.plan(nil)
	e2e.Until(t, "the host is missed", func() bool { return a.Fleet().Stats().Silent == 1 })
	b.join(engine.URL)
	e2e.Until(t, "the host is heard", func() bool { return b.Fleet().Connected() && a.Fleet().Stats().Silent == 0 })
	b.plan(nil)
	e2e.Until(t, "the other host knows that it has left", func() bool { return a.Fleet().Stats().Hosts == 1 })
}
