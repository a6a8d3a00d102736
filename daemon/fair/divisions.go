package fair

import "time"

// The resources that the daemon divides, all in one place. A test compares them with the guide's table of limits.
const (
	// SessionBurst is how many lookups of session credentials one asker may send to the upstream at once, and
	// SessionEvery is the interval of further ones. Only the upstream can tell that a credential is made up, so each
	// made-up one costs a call.
	SessionBurst = 50
	SessionEvery = time.Second / 5
	// MaxCalls is how many calls to one upstream may be in progress, and MaxCallsEach is how many of them may be one
	// caller's. If an upstream's budget is short, a [Line] decides the order of the calls.
	MaxCalls     = 16
	MaxCallsEach = 12
	// WatchBacklog is how many bytes of lines may wait for one watch. If more than WatchBacklogs bytes wait for all
	// watches together, a watch may have only an equal part of WatchBacklogs. No watch is refused: lines beyond the
	// limit are replaced by one line that tells to forget everything.
	WatchBacklog  = 64 << 10
	WatchBacklogs = 4 << 20
)

// Connections divides the connections of the ordinary socket: the configured numbers, in all and for one caller. If
// there are fewer than 8, none is kept for callers that hold little.
func Connections(total, each int) Shares { return Shares{Total: total, Each: each, Kept: total / 8} }

// Waiting divides the places of lookups that wait for the upstream. As many places again are for lookups that wait for
// a verification.
func Waiting() Shares { return Shares{Total: 8192, Each: 2048, Kept: 1024} }

// SessionAskers divides the askers that may be ahead of [SessionEvery] at the same time. For each of them a time is
// remembered.
func SessionAskers() Shares { return Shares{Total: 8192, Each: 2048, Kept: 1024} }

// Verifications divides the processors for verifications, which take them the longest. One processor is left for
// answers from memory. Otherwise these would have to wait for any number of verifications.
func Verifications(processors int) Shares {
	return Shares{Total: max(1, processors-1), Each: max(1, processors/2)}
}

// NewKeys divides the places of lookups that wait for a key set that may have their key.
func NewKeys() Shares { return Shares{Total: 512, Each: 448, Kept: 64} }

// Calls divides the calls to one upstream that may be in progress. The last ones are for callers that have none.
func Calls() Shares {
	return Shares{Total: MaxCalls, Each: MaxCallsEach, Kept: MaxCalls - MaxCallsEach}
}

// UnsentBodies divides the bytes of [Bodies].
func UnsentBodies() Shares { return Shares{Total: 32 << 20, Each: 16 << 20, Kept: 8 << 20} }

// WideBuffers divides the buffers of 64 KiB each in which connections with much to write gather replies.
func WideBuffers() Shares { return Shares{Total: 256, Each: 128, Kept: 64} }

// SendBuffers divides the connections for which the kernel may keep 220 KiB of unread bytes. For other connections it
// keeps 13 KiB.
func SendBuffers() Shares { return Shares{Total: 256, Each: 128, Kept: 64} }

// Notices divides the connections that were turned away and whose peers have not read the reason yet. Beyond them,
// connections are closed without a reason.
func Notices() Shares { return Shares{Total: 1024, Each: 256, Kept: 256} }

// Watches divides the connections on which clients that keep answers are told what has ended. Each costs one line for
// each event.
func Watches() Shares { return Shares{Total: 2048, Each: 1024, Kept: 256} }
