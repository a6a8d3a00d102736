package serve

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// asItWas returns a verdict unchanged.
func asItWas(_ *resolve.Lookup, v resolve.Verdict) resolve.Verdict { return v }

// TestRepliesThatWaitForTheirTurnShareTheirProfile: if many replies with one
// large profile wait behind a slow lookup, they must not cost a copy each,
// neither while they wait nor when they are written.
func TestRepliesThatWaitForTheirTurnShareTheirProfile(t *testing.T) {
	const waiting, size = 255, 1 << 20
	k := newHarness(t, nil)
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	o := newOutbox(ours, fair.ID{}, nil, &Server{wide: newWideBuffers(), counters: NewCounters(nil)}, waiting+1, outboxCalls{asItWas, notInFleet, func() { t.Error("the connection broke") }})
	body := append(append([]byte(`{"a":"`), bytes.Repeat([]byte{'x'}, size)...), `"}`...)
	places := make([]*slot, waiting+1)
	for i := range places {
		places[i] = o.reserve(nil)
	}
	v := k.accepted(resolve.LevelProfile, body)
	before := e2e.Heap()
	bodies := fair.NewBodies(fair.UnsentBodies())
	for _, place := range places[1:] {
		held, _ := bodies.Hold(fair.ID{}, body, nil, nil)
		o.verdict(nil, place, &question{}, v, held)
	}
	if grown := e2e.Heap() - before; grown > 8*size {
		t.Errorf("%d bytes are held for one profile of %d", grown, size)
	}
	lines := make(chan int)
	go func() {
		defer close(lines)
		for r := bufio.NewReader(theirs); ; {
			n, err := skipLine(r)
			if err != nil {
				return
			}
			lines <- n
		}
	}()
	var writing sync.WaitGroup
	writing.Go(func() {
		v := resolve.Verdict{Outcome: protocol.Rejected(protocol.ReasonMalformed)}
		o.verdict(nil, places[0], &question{}, &v, fair.Held{})
		o.flush()
	})
	for i := range places {
		n := <-lines
		if i > 0 && n < size || i == 0 && n > 64 {
			t.Fatalf("reply %d has %d bytes", i, n)
		}
		if i == waiting/2 {
			if grown := e2e.Heap() - before; grown > 16*size {
				t.Errorf("%d bytes are held while they are written", grown)
			}
		}
	}
	_ = theirs.Close()
	<-lines
	writing.Wait()
	if o.held != 0 || bodies.Taken() != 0 {
		t.Errorf("%d and %d bytes count as held when nothing waits", o.held, bodies.Taken())
	}
}

// TestAConnectionThatEndsGivesBackItsBodies: bodies that were being written,
// and bodies that waited behind a reply that never came.
func TestAConnectionThatEndsGivesBackItsBodies(t *testing.T) {
	k := newHarness(t, nil)
	for name, end := range map[string]func(o *outbox, theirs net.Conn){
		"the peer leaves":    func(_ *outbox, theirs net.Conn) { _ = theirs.Close() },
		"a reply is missing": func(o *outbox, _ net.Conn) { _ = o.net.Close(); o.abort(errors.New("missing")) },
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			o := newOutbox(ours, fair.ID{}, nil, &Server{wide: newWideBuffers(), counters: NewCounters(nil)}, 9, outboxCalls{asItWas, notInFleet, func() {}})
			bodies := fair.NewBodies(fair.UnsentBodies())
			body := bytes.Repeat([]byte{'x'}, MinShared)
			v := k.accepted(resolve.LevelClaims, body)
			hand := func(tag string, place *slot) {
				held, _ := bodies.Hold(fair.ID{}, body, nil, nil)
				o.verdict([]byte(tag), place, &question{}, v, held)
			}
			o.reserve(nil)
			hand("", o.reserve(nil))
			hand("", nil)
			var writing sync.WaitGroup
			writing.Go(func() { hand("tag", nil) })
			if _, err := theirs.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			end(o, theirs)
			writing.Wait()
			hand("late", nil)
			hand("", nil)
			if bodies.Taken() == 0 {
				t.Fatal("nothing is held, so nothing is shown")
			}
			o.close()
			if n := bodies.Taken(); n != 0 {
				t.Errorf("%d bytes are still held", n)
			}
		})
	}
}

