package top

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/daemontest"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/protocol"
)

// counters is a daemon that answers STATS with one object after the other. For
// the object "" it answers that it is busy.
type counters struct {
	mu      sync.Mutex
	objects []string
	socket  string
}

func startCounters(t *testing.T, objects ...string) *counters {
	t.Helper()
	dir, err := os.MkdirTemp("", "na") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &counters{objects: objects, socket: filepath.Join(dir, "a.sock")}
	l, err := net.Listen("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go daemontest.Answer(nc, c.answer)
		}
	}()
	return c
}

func (c *counters) answer(r *protocol.Request) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if string(r.Verb) != "STATS" || len(c.objects) == 0 {
		return "ERR bad-request"
	}
	object := c.objects[0]
	if len(c.objects) > 1 {
		c.objects = c.objects[1:]
	}
	if object == "" {
		return "ERR busy retry-after=1"
	}
	return "OK " + object
}

// statsObject returns a daemon's counters after n seconds of steady work.
func statsObject(started, n int) string {
	return fmt.Sprintf(`{"version":"1.2.3","started":%d,"uptime":%d,"outcomes":{"accepted":%d,"rejected":%d,"unknown":%d},`+
		`"reasons":{"expired":%d,"bad-signature":%d},"codes":{"unavailable":%d},"latency":{"p50":0.0000042,"p99":0.0123,"hit_p99":0.00002,"miss_p99":1.5},"sources":{"upstream":%d,"cache":%d,"stale":%d,"client":%d},"watches":{"open":6,"told":%d},`+
		`"connections":{"open":34,"accepted":%d,"refused":0,"in_flight":3},`+
		`"cache":{"bytes":16777216,"max_bytes":67108864,"entries":41234,"hits":%d,"misses":%d,"evictions":0},"revocations":2,"panics":0,`+
		`"projects":[{"name":"main","preset":"stack","keys":2,"keys_age":%d,"keys_next":520,"keys_failures":0,`+
		`"upstream":{"calls":%d,"failures":0,"refused":0,"budget":19,"circuit":"closed","retry_after":0}},`+
		`{"name":"shop\u001b[2J","preset":"neon","keys":0,"keys_age":0,"keys_next":3,"keys_failures":4,`+
		`"upstream":{"calls":%d,"failures":%d,"refused":%d,"budget":7,"circuit":"open","retry_after":90}}]}`,
		started, 80+n, 1000*n, 30*n, 5*n, 20*n, 10*n, 5*n, 40*n, 950*n, 10*n, 250*n, 2*n, 12*n, 990*n, 10*n, 80+n, 3*n, 2*n, n, n/2)
}

// looker returns a run of top. Its looks are a second apart on its clock, but
// follow each other at once.
func looker(t *testing.T, socket string, count int) (w *watch, out, errs *bytes.Buffer) {
	t.Helper()
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	ticks := make(chan time.Time)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case ticks <- time.Time{}:
			case <-done:
				return
			}
		}
	}()
	// On this clock each question takes half a second, and so does the pause
	// between two.
	seen := time.Date(2026, 3, 1, 14, 2, 10, 500_000_000, time.UTC)
	return &watch{
		settings: &cli.Settings{Terminal: terminal.Terminal{In: strings.NewReader(""), Out: out, Err: errs}, AdminSocket: socket},
		interval: time.Second,
		count:    count,
		now:      func() time.Time { seen = seen.Add(500 * time.Millisecond); return seen },
		tick:     func(time.Duration) (<-chan time.Time, func()) { return ticks, func() {} },
	}, out, errs
}

const topHeading = "TIME     LOOKUPS/S  ACCEPTED  REJECTED   UNKNOWN   HIT%  UPSTREAM     CACHE   STALE    CLIENT  CALLS/S  BUDGET CIRCUIT    KEY-AGE  FILL%  CONNS      P50      P99  WRONG\n"

