package top

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// pseudoterminal returns both ends of a pseudoterminal: the person's and the
// program's.
func pseudoterminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	need.Host(t, err == nil, fmt.Sprint("no pseudoterminals here: ", err))
	t.Cleanup(func() { _ = person.Close() })
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 90}); err != nil {
		t.Fatal(err)
	}
	return person, program
}

func TestTopTakesTheTerminalAndGivesItBack(t *testing.T) {
	t.Setenv("TERM", "xterm")
	person, program := pseudoterminal(t)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	d := startCounters(t, statsObject(1, 0), statsObject(1, 1))
	w, _, errs := looker(t, d.socket, 0)
	w.settings.In, w.settings.Out = program, program
	ended := make(chan error, 1)
	go func() { ended <- w.run(context.Background()) }()

	seen := readUntil(t, person, "unavailable 5.0")
	during, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if during.Lflag&(unix.ICANON|unix.ECHO) != 0 || during.Lflag&unix.ISIG == 0 {
		t.Errorf("the terminal's local modes are %#x: keys should come at once and unseen, and Ctrl-C should be a signal", during.Lflag)
	}
	if _, err := person.WriteString("xq"); err != nil {
		t.Fatal(err)
	}
	seen += readUntil(t, person, leaveScreen)
	if err := <-ended; err != nil || errs.Len() > 0 {
		t.Errorf("%v, %s", err, errs)
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *after != *before {
		t.Errorf("the terminal was\n%+v and is\n%+v", *before, *after)
	}
	if !strings.HasPrefix(seen, enterScreen) || !strings.HasSuffix(seen, leaveScreen) {
		t.Errorf("the terminal was told %.100q ... %.100q", seen, seen[max(0, len(seen)-100):])
	}
}

func TestTopGivesTheTerminalBackWhenItIsTold(t *testing.T) {
	t.Setenv("TERM", "xterm")
	person, program := pseudoterminal(t)
	d := startCounters(t, statsObject(1, 0))
	w, _, _ := looker(t, d.socket, 0)
	w.settings.In, w.settings.Out = program, program
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	readUntil(t, person, "lookups/s")
	stop()
	readUntil(t, person, leaveScreen)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTopPrintsLinesOnATerminalWhenAsked(t *testing.T) {
	for name, ask := range map[string]func(*watch){
		"--plain":   func(w *watch) { w.plain = true },
		"TERM=dumb": func(*watch) { t.Setenv("TERM", "dumb") },
	} {
		t.Setenv("TERM", "xterm")
		person, program := pseudoterminal(t)
		d := startCounters(t, statsObject(1, 0), statsObject(1, 1))
		w, _, _ := looker(t, d.socket, 1)
		w.settings.In, w.settings.Out = program, program
		ask(w)
		if err := w.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if seen := readUntil(t, person, ":failed\r\n"); strings.Contains(seen, "\x1b") || !strings.HasPrefix(seen, "TIME ") {
			t.Errorf("%s: the terminal was told %q", name, seen)
		}
	}
}

// readUntil reads what the program writes to the terminal until text has come.
func readUntil(t *testing.T, person *os.File, text string) string {
	t.Helper()
	type result struct {
		seen string
		err  error
	}
	come := make(chan result, 1)
	go func() {
		var seen bytes.Buffer
		buf := make([]byte, 1)
		for !strings.HasSuffix(seen.String(), text) {
			if _, err := person.Read(buf); err != nil {
				come <- result{seen.String(), err}
				return
			}
			seen.Write(buf)
		}
		come <- result{seen: seen.String()}
	}()
	select {
	case r := <-come:
		if r.err != nil {
			t.Fatalf("read the terminal: %v after %q", r.err, r.seen)
		}
		return r.seen
	case <-time.After(30 * time.Second):
		t.Fatalf("%q does not come", text)
		return ""
	}
}
