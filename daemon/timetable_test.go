package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// The timetable shows what the daemon answers, and when it asks the upstream, after an event: its
// host's clock was stepped, the host slept, or the daemon was restarted with a right or a wrong
// clock. Each row is about something that lasts for a limited time. Each cell is the answer to a
// question right after the event, with +keys or +profile if the upstream was asked for it since. If
// two rows differ in one thing only, this difference is why both are here. The row of the refresh in
// the background, which no question causes, is TestRefreshesThatNobodyAsksFor of package keyring, and
// what a client does with the answers that it keeps is in client/testdata/transcripts.

// The columns.
const (
	ahead10s = iota
	ahead25h
	back1h
	back1hLater
	asleep8h
	restarted
	restarted31dAhead
	restarted1hBehind

	columns
)

// events are the events of the columns.
func events() [columns]event {
	const h = time.Hour
	return [columns]event{
		ahead10s:          {name: "a step of ten seconds", step: 10 * time.Second},
		ahead25h:          {name: "a step of 25 hours", step: 25 * h},
		back1h:            {name: "a step back of an hour", step: -h},
		back1hLater:       {name: "a step back and an hour passes", step: -h, pass: h},
		asleep8h:          {name: "a sleep of eight hours", sleep: 8 * h},
		restarted:         {name: "a restart", restart: true},
		restarted31dAhead: {name: "a restart, 31 days ahead", step: 31 * 24 * h, restart: true},
		restarted1hBehind: {name: "a restart, an hour behind", step: -h, restart: true},
	}
}

type event struct {
	name              string
	step, pass, sleep time.Duration
	restart           bool
}

// rows are the things that last for a limited time. Tokens live for 90 days unless a row says
// otherwise, and key sets are fresh for an hour.
func rows() []row { return slices.Concat(verdicts(), profileRows(), refusals(), pauses(), watches()) }

func verdicts() []row {
	verify := func(w *timed) string { return w.answer("VERIFY") }
	return []row{
		{
			"a verdict", func(w *timed) { w.answer("VERIFY") }, verify,
			// A set from 25 hours ago verifies nothing, so the token is verified again. A set from
			// eight hours ago still verifies, and is refreshed after the answer.
			cells{
				ahead10s: "OK cache", ahead25h: "OK upstream +keys",
				back1h: "OK cache", back1hLater: "OK stale +keys",
				asleep8h: "OK stale +keys", restarted: "OK upstream +keys",
				restarted31dAhead: "OK upstream +keys", restarted1hBehind: "OK upstream +keys",
			},
		},
		{
			"a verdict on a token of an hour", func(w *timed) { w.token = w.liveDaemon.token(); w.answer("VERIFY") }, verify,
			cells{
				ahead10s: "OK cache", ahead25h: "NO expired +keys",
				back1h: "OK cache", back1hLater: "OK stale +keys",
				asleep8h: "NO expired +keys", restarted: "OK upstream +keys",
				restarted31dAhead: "NO expired +keys", restarted1hBehind: "NO not-yet-valid +keys",
			},
		},
		{
			"a verdict, without an upstream", func(w *timed) { w.answer("VERIFY"); w.fail(standin.Keys, 503) }, verify,
			// A saved set is good for a day after it was fetched, by a clock with which its times
			// are possible.
			cells{
				ahead10s: "OK cache", ahead25h: "ERR unavailable +keys",
				back1h: "OK cache", back1hLater: "OK stale +keys",
				asleep8h: "OK stale +keys", restarted: "OK stale +keys",
				restarted31dAhead: "ERR keys-pending +keys", restarted1hBehind: "ERR keys-pending +keys",
			},
		},
		{
			"a key that was withdrawn", func(w *timed) { w.answer("VERIFY"); w.withdraw() }, (*timed).answerUntilFresh,
			// Without an event the key is good until the regular refresh.
			cells{
				ahead10s: "OK cache", ahead25h: "NO unknown-key +keys",
				back1h: "OK cache", back1hLater: "NO unknown-key +keys",
				asleep8h: "NO unknown-key +keys", restarted: "NO unknown-key +keys",
				restarted31dAhead: "NO unknown-key +keys", restarted1hBehind: "NO unknown-key +keys",
			},
		},
	}
}

