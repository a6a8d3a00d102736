package program

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// timeless is a text handler whose lines do not begin with the time.
func timeless(out *bytes.Buffer) slog.Handler {
	return slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

func TestAFloodOfOneKindIsCutAndCounted(t *testing.T) {
	for lines, logged := range map[int]int{MaxLines - 1: MaxLines - 1, MaxLines: MaxLines, MaxLines + 1: MaxLines, 1000: MaxLines} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			h := NewRare(timeless(&out))
			log := slog.New(h).With("project", "main")
			for range lines {
				log.Warn("flood")
			}
			log.Warn("another")
			if n := strings.Count(out.String(), "msg=flood"); n != logged {
				t.Errorf("%d of %d lines of a flood are logged, want %d", n, lines, logged)
			}
			if !strings.Contains(out.String(), "msg=another") {
				t.Error("a flood of one kind kept out another")
			}
			if n := h.LeftOut(); n != uint64(lines-logged) {
				t.Errorf("%d of %d lines are counted as left out", n, lines)
			}
			time.Sleep(time.Second)
			out.Reset()
			log.Warn("flood")
			want := "level=WARN msg=flood project=main\n"
			if lines > logged {
				want = fmt.Sprintf("level=WARN msg=\"more lines of this kind were left out\" kind=flood lines=%d\n", lines-logged) + want
			}
			if got := out.String(); got != want {
				t.Errorf("a second later:\n%swant\n%s", got, want)
			}
		})
	}
}

func TestSomeLinesAreRarerThanOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := NewRare(timeless(&out))
		log := slog.New(h)
		say := func() {
			for range 5 {
				log.Warn("now and then", Every(10*time.Second), slog.Int("n", 1))
				log.Warn("each", Every(time.Minute, "a"))
				log.Warn("each", Every(time.Minute, "b", "c"))
				log.Info("once", Once())
			}
		}
		expect := func(when, want string) {
			t.Helper()
			if got := out.String(); got != want {
				t.Errorf("%s:\n%swant\n%s", when, got, want)
			}
			out.Reset()
		}
		say()
		expect("at first", "level=WARN msg=\"now and then\" n=1\nlevel=WARN msg=each\nlevel=WARN msg=each\nlevel=INFO msg=once\n")
		time.Sleep(10*time.Second - 1)
		h.Tell(time.Now())
		say()
		expect("just before the first is due", "")
		time.Sleep(time.Nanosecond)
		say()
		expect("when the first is due", "level=WARN msg=\"more lines of this kind were left out\" kind=\"now and then\" lines=9\nlevel=WARN msg=\"now and then\" n=1\n")
		time.Sleep(10 * time.Second)
		h.Tell(time.Now())
		expect("when the first is over", "level=WARN msg=\"more lines of this kind were left out\" kind=\"now and then\" lines=4\n")
		if n := h.LeftOut(); n != 4+5+4+2*(4+5+5) {
			t.Errorf("%d lines are counted", n)
		}
		h.TellAll(time.Now())
		if got := out.String(); strings.Count(got, "kind=each lines=14 of=") != 2 || !strings.Contains(got, `of="b: c"`) || strings.Contains(got, "once") {
			t.Errorf("at the end:\n%s", got)
		}
	})
}

// TestAFrequencyShowsNowhere: neither where it takes effect nor in another
// handler.
func TestAFrequencyShowsNowhere(t *testing.T) {
	var text, plain, object bytes.Buffer
	for _, h := range []slog.Handler{NewRare(timeless(&text)), timeless(&plain), slog.NewJSONHandler(&object, nil)} {
		slog.New(h).WithGroup("g").Info("line", Every(time.Second, "of"), slog.Int("n", 1))
	}
	if want := "level=INFO msg=line g.n=1\n"; text.String() != want || plain.String() != want {
		t.Errorf("%s%swant\n%s", text.String(), plain.String(), want)
	}
	if got := object.String(); !strings.HasSuffix(got, `"msg":"line","g":{"n":1}}`+"\n") {
		t.Error(got)
	}
}

func TestWhatWasLeftOutIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	h := NewRare(timeless(&out))
	for range MaxLines + 7 {
		slog.New(h).Error("flood")
	}
	for range 2 {
		h.TellAll(time.Now())
	}
	if n := strings.Count(out.String(), "kind=flood lines=7\n"); n != 1 {
		t.Errorf("the count was told %d times, want once", n)
	}
}

func TestKindsAreBounded(t *testing.T) {
	var out bytes.Buffer
	h := NewRare(timeless(&out))
	for i := range 3 * maxKinds {
		record := slog.NewRecord(time.Time{}, slog.LevelInfo, fmt.Sprint("kind ", i), 0)
		if err := h.Handle(context.Background(), record); err != nil {
			t.Fatal(err)
		}
		if n, want := len(h.kinds), i%maxKinds+1; n != want {
			t.Fatalf("%d kinds are remembered, want %d", n, want)
		}
	}
}
