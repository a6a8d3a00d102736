package hooks

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/internal/connlimit"
	"github.com/neonauthd/neonauthd/internal/httpserver"
	"github.com/neonauthd/neonauthd/internal/program"
)

// Time limits of the listeners. Svix gives up after 15 seconds. Together with askTimeout
// these limits are shorter, so that also a slow body is answered in time.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = readTimeout + askTimeout + 5*time.Second
	idleTimeout  = 90 * time.Second
	maxHeader    = 16 << 10
	// drainTimeout is how long the deliveries in progress may take when the program ends.
	drainTimeout = 20 * time.Second
)

// newServer makes an HTTP server with the limits of this package.
func newServer(h http.Handler) *http.Server {
	return httpserver.New(h, httpserver.Limits{Read: readTimeout, Write: writeTimeout, Idle: idleTimeout, Header: maxHeader})
}

// Serve serves deliveries on the first listener, and monitors on the second one, which
// can be nil. When ctx ends, Serve answers the deliveries in progress, waits until all
// goroutines have ended, and returns.
func (s *Service) Serve(ctx context.Context, deliveries, monitors net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var failed [2]error
	var servers []*http.Server
	for i, one := range []struct {
		ln    net.Listener
		h     http.Handler
		conns int
	}{{deliveries, s, MaxConns}, {monitors, s.Status(), MaxMonitors}} {
		if one.ln == nil {
			continue
		}
		server := newServer(one.h)
		servers = append(servers, server)
		ln := connlimit.Bound(server, one.ln, one.conns, s.metrics.refused.Inc)
		wg.Go(func() {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				failed[i] = err
				stop()
			}
		})
	}
	program.Notify(program.Ready)
	dog := program.Watchdog{Check: s.Check, Notify: program.Notify, Log: s.log}
	wg.Go(func() { dog.Run(ctx) })
	wg.Go(func() {
		s.look(ctx)
		s.presence.Watch(ctx, func() time.Duration { return restartWait }, s.tellOfAbsence)
	})
	telling, told := context.WithCancel(context.WithoutCancel(ctx)) // deliveries in progress still write log lines
	wg.Go(func() { s.Run(telling) })
	<-ctx.Done()
	program.Notify(program.Stopping)
	var all []error
	for _, server := range servers {
		all = append(all, httpserver.Drain(server, drainTimeout))
	}
	told()
	wg.Wait()
	return errors.Join(append(all, failed[:]...)...)
}

// look logs at the start if the daemon cannot be reached or has not all of the projects.
func (s *Service) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := s.daemon.ready(ctx, s.names); err != nil && !errors.Is(err, context.Canceled) {
		s.tellOfAbsence(err)
	}
}

func (s *Service) tellOfAbsence(cause error) {
	s.complain(slog.LevelWarn, "deliveries cannot be followed: the sender gets 503 and tries again", unavailable, slog.Any("error", cause))
}
