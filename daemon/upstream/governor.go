package upstream

import "time"

// CircuitState is the state of a project's circuit.
type CircuitState uint8

// The states. A closed circuit lets requests through.
const (
	Closed CircuitState = iota
	HalfOpen
	Open
)

// String returns the state's name in lower case.
func (s CircuitState) String() string {
	switch s {
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	default:
		return "closed"
	}
}

// GovernorState is a snapshot for statistics.
type GovernorState struct {
	// Budget is the number of profile requests that could start at once; Burst is its upper bound.
	Budget, Burst float64
	// Circuit is the state of the circuit, OpenUntil when it lets the next request try; zero unless Open.
	Circuit   CircuitState
	OpenUntil time.Time
	// RetryUntil is the end of a pause that the upstream asked for; zero if there is none.
	RetryUntil time.Time
	// InFlight is the number of profile requests under way, Waiting of those waiting for their turn.
	InFlight, Waiting int
	// Sent and Refused count profile requests since the start, let through and refused here.
	Sent, Refused uint64
}