func profileRows() []row {
	profile := func(w *timed) string { return w.answer("PROFILE") }
	return []row{
		{
			"a fresh profile", func(w *timed) { w.answer("PROFILE") }, profile,
			cells{
				ahead10s: "OK cache", ahead25h: "OK upstream +keys +profile",
				back1h: "OK cache", back1hLater: "OK upstream +keys +profile",
				asleep8h: "OK upstream +keys +profile", restarted: "OK upstream +keys +profile",
				restarted31dAhead: "OK upstream +keys +profile", restarted1hBehind: "OK upstream +keys +profile",
			},
		},
		{
			"a stale profile", func(w *timed) {
				w.answer("PROFILE")
				w.fail(standin.Me, 503)
				w.clock.Advance(61 * time.Second)
			}, profile,
			cells{
				ahead10s: "OK stale +profile", ahead25h: "ERR unavailable +keys +profile",
				back1h: "OK stale +profile", back1hLater: "ERR unavailable +keys +profile",
				asleep8h: "ERR unavailable +keys +profile", restarted: "ERR unavailable +keys +profile",
				restarted31dAhead: "ERR unavailable +keys +profile", restarted1hBehind: "ERR unavailable +keys +profile",
			},
		},
	}
}

func refusals() []row {
	verify := func(w *timed) string { return w.answer("VERIFY") }
	profile := func(w *timed) string { return w.answer("PROFILE") }
	return []row{
		{
			"a revocation", func(w *timed) {
				w.answer("VERIFY")
				w.dialAdmin().Ask("REVOKE subject %s", w.user.ID)
			}, (*timed).answerAndSetRight,
			// Even a start with a wrong clock does not end the revocation.
			cells{
				ahead10s: "NO revoked, NO revoked", ahead25h: "NO revoked, NO revoked +keys",
				back1h: "NO revoked, NO revoked", back1hLater: "NO revoked, NO revoked +keys",
				asleep8h: "NO revoked, NO revoked +keys", restarted: "NO revoked, NO revoked +keys",
				restarted31dAhead: "NO revoked, NO revoked +keys", restarted1hBehind: "NO revoked, NO revoked +keys",
			},
		},
		{
			"a rejection", func(w *timed) {
				w.token = w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Forged: true})
				w.answer("VERIFY")
			}, verify,
			cells{
				ahead10s: "NO bad-signature", ahead25h: "NO bad-signature +keys",
				back1h: "NO bad-signature", back1hLater: "NO bad-signature +keys",
				asleep8h: "NO bad-signature +keys", restarted: "NO bad-signature +keys",
				restarted31dAhead: "NO bad-signature +keys", restarted1hBehind: "NO bad-signature +keys",
			},
		},
		{
			"a rejection that rests on the clock", func(w *timed) {
				w.token = w.upstream.StackToken(standin.TokenSpec{IssuedAt: w.clock.Right().Add(-2 * time.Hour), Expires: w.clock.Right().Add(time.Minute)})
				w.clock.Advance(2 * time.Minute)
				w.answer("VERIFY")
			}, verify,
			cells{
				ahead10s: "NO expired", ahead25h: "NO expired +keys",
				back1h: "OK upstream", back1hLater: "NO expired +keys",
				asleep8h: "NO expired +keys", restarted: "NO expired +keys",
				restarted31dAhead: "NO expired +keys", restarted1hBehind: "OK upstream +keys",
			},
		},
		{
			"an upstream's denial", func(w *timed) {
				w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "UNPARSABLE_ACCESS_TOKEN"})
				w.answer("PROFILE")
				w.upstream.ClearAll()
			}, profile,
			// The denial is remembered for 15 seconds; the upstream would say yes now.
			cells{
				ahead10s: "NO rejected-upstream", ahead25h: "OK upstream +keys +profile",
				back1h: "NO rejected-upstream", back1hLater: "OK upstream +keys +profile",
				asleep8h: "OK upstream +keys +profile", restarted: "OK upstream +keys +profile",
				restarted31dAhead: "OK upstream +keys +profile", restarted1hBehind: "OK upstream +keys +profile",
			},
		},
	}
}