func TestTopPrintsALineForEachInterval(t *testing.T) {
	d := startCounters(t, statsObject(1, 0), statsObject(1, 1), statsObject(1, 3))
	w, out, errs := looker(t, d.socket, 2)
	if err := w.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := topHeading +
		"14:02:12      1035      1000        30       5.0   99.0        40       950      10       250      5.0       7 open         1m21s   25.0     34    4.2µs   12.3ms  unknown,stale,shop?[2J:circuit,shop?[2J:retry,shop?[2J:fail,shop?[2J:keys,shop?[2J:failed\n" +
		"14:02:13      2070      2000        60        10   99.0        80      1900      20       500       10       7 open         1m23s   25.0     34    4.2µs   12.3ms  unknown,stale,shop?[2J:circuit,shop?[2J:retry,shop?[2J:fail,shop?[2J:held,shop?[2J:keys,shop?[2J:failed\n"
	if out.String() != want || errs.Len() > 0 {
		t.Errorf("printed\n%s%s\nwant\n%s", out, errs, want)
	}
}

func TestTopKnowsNoRatesAcrossARestart(t *testing.T) {
	d := startCounters(t, statsObject(1, 50), statsObject(2, 60), statsObject(2, 61))
	w, out, _ := looker(t, d.socket, 2)
	if err := w.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[1], "14:02:12         -         -         -         -      - ") || !strings.HasPrefix(lines[2], "14:02:13      1035 ") {
		t.Errorf("printed\n%s", out)
	}
}

func TestTopGoesOnWhileTheDaemonDoesNotAnswer(t *testing.T) {
	d := startCounters(t, statsObject(1, 0), "", statsObject(1, 4), "")
	w, out, errs := looker(t, d.socket, 3)
	if err := w.run(context.Background()); err != cli.ExitUnknown {
		t.Errorf("the last look failed, and the end is %v", err)
	}
	if !strings.Contains(out.String(), "\n14:02:13      2070 ") {
		t.Errorf("the rates over the gap are not in\n%s", out)
	}
	if n := strings.Count(errs.String(), "no answer: neonauthd: daemon answers busy"); n != 2 {
		t.Errorf("two looks failed, reported:\n%s", errs)
	}
}

func TestTopEndsWhenThereIsNoDaemon(t *testing.T) {
	w, out, errs := looker(t, "/nowhere/a.sock", 0)
	if err := w.run(context.Background()); err != cli.ExitUnknown || out.Len() > 0 || !strings.Contains(errs.String(), "is neonauthd running") {
		t.Errorf("%v, printed %q and %q", err, out, errs)
	}
}

func TestTopEndsWhenItIsTold(t *testing.T) {
	d := startCounters(t, statsObject(1, 0))
	w, _, _ := looker(t, d.socket, 0)
	ctx, stop := context.WithCancel(context.Background())
	now := w.now
	asked := 0
	w.now = func() time.Time {
		if asked++; asked == 20 {
			stop()
		}
		return now()
	}
	if err := w.run(ctx); err != nil {
		t.Error(err)
	}
}

func TestTopPrintsObjectsAsTheyCome(t *testing.T) {
	d := startCounters(t, `{"started":1}`, `{"started":1,"new":12345678901234567890}`, "", `{}`)
	w, out, _ := looker(t, d.socket, 3)
	w.settings.JSON = true
	if err := w.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || lines[0] != `{"started":1,"new":12345678901234567890}` || !strings.HasPrefix(lines[1], `{"code":"busy","retry_after":1,`) || lines[2] != "{}" {
		t.Errorf("printed\n%s", out)
	}
}

func TestTopRefusesStatsThatItCannotRead(t *testing.T) {
	d := startCounters(t, `{"uptime":"long"}`)
	w, _, errs := looker(t, d.socket, 1)
	if err := w.run(context.Background()); err != cli.ExitUnknown || !strings.Contains(errs.String(), "cannot be read") {
		t.Errorf("%v, %s", err, errs)
	}
}
