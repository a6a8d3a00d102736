package middleware

import "net/http"

// refusing is the response to a request that is refused. Where no status is said it has
// the one of the refusal: net/http would say 200.
type refusing struct {
	http.ResponseWriter
	status int
	begun  bool
}

// WriteHeader says a status.
func (w *refusing) WriteHeader(status int) {
	w.begun = w.begun || status >= http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (w *refusing) Write(body []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(body)
}

// begin says the status of the refusal unless one was said.
func (w *refusing) begin() {
	if !w.begun {
		w.WriteHeader(w.status)
	}
}

// Unwrap is for http.ResponseController.
func (w *refusing) Unwrap() http.ResponseWriter { return w.ResponseWriter }
