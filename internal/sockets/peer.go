package sockets

// Credentials are what the kernel says about the process at the other end of a
// connection, from the moment when it connected.
type Credentials struct {
	UID, GID uint32
	// PID is 0 if the process cannot be seen. By now the number may belong to
	// another process, so it must not decide about access.
	PID int32
}
