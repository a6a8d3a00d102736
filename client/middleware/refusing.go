package middleware

import "net/http"

// refusing is the response to a refused request. If Refuse sends no status,
// refusing sends that of the refusal, where net/http would send 200.
type refusing struct {
	http.ResponseWriter
	status int
	begun  bool
}

// WriteHeader sends a status.
func (w *refusing) WriteHeader(status int) {
	w.begun = w.begun || status >= http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (w *refusing) Write(body []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(body)
}

// FlushError sends what was written so far, as http.ResponseController asks for it.
// Without it the controller would flush the writer below, which sends 200 first.
func (w *refusing) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// begin sends the status of the refusal, unless a status was sent already.
func (w *refusing) begin() {
	if !w.begun {
		w.WriteHeader(w.status)
	}
}

// Unwrap makes http.ResponseController work.
func (w *refusing) Unwrap() http.ResponseWriter { return w.ResponseWriter }
