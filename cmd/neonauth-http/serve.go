package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/authrequest"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/listen"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/logout"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/connlimit"
	"github.com/neonauthd/neonauthd/internal/httpserver"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// The limits of open connections: of web servers, and of monitors.
const (
	maxConnections = 8192
	maxMonitors    = 64
)

// drainTimeout is how long requests in progress may take at the end.
const drainTimeout = 20 * time.Second

// gcPercent trades a few megabytes for a tenth of the CPU time: a request
// allocates much, and hardly anything of it lives on. The environment variable
// GOGC overrides it.
const gcPercent = 400

// processors returns how many of a host's processors the program uses: half of them. The web
// server spends as much CPU time on a request as this program, so that more cannot be busy
// here for long. To wake threads for the others costs a tenth of the CPU time. The environment
// variable GOMAXPROCS overrides it.
func processors(all int) int { return (all + 1) / 2 }

// checkConfig returns an error if the configuration file is not valid.
func (f *flags) checkConfig(out io.Writer) error {
	if err := authrequest.Check(out, f.config); err != nil {
		return program.ConfigError{Err: err}
	}
	return nil
}

// serve runs the program until ctx ends.
func (f *flags) serve(ctx context.Context, errs io.Writer) error {
	program.OutliveLog()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors(runtime.GOMAXPROCS(0)))
	}
	set, err := authrequest.Load(f.config)
	if err != nil {
		return program.ConfigError{Err: err}
	}
	f.began = set
	log := program.NewLogger(errs, slog.LevelInfo, cmp.Or(f.logFormat, set.LogFormat()) == authrequest.LogJSON)
	key, err := accesslog.CredentialKey()
	if err != nil {
		return program.ConfigError{Err: err}
	}
	l, err := listen.Open(listen.Web(), listen.Addresses{Main: f.listen, Status: f.status, Logout: f.logout})
	if err != nil {
		return err
	}
	c := &client.Client{Socket: f.socket, Name: "neonauth-http", Conns: authrequest.MaxConns, Keep: set.Keep()}
	s := authrequest.New(release, c, set, log, time.Now)
	if err := s.Record(set.AccessLog(), key); err != nil {
		return errors.Join(program.ConfigError{Err: err}, l.Close())
	}
	for _, ln := range []net.Listener{l.Main, l.Status} {
		if sockets.OnNetwork(ln) { // the flags refuse it, a socket unit does not
			log.Warn("an inherited socket can be reached from other hosts: whoever reaches it can ask whose a token is; write a path or a loopback address behind ListenStream=", "socket", sockets.Address(ln))
		}
	}
	log.Info("serving", "version", release, "daemon", c.Path(), "listen", sockets.Address(l.Main), "status", sockets.Address(l.Status), "logout", sockets.Address(l.Logout))
	err = f.run(ctx, s, l, log)
	log.Info("stopped")
	return errors.Join(err, c.Close())
}

// run serves the listeners, reloads on SIGHUP, and returns when every request
// in progress is answered and every goroutine has ended.
func (f *flags) run(ctx context.Context, s *authrequest.Service, l *listen.Listeners, log *slog.Logger) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var failed [3]error
	start := func(i int, ln net.Listener, limit int, server *http.Server) *http.Server {
		ln = connlimit.Bound(server, ln, limit, s.Refused)
		wg.Go(func() {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				failed[i] = err
				stop()
			}
		})
		return server
	}
	servers := []*http.Server{start(0, l.Main, maxConnections, authrequest.NewServer(s))}
	if l.Status != nil {
		servers = append(servers, start(1, l.Status, maxMonitors, authrequest.NewServer(s.Status(sockets.OnNetwork(l.Status)))))
	}
	if l.Logout != nil {
		daemon := logout.NewClient(f.socket)
		defer daemon.Close()
		receiver := &logout.Receiver{Daemon: daemon, Count: s.LoggedOut, Log: s.Log()}
		servers = append(servers, start(2, l.Logout, logout.MaxConnections, logout.NewServer(receiver)))
	}
	program.Notify(program.Ready)
	dog := program.Watchdog{Check: s.Check, Notify: program.Notify, Log: log}
	wg.Go(func() { dog.Run(ctx) })
	wg.Go(func() { s.Watch(ctx) })
	writing, written := context.WithCancel(context.WithoutCancel(ctx)) // requests in progress still write lines
	wg.Go(func() { s.Run(writing) })
	f.untilEnd(ctx, hup, s, log)
	program.Notify(program.Stopping)
	var drained []error
	for _, server := range servers {
		drained = append(drained, httpserver.Drain(server, drainTimeout))
	}
	stop()
	written()
	wg.Wait()
	return errors.Join(append(drained, failed[:]...)...)
}

// untilEnd reloads at each SIGHUP, until ctx ends.
func (f *flags) untilEnd(ctx context.Context, hup <-chan os.Signal, s *authrequest.Service, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			program.Notify(program.Reloading())
			f.reload(ctx, s, log)
			program.Notify(program.Ready)
		}
	}
}

// reload applies the whole configuration file, or nothing of it. Connections
// and requests in progress keep the settings with which they began. reload returns
// when ctx ends, also if the file cannot be read to its end because its disk does not answer.
func (f *flags) reload(ctx context.Context, s *authrequest.Service, log *slog.Logger) {
	s.Reopen() // in any case: a log file that was moved must not be written to any more
	set, err := f.next(ctx, s)
	if err != nil {
		s.Kept()
		log.Error("the configuration was not reloaded, the old one holds", "error", err)
		return
	}
	s.Use(set)
	log.Info("configuration reloaded")
}

// next returns the settings of the configuration file as it is now. The error says why they
// cannot replace those in force. If ctx ends first, the goroutine that reads is left behind: the end of
// the process ends it.
func (f *flags) next(ctx context.Context, s *authrequest.Service) (*authrequest.Settings, error) {
	var set *authrequest.Settings
	read := make(chan error, 1)
	go func() {
		var err error
		if set, err = authrequest.Load(f.config); err == nil {
			err = s.UnsafeLog()
		}
		read <- err
	}()
	select {
	case err := <-read:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, errors.New("the program is stopping")
	}
	if keys := f.began.Fixed(set); len(keys) > 0 {
		return nil, fmt.Errorf("%s %s", strings.Join(keys, ", "), protocol.TextRestart)
	}
	return set, nil
}
