package daemon

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/standintest"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// timed is a daemon with one token that the test asks about.
type timed struct {
	*liveDaemon
	token string
	wrong time.Duration // how far the clock is ahead

	watching *talk             // a watch that keep has opened
	former   protocol.Revision // of the answer that keep had
	handles  string            // of that answer
}

func newTimed(t *testing.T) *timed {
	w := &timed{liveDaemon: newLiveDaemon(t, func(c *config.Config) { c.Projects = c.Projects[:1] })}
	w.settle()
	w.token = w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, IssuedAt: w.clock.Right().Add(-2 * time.Hour), Lifetime: 90 * 24 * time.Hour})
	return w
}

// settle waits for the fetch of the key set that a start makes.
func (w *timed) settle() {
	p := w.daemon.projects().First
	e2e.Until(w.t, "the keys are fetched", func() bool { return p.State(w.clock.now()).Keys.Fetches > 0 })
}

func (w *timed) happen(e event) {
	if e.restart {
		w.halt()
	}
	w.clock.Step(e.step)
	w.clock.Advance(e.pass)
	w.clock.Sleep(e.sleep)
	w.wrong = e.step
	if e.restart {
		w.start()
		w.settle()
	}
}

// answer asks about the token, and returns the reply's first words: OK and the
// source, NO and the reason, or ERR and the code.
func (w *timed) answer(verb string) string {
	reply := w.dial().Ask("%s %s", verb, w.token)
	if source := e2e.Field(reply, "source"); source != "" {
		return "OK " + source
	}
	return head(reply)
}

// answerUntilFresh asks until the answer does not rest on an old key set any
// more, because its refresh is in progress.
func (w *timed) answerUntilFresh() string {
	answer := w.answer("VERIFY")
	for began := time.Now(); answer == "OK stale" && time.Since(began) < testTimeout; {
		answer = w.answer("VERIFY")
	}
	return answer
}

// answerAndSetRight asks, sets the clock right, and asks again.
func (w *timed) answerAndSetRight() string {
	answer := w.answer("VERIFY")
	w.clock.Step(-w.wrong)
	return answer + ", " + w.answer("VERIFY")
}

// keep asks as a client that keeps the answer, and opens its watch.
func (w *timed) keep() {
	w.t.Helper()
	reply := w.dial().Ask("VERIFY keep=1 %s", w.token)
	var err error
	if w.former, err = protocol.ParseRevision([]byte(e2e.Field(reply, "rev"))); err != nil {
		w.t.Fatalf("%v: %s", err, reply)
	}
	w.handles = e2e.Field(reply, "handles")
	w.watching = w.watch()
}

// keeping returns what a client gets that goes on: an answer and whether it may be kept, the reply to
// SEEN on its watch or to another WATCH, and when REVOKE returns.
func (w *timed) keeping() string {
	reply := w.dial().Ask("VERIFY keep=1 %s", w.token)
	text := "OK " + e2e.Field(reply, "source")
	if _, err := protocol.ParseRevision([]byte(e2e.Field(reply, "rev"))); err == nil {
		text += " kept"
	}
	admin, asked := w.dialAdmin(), time.Now()
	if w.lost() {
		text += ", the watch ends, WATCH of "
		w.watching = w.dial()
		asked = time.Now()
		if now, err := protocol.ParseRevision([]byte(e2e.Field(w.watching.Ask("WATCH"), "rev"))); err != nil || now.Run == w.former.Run {
			text += "the same run"
		} else {
			text += "another run"
		}
	} else {
		text += ", SEEN granted"
	}
	return text + w.revoking(admin, asked)
}

// revoking returns when REVOKE returns. The watch has asked for its lease at that time. On a busy
// machine the lease may be over before the daemon reads REVOKE, which then has nothing to wait
// for; this is tried again with another lease.
func (w *timed) revoking(admin *talk, asked time.Time) string {
	for n := 1; ; n++ {
		admin.Send(fmt.Sprintf("@1 REVOKE subject somebody-%d\n@2 PING\n", n))
		reply := admin.Receive()
		if reply == "@2 OK" {
			w.watching.forgotten("")
			return ", REVOKE waits for SEEN" + strings.TrimPrefix(head(admin.Receive()), "@1 OK")
		}
		if time.Since(asked) < lease.Length || n == 5 {
			return ", REVOKE does not wait: " + reply
		}
		admin.Receive() // the reply to PING
		asked = time.Now()
		w.watching.forgotten("") // asks for another lease
	}
}

// lost asks for another lease, and reports whether the watch has ended instead.
func (w *timed) lost() bool {
	if _, err := w.watching.Conn.Write([]byte("SEEN rev=0 hits=0\n")); err != nil {
		return true
	}
	line, err := w.watching.In.ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "OK lease=1000 ") {
		w.t.Errorf("SEEN: %s", line)
	}
	return err != nil
}

// toldOfKeys asks until the answer does not rest on an old key set, and then returns what the watch
// was told before.
func (w *timed) toldOfKeys() string {
	answer := w.answerUntilFresh()
	if !strings.HasPrefix(answer, "NO") {
		w.watching.quiet(answer)
		return answer
	}
	line, err := w.watching.In.ReadString('\n')
	switch {
	case err != nil:
		return answer + ", the watch ends"
	case strings.HasPrefix(line, "OK forget=* "):
		return answer + ", told to forget everything"
	case strings.HasPrefix(line, "OK forget="):
		return answer + ", told to forget"
	}
	return answer + ", " + line
}

func (w *timed) fail(at standin.Endpoint, status int) {
	w.upstream.Inject(at, standin.Fault{Kind: standin.Status, Status: status})
}

// hold makes the upstream answer no request for the key set until release is
// called, so that the refresh cannot end before the lookup that began it is
// answered.
func (w *timed) hold() (release func()) {
	until := make(chan struct{})
	w.upstream.Inject(standin.Keys, standin.Fault{Kind: standin.Delay, Until: until, Times: 1})
	return func() { close(until) }
}

// withdraw withdraws the key that has signed the token.
func (w *timed) withdraw() {
	signer := standintest.KeyID(w.t, w.token)
	w.upstream.Rotate(standin.Stack, false)
	if !w.upstream.WithdrawKey(signer) {
		w.t.Fatal("there is no such key")
	}
}

// stranger returns a token under a key that nobody has published.
func (w *timed) stranger(kid string) string {
	return w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, IssuedAt: w.clock.Right().Add(-2 * time.Hour), Lifetime: 90 * 24 * time.Hour, Header: map[string]any{"kid": "stranger-" + kid}})
}

func (w *timed) await(at standin.Endpoint, n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := w.upstream.AwaitCalls(ctx, at, n); err != nil {
		w.t.Error(err)
	}
}

// asked returns how often lookups have asked the upstream.
func (w *timed) asked() asked { return asked{w.upstream.Calls(standin.StackKeys), w.calls()} }

type asked struct{ keys, profiles int }

func (a asked) since(before asked) (text string) {
	if a.keys > before.keys {
		text += " +keys"
	}
	if a.profiles > before.profiles {
		text += " +profile"
	}
	if a.profiles > before.profiles+1 {
		text += fmt.Sprintf(" %d times", a.profiles-before.profiles)
	}
	return text
}
