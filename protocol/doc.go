// Package protocol holds the words that neonauthd and its clients exchange: the grammar of a line, the closed lists of
// verbs, reasons and codes, and the limits that bind both ends. The contract itself is protocol.md beside this file;
// the package is that contract as Go, and a test fails when the two disagree.
//
// The package knows no socket, no clock and no token. It turns one line of bytes into a [Request] or a [Reply] and back,
// and cuts a stream into lines with a [LineReader] whose memory is bounded.
//
// # Strictness
//
// One thing has one spelling. Whatever [ParseRequest] or [ParseReply] accepts, Append writes back byte for byte; a CR, a
// tab, a doubled space, a lower-case hex digit or a needless percent escape is an error and never repaired. Errors are
// fixed sentences: they hold nothing of the line that caused them, so they may be logged and sent to the peer.
//
// # Three outcomes
//
// [OK] means accepted, [NO] means rejected with proof, [ERR] means unknown. ERR is the zero [Status], so that a value
// nobody set says "could not tell" and never "yes" or "no".
//
// # Memory
//
// Parsed values alias the line they came from, and are valid only as long as the line is. Parsing and formatting
// allocate nothing; [Value] is the exception, since it returns a new string. Plain functions are safe for concurrent
// use; a type is only if its comment says so.
package protocol
