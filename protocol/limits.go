package protocol

// Version is the version of the protocol that this package speaks, as HELLO carries it.
const Version = 1

// The sockets on which the daemon listens by default.
const (
	// DefaultSocket is the path of the ordinary socket.
	DefaultSocket = "/run/neonauthd/neonauthd.sock"
	// DefaultAdminSocket is the path of the admin socket.
	DefaultAdminSocket = "/run/neonauthd/admin.sock"
)

// Limits of the grammar. They are part of the protocol: changing one changes protocol.md and [Version].
const (
	// MaxRequestLine is the greatest length of a request line in bytes, its LF included. It is twice [MaxToken], so that
	// a token that is a little too long is answered NO malformed. A longer line is answered ERR line-too-long.
	MaxRequestLine = 16384
	// MaxProfile is the greatest length in bytes of the JSON object in a reply. The upstreams allow a profile two
	// images of a million characters each, written as data URLs.
	MaxProfile = 4 << 20
	// MaxReplyLine is the greatest length of a reply line in bytes, its LF included: the largest profile and 4 KiB for
	// everything before it.
	MaxReplyLine = MaxProfile + 4096
	// MaxTag is the greatest length of a tag in bytes, without its "@".
	MaxTag = 32
	// MaxFields is the greatest number of name=value words in one line.
	MaxFields = 16
	// MaxName is the greatest length in bytes of a verb, a field name, a reason or a code.
	MaxName = 32
	// MaxArguments is the greatest number of arguments of a request.
	MaxArguments = 2
	// MaxToken is the greatest length of a token in bytes. A longer one is answered NO malformed.
	MaxToken = 8192
	// MaxText is the greatest length in bytes of the human-readable text in a reply; [AppendText] cuts there.
	MaxText = 512
	// MaxClientName is the greatest length in bytes of the client's name in HELLO, before percent-encoding.
	MaxClientName = 64
	// MaxReason is the greatest length in bytes of the reason for a revocation, before percent-encoding.
	MaxReason = 256
	// MaxID is the greatest length in bytes of the id of a session, a user or a key, before percent-encoding. It is far
	// longer than the ids of upstreams.
	MaxID = 512
	// MaxTTL is the greatest ttl of an accepted answer, in seconds.
	MaxTTL = 60
	// MaxExpires is the greatest exp of an accepted answer, in seconds since 1970: the year 2242. A token that lives
	// longer has it too. Clients refuse greater numbers.
	MaxExpires = 1 << 33
	// MaxDeadline is the greatest deadline of a lookup, in milliseconds.
	MaxDeadline = 60000
	// MaxMaxAge is the greatest max-age of a lookup, in seconds.
	MaxMaxAge = 86400
	// MaxHeard is the greatest heard of a lookup, in seconds.
	MaxHeard = 86400
	// MaxProject is the greatest length in bytes of a project's name.
	MaxProject = 32
	// MaxFor is the greatest length in bytes of the value of [FieldFor].
	MaxFor = 32
	// HandleLength is the length in bytes of a handle, and of the name of a run.
	HandleLength = 11
	// MaxHandles is the greatest number of handles of one answer.
	MaxHandles = 16
	// MaxForget is the greatest number of handles in one line of a watch.
	MaxForget = 64
	// MaxWatchLine is the greatest length in bytes of a line that the daemon sends on a watch, its LF included.
	MaxWatchLine = 1024
	// MaxLease is the greatest lease, in milliseconds.
	MaxLease = 1000
)