func pauses() []row {
	verify := func(w *timed) string { return w.answer("VERIFY") }
	profile := func(w *timed) string { return w.answer("PROFILE") }
	return []row{
		{
			"the cooldown", func(w *timed) { w.token = w.stranger("a"); w.answer("VERIFY"); w.token = w.stranger("b") }, verify,
			// Two tokens under made-up keys: the second key is looked for after half a minute.
			cells{
				ahead10s: "ERR keys-pending", ahead25h: "NO unknown-key +keys",
				back1h: "ERR keys-pending", back1hLater: "NO unknown-key +keys",
				asleep8h: "NO unknown-key +keys", restarted: "NO unknown-key +keys",
				restarted31dAhead: "NO unknown-key +keys", restarted1hBehind: "NO unknown-key +keys",
			},
		},
		{
			"a pause that the upstream asked for", func(w *timed) {
				w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 429, RetryAfter: "60"})
				w.answer("PROFILE")
				w.upstream.ClearAll()
			}, profile,
			cells{
				ahead10s: "ERR unavailable", ahead25h: "OK upstream +keys +profile",
				back1h: "ERR unavailable", back1hLater: "OK upstream +keys +profile",
				asleep8h: "OK upstream +keys +profile", restarted: "OK upstream +keys +profile",
				restarted31dAhead: "OK upstream +keys +profile", restarted1hBehind: "OK upstream +keys +profile",
			},
		},
		{
			"an open circuit", func(w *timed) {
				w.fail(standin.Me, 503)
				for range 5 {
					w.answer("PROFILE")
				}
				w.upstream.ClearAll()
			}, profile,
			// The circuit is open for about a second, the first time.
			cells{
				ahead10s: "OK upstream +profile", ahead25h: "OK upstream +keys +profile",
				back1h: "ERR unavailable", back1hLater: "OK upstream +keys +profile",
				asleep8h: "OK upstream +keys +profile", restarted: "OK upstream +keys +profile",
				restarted31dAhead: "OK upstream +keys +profile", restarted1hBehind: "OK upstream +keys +profile",
			},
		},
	}
}

// watches are the rows of a client that keeps answers. In the daemon leases go by the monotonic clock of
// the host, which stands still in a sleep and follows no step (the client's own end by the clock that says
// more): so the watch goes on, and a revocation returns when the watch has seen it. A restart tells the watch to forget
// everything and ends it, and nothing of the former run is kept.
func watches() []row {
	const goesOn, over = ", SEEN granted, REVOKE waits for SEEN", ", the watch ends, WATCH of another run, REVOKE waits for SEEN"
	return []row{
		{
			"a watch", (*timed).keep, (*timed).keeping,
			cells{
				ahead10s: "OK cache kept" + goesOn, ahead25h: "OK upstream kept" + goesOn + " +keys",
				back1h: "OK cache kept" + goesOn, back1hLater: "OK stale kept" + goesOn + " +keys",
				asleep8h: "OK stale kept" + goesOn + " +keys", restarted: "OK upstream kept" + over + " +keys",
				restarted31dAhead: "OK upstream kept" + over + " +keys", restarted1hBehind: "OK upstream kept" + over + " +keys",
			},
		},
		{
			// The watch is told before the first answer that rests on the newer key set.
			"a watch, and a key that was withdrawn", func(w *timed) { w.keep(); w.withdraw() }, (*timed).toldOfKeys,
			cells{
				ahead10s: "OK cache", ahead25h: "NO unknown-key, told to forget +keys",
				back1h: "OK cache", back1hLater: "NO unknown-key, told to forget +keys",
				asleep8h: "NO unknown-key, told to forget +keys", restarted: "NO unknown-key, told to forget everything +keys",
				restarted31dAhead: "NO unknown-key, told to forget everything +keys", restarted1hBehind: "NO unknown-key, told to forget everything +keys",
			},
		},
	}
}

type row struct {
	name string
	set  func(*timed)        // begins what the row is about
	ask  func(*timed) string // asks about it
	want cells               // one for each event
}

type cells [columns]string

func TestTheTimetable(t *testing.T) {
	for _, r := range rows() {
		for i, e := range events() {
			t.Run(r.name+", "+e.name, func(t *testing.T) {
				w := newTimed(t)
				r.set(w)
				before := w.asked()
				release := func() {}
				if strings.HasPrefix(r.want[i], "OK stale") && !e.restart {
					release = w.hold()
				}
				w.happen(e)
				answer := r.ask(w)
				release()
				if strings.Contains(r.want[i], "+keys") { // the fetch may come after the answer
					w.await(standin.StackKeys, before.keys+1)
				}
				if got := answer + w.asked().since(before); got != r.want[i] {
					t.Errorf("%s, want %s", got, r.want[i])
				}
			})
		}
	}
}
