package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/internal/connlimit"
	"github.com/neonauthd/neonauthd/internal/exposition"
	"github.com/neonauthd/neonauthd/internal/httpserver"
	"github.com/neonauthd/neonauthd/internal/profiling"
)

// Bounds of the metrics listener. It is for monitors, but over TCP every user of the
// host can connect.
const (
	maxScrapers        = 64      // connections at once; a further one takes the place of one that is behind its pace, see connlimit
	maxScrapeHeader    = 8 << 10 // bytes of a request's head
	scrapeReadTimeout  = 5 * time.Second
	scrapeWriteTimeout = 10 * time.Second
	scrapeIdleTimeout  = 2 * time.Minute
)

// health serves metrics_listen: metrics and health for monitors, profiles if they
// are allowed, and nothing else.
type health struct {
	daemon   *Daemon
	self     *selfCheck // nil if there is no ordinary socket
	exposed  bool       // other hosts can reach the listener
	stopping atomic.Bool
}

// routes returns the handler of all paths.
func (h *health) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", h.metrics)
	mux.HandleFunc("GET /healthz", h.alive)
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET "+profiling.Prefix, profiling.New(h.profiles, h.daemon.opts.Logger))
	return h.guard(mux)
}

// profiles reports whether profiles are served now: a reload may have changed that.
func (h *health) profiles() bool { return h.daemon.state.Load().config.Pprof && !h.exposed }

// serve answers on ln until ctx ends. Requests in progress then get one more second.
func (h *health) serve(ctx context.Context, ln net.Listener) error {
	s := httpserver.New(h.routes(), httpserver.Limits{Read: scrapeReadTimeout, Write: scrapeWriteTimeout, Idle: scrapeIdleTimeout, Header: maxScrapeHeader})
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	ended := make(chan error, 1)
	ln = connlimit.Bound(s, ln, maxScrapers, func() {})
	go func() { ended <- s.Serve(ln) }()
	var err error
	select {
	case err = <-ended:
		h.daemon.opts.Logger.Error("metrics are not served any more; restart the daemon to have them again", "error", err)
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.Shutdown(grace) != nil {
			err = s.Close()
		}
		<-ended //nolint:errcheck // http.ErrServerClosed
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// guard answers a panic with 500 and logs it.
func (h *health) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				h.daemon.server.Panicked(p)
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func (h *health) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", exposition.ContentType)
	_, _ = w.Write(h.daemon.metrics()) // if the scraper has left, it needs no reply
}

// alive reports whether lookups are answered. To find out, it asks one.
func (h *health) alive(w http.ResponseWriter, r *http.Request) {
	if h.self != nil && !h.stopping.Load() { // a stopping daemon takes no new connections, which is no fault
		if err := h.self.askInTime(r.Context()); err != nil {
			httpserver.Say(w, http.StatusServiceUnavailable, "not answering: "+err.Error())
			return
		}
	}
	httpserver.Say(w, http.StatusOK, "ok")
}

// ready reports whether every project can verify tokens, and this host may accept them.
func (h *health) ready(w http.ResponseWriter, _ *http.Request) {
	if h.stopping.Load() {
		httpserver.Say(w, http.StatusServiceUnavailable, "stopping")
		return
	}
	if h.daemon.resolver.ClockUnset() { // which can also be why there are no keys: no certificate is valid yet
		httpserver.Say(w, http.StatusServiceUnavailable, clockUnsetStatus)
		return
	}
	var without []string
	all := h.daemon.projects().List
	for _, p := range all {
		if !p.KeysUsable(h.daemon.opts.Now()) {
			without = append(without, p.Name())
		}
	}
	if len(without) > 0 {
		httpserver.Say(w, http.StatusServiceUnavailable, "no usable keys: "+strings.Join(without, ", "))
		return
	}
	hearing := h.daemon.fleet.Hearing()
	if hearing.Refuses {
		httpserver.Say(w, http.StatusServiceUnavailable, "has not heard its fleet for too long, and accepts nothing")
		return
	}
	text := fmt.Sprintf("ok: %d of %d projects have keys", len(all), len(all))
	if hearing.Blind {
		text = "degraded: does not hear its fleet; " + text
	}
	httpserver.Say(w, http.StatusOK, text)
}