// TestAPanicWhileAReplyIsJudgedAgainEndsItsConnectionOnly: the reply that waited is
// missing then. Its body is given back once, and no later reply takes its place.
func TestAPanicWhileAReplyIsJudgedAgainEndsItsConnectionOnly(t *testing.T) {
	k := newHarness(t, nil)
	ours, theirs := net.Pipe()
	defer theirs.Close()
	fails := func(*resolve.Lookup, resolve.Verdict) resolve.Verdict { panic("a fault") }
	o := newOutbox(ours, fair.ID{}, nil, &Server{wide: newWideBuffers(), counters: NewCounters(nil)}, 9, outboxCalls{fails, notInFleet, func() {}})
	bodies := fair.NewBodies(fair.UnsentBodies())
	body := bytes.Repeat([]byte{'x'}, MinShared)
	first, second, third := o.reserve(nil), o.reserve(nil), o.reserve(nil)
	held, _ := bodies.Hold(fair.ID{}, body, nil, nil)
	o.verdict(nil, second, &question{}, k.accepted(resolve.LevelClaims, body), held)
	ready := func(place *slot) (panicked any) {
		defer func() { panicked = recover() }()
		reply := Done()
		o.reply(place, &reply)
		return nil
	}
	if ready(first) == nil {
		t.Fatal("nothing panicked, so nothing is shown")
	}
	if panicked := ready(third); panicked != nil {
		t.Errorf("a later reply is handed over: %v", panicked)
	}
	if got := string(o.out); got != "OK\n" {
		t.Errorf("%q is to be written, want the first reply alone", got)
	}
	o.abort(errMissing)
	o.close()
	if n := bodies.Taken(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// writes notes the size of each write.
type writes struct {
	net.Conn
	sizes []int
}

func (w *writes) Write(p []byte) (int, error) {
	w.sizes = append(w.sizes, len(p))
	return len(p), nil
}

func (w *writes) SetWriteDeadline(time.Time) error { return nil }

// TestConnectionsGatherLittleOnceTheWideBuffersAreLent: the connection that
// gets the caller's last wide buffer, and the next one, which gets none.
func TestConnectionsGatherLittleOnceTheWideBuffersAreLent(t *testing.T) {
	wide := newWideBuffers()
	hand := func(o *outbox, bytes int) {
		for n := 0; n < bytes; n += 100 {
			o.refusal([]byte("tag"), nil, &Refusal{Code: protocol.CodeBusy, Advice: strings.Repeat("x", 100-len("@tag ERR busy \n"))})
		}
	}
	var all []*outbox
	for i := range fair.WideBuffers().Each + 1 {
		w := &writes{}
		o := newOutbox(w, fair.ID{UID: 1}, nil, &Server{wide: wide, counters: NewCounters(nil)}, 9, outboxCalls{asItWas, notInFleet, func() {}})
		all = append(all, o)
		hand(o, MaxGathered+100)
		if lent := o.lent != nil; lent != (i < fair.WideBuffers().Each) || lent != (len(w.sizes) == 0) {
			t.Fatalf("connection %d: lent %v, %d writes", i, lent, len(w.sizes))
		}
		hand(o, MaxGatheredWide)
		for _, n := range w.sizes {
			if most := map[bool]int{true: MaxGatheredWide, false: MaxGathered}[i < fair.WideBuffers().Each]; n < most || n > most+100 {
				t.Errorf("connection %d: %d bytes are written at once, want %d", i, n, most)
			}
		}
	}
	for i := range all {
		all[i].flush()
		if all[i].lent != nil || cap(all[i].out) > MaxGathered+2*MinShared {
			t.Errorf("connection %d keeps a buffer of %d bytes", i, cap(all[i].out))
		}
	}
	if n := wide.lent.Taken(); n != 0 {
		t.Errorf("%d wide buffers are lent still", n)
	}
}

// skipLine reads to the end of a line and returns its length.
func skipLine(r *bufio.Reader) (n int, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += len(part)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
	}
}

// TestTheSizeOfAnAnswerThatIsAccountedForIsTrue, rounded up to the next size of
// the allocator.
func TestTheSizeOfAnAnswerThatIsAccountedForIsTrue(t *testing.T) {
	if is := reflect.TypeFor[answer]().Size() + reflect.TypeFor[slot]().Size(); is > answerBytes || answerBytes > is+is/4 {
		t.Errorf("an answer with its slot takes %d bytes, %d are counted", is, answerBytes)
	}
}

// TestWhatIsCountedIsWhatIsAnswered: a host that has not heard its fleet for too long
// answers "could not tell" to what it would accept.
func TestWhatIsCountedIsWhatIsAnswered(t *testing.T) {
	k := newHarness(t, nil)
	for name, row := range map[string]struct {
		hearing  membership.Hearing
		heard    time.Duration // that the lookup asks for
		accepted uint64
	}{
		"no fleet":               {membership.Hearing{}, 0, 1},
		"heard":                  {membership.Hearing{InFleet: true, Ever: true}, time.Second, 1},
		"blind, serves":          {membership.Hearing{InFleet: true, Ever: true, Blind: true, Age: time.Minute}, 0, 1},
		"blind, refuses":         {membership.Hearing{InFleet: true, Ever: true, Blind: true, Refuses: true, Age: time.Minute}, 0, 0},
		"blind for too long":     {membership.Hearing{InFleet: true, Ever: true, Blind: true, Age: time.Minute}, time.Second, 0},
		"has never heard anyone": {membership.Hearing{InFleet: true, Blind: true}, time.Second, 0},
	} {
		ours, theirs := net.Pipe()
		counters := NewCounters(nil)
		o := newOutbox(ours, fair.ID{}, nil, &Server{wide: newWideBuffers(), counters: counters}, 1,
			outboxCalls{asItWas, func() membership.Hearing { return row.hearing }, func() { t.Error("the connection broke") }})
		q := &question{}
		q.Heard = row.heard
		o.verdict(nil, nil, q, k.accepted(resolve.LevelClaims, nil), fair.Held{})
		if said := string(o.out); strings.HasPrefix(said, "OK ") != (row.accepted == 1) {
			t.Errorf("%s: answered %q", name, said)
		}
		if got := counters.Totals(); got.Outcomes[protocol.OK] != row.accepted || got.Codes[string(protocol.CodeUnavailable)] != 1-row.accepted {
			t.Errorf("%s: counted %v, %v", name, got.Outcomes, got.Codes)
		}
		_, _ = ours.Close(), theirs.Close()
	}
}
