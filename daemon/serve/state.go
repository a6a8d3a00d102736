package serve

// State is a reading of a Server, for people and monitors.
type State struct {
	// Busy is how many connections wait for a lookup that memory could not answer; Idle
	// is how many other connections are open.
	Busy, Idle int
	// UnsentBytes is how many bytes of large JSON objects wait to be read by peers. An
	// object that several replies share is counted once.
	UnsentBytes int
}

// State returns the state of the server. Reading changes nothing.
func (s *Server) State() State {
	is := State{UnsentBytes: s.bodies.Taken()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.busy() {
			is.Busy++
		} else {
			is.Idle++
		}
	}
	return is
}
