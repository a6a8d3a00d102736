package daemon

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
)

// TestAReloadThatHangsHoldsUpNoStop, as on a disk that does not answer. Nor does the next reload, which waits for it.
func TestAReloadThatHangsHoldsUpNoStop(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	w.halt()
	began, answers := make(chan struct{}), make(chan struct{})
	listeners, err := Listen(&w.config)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(w.config, Options{
		NoFormerRun: true, Now: w.clock.now, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
		Reload: func() (config.Config, error) {
			close(began)
			<-answers
			return config.Config{}, errors.New("late")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.drain = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended, reloads := make(chan error, 1), make(chan error, 2)
	go func() { ended <- d.Run(ctx, listeners) }()
	admin := w.dialAdmin()
	admin.Send("RELOAD\n")
	<-began
	for range 2 {
		go func() { reloads <- d.ReloadAndTell() }()
	}
	if reply := w.dial().Ask("VERIFY %s", w.token()); head(reply) != "OK" {
		t.Errorf("during the reload: %.80s", reply)
	}
	if reply := w.dialAdmin().Ask("REVOKE subject s"); head(reply) != "OK" {
		t.Errorf("during the reload: %.80s", reply)
	}
	stop()
	within(t, ended, nil)
	for range 2 {
		within(t, reloads, errStopping)
	}
	if text := w.log.String(); !strings.Contains(text, "stopping in the middle of a reload") || !strings.Contains(text, "msg=stopped") {
		t.Errorf("the log has\n%s", text)
	}
	close(answers)
}

// TestAPanicFailsTheReloadAlone, without the panic's value in the log.
func TestAPanicFailsTheReloadAlone(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	w.daemon.opts.Reload = func() (config.Config, error) { panic("canary") }
	if err := w.daemon.Reload(); err == nil || !strings.Contains(err.Error(), "a fault of ours") {
		t.Errorf("%v", err)
	}
	if text := w.log.String(); !strings.Contains(text, "a reload failed by a fault of ours") || strings.Contains(text, "canary") {
		t.Errorf("the log has\n%s", text)
	}
	if reply := w.dial().Ask("VERIFY %s", w.token()); head(reply) != "OK" {
		t.Errorf("afterwards: %.80s", reply)
	}
}

// within waits for the end of a function, and compares its error.
func within(t *testing.T, ended <-chan error, want error) {
	t.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	case <-time.After(testTimeout):
		t.Fatal("it did not end")
	}
}

// TestAReloadBeforeTheStartTellsNobodyThatTheDaemonIsReady: a SIGHUP may come while Run waits to
// hear the fleet.
func TestAReloadBeforeTheStartTellsNobodyThatTheDaemonIsReady(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	w.halt()
	told := make(chan string, 9)
	listeners, err := Listen(&w.config)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(w.config, Options{NoFormerRun: true, Now: w.clock.now, Notify: func(state string) { told <- state }, Reload: func() (config.Config, error) { return w.config, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for name, reload := range map[string]func() error{"Reload": d.Reload, "ReloadAndTell": d.ReloadAndTell} {
		if err := reload(); !errors.Is(err, errNotStarted) {
			t.Errorf("%s: %v, want that the daemon has not started yet", name, err)
		}
	}
	select {
	case state := <-told:
		t.Errorf("the service manager was told %q", state)
	case <-d.Ready():
		t.Error("ready before the start")
	default:
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, listeners) }()
	<-d.Ready()
	if state := <-told; !strings.HasPrefix(state, "READY=1\n") {
		t.Errorf("first told %q", state)
	}
	if err := d.ReloadAndTell(); err != nil {
		t.Errorf("once it is ready: %v", err)
	}
	stop()
	within(t, ended, nil)
}
