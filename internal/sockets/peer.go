package sockets

// Credentials are what the kernel says of the process at the other end of a
// connection, as it was when it connected.
type Credentials struct {
	UID, GID uint32
	// PID is 0 where the process cannot be seen. It may be another process's by
	// now, so nobody must be let in or kept out by it.
	PID int32
}
