package fair

import "time"

// What the daemon divides, all in one place. A test holds the guide's table of limits to it.
const (
	// SessionBurst and SessionEvery are how many lookups of session credentials one asker may have put to the upstream at
	// once, and how long it takes to make up for one: nothing else tells made-up ones, which cost a call each. At most
	// SessionAskers may be making up for some at one time.
	SessionBurst  = 50
	SessionEvery  = time.Second / 5
	SessionAskers = 8192
	// MaxCalls is how many calls to one upstream may be under way, and MaxCallsEach how many of one caller. In which order
	// they are made when an upstream's budget is short is a [Line]'s to say.
	MaxCalls     = 16
	MaxCallsEach = 12
	// WatchBacklog is how many bytes of lines may wait for one watch to read them, and WatchBacklogs how many for all before
	// a watch may have no more than an equal part of that. Nobody is refused anything: what would be more becomes one line
	// that tells to forget everything.
	WatchBacklog  = 64 << 10
	WatchBacklogs = 4 << 20
)

// Connections divides the connections of the ordinary socket: as many as the configuration has, in all and for one caller.
// Where there are few of them, none is kept.
func Connections(total, each int) Shares { return Shares{Total: total, Each: each, Kept: total / 8} }

// Waiting divides the places of lookups that wait for the upstream, and as many of those that wait for a verification.
func Waiting() Shares { return Shares{Total: 8192, Each: 2048, Kept: 1024} }

// Verifications divides the processors for what takes them longest. One is left to answers from memory, which would else
// wait behind as many verifications as anybody asks for.
func Verifications(processors int) Shares {
	return Shares{Total: max(1, processors-1), Each: max(1, processors/2)}
}

// NewKeys divides the places of lookups that wait for a key set which may have their key.
func NewKeys() Shares { return Shares{Total: 512, Each: 448, Kept: 64} }

// Calls divides the calls that may be under way to one upstream. The last ones are for callers that have none.
func Calls() Shares {
	return Shares{Total: MaxCalls, Each: MaxCallsEach, Kept: MaxCalls - MaxCallsEach}
}

// UnsentBodies divides the bytes of [Bodies].
func UnsentBodies() Shares { return Shares{Total: 32 << 20, Each: 16 << 20, Kept: 8 << 20} }

// WideBuffers divides the buffers, of 64 KiB each, in which connections with much to write gather replies.
func WideBuffers() Shares { return Shares{Total: 256, Each: 128, Kept: 64} }

// SendBuffers divides the connections for which the kernel may keep 220 KiB that nobody reads; of others it keeps 13 KiB.
func SendBuffers() Shares { return Shares{Total: 256, Each: 128, Kept: 64} }

// Notices divides the connections that were turned away and have not read why. Others are closed without a reason.
func Notices() Shares { return Shares{Total: 1024, Each: 256, Kept: 256} }

// Watches divides the connections on which clients that keep answers are told what has ended. Each costs a line for each
// event.
func Watches() Shares { return Shares{Total: 2048, Each: 1024, Kept: 256} }
