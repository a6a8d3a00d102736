package httpserver

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/internal/exposition"
)

// readyTimeout is how long a monitor waits for the answer of /readyz.
const readyTimeout = time.Second

// Monitor returns the paths that every program has for monitors; a program may add its own.
//
//	/healthz  this process answers
//	/readyz   ready returns nil; otherwise 503 with the error. Its context ends after a second
//	/metrics  counters, for Prometheus
//
// ready and metrics are called by several requests at once.
func Monitor(ready func(context.Context) error, metrics func(io.Writer)) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { Say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := ready(ctx); err != nil {
			Say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		Say(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", exposition.ContentType)
		metrics(w)
	})
	return mux
}

// Say answers with a line for people, which no cache may keep.
func Say(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // it fails only if the client has left
}
