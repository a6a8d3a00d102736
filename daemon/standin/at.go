package standin

import "net/http"

// at counts the calls of an endpoint and lets its faults act.
func (s *Standin) at(e Endpoint, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer s.calls.begin(e, r.Header)()
		if fault, ok := s.faults.take(e); ok {
			s.disturb(w, r, e, fault, answer)
			return
		}
		answer(w, r)
	}
}
