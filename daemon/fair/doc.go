// Package fair divides what the daemon has among those who ask for it, so that one greedy caller cannot take the share
// of a quiet one. What is divided, and into which shares, stands in divisions.go.
//
// A caller is a user or, where users cannot be told apart, a process ([ID]). It may say for whom it asks, and then those
// have parts of its share ([Asker]).
//
// There are four ways of dividing, one for each kind of thing:
//
//   - what is held and given back (connections, places, buffers) is counted by a [Pool], and by [Bodies] where several
//     replies hold one thing. Who finds nothing left is refused. [Shares] is the rule for all of them: most goes to
//     whoever comes first, the rest is kept for callers that hold little;
//   - what is soon free again (a processor) is waited for at a [Gate], in a [Line] in which callers take turns;
//   - what arrives at a rate (an upstream's budget) is given out along a [Line] by whoever has it;
//   - what costs others something each time has an [Allowance].
//
// Nothing here remembers a caller for longer than it has something or waits for something, and an allowance until it is
// full again. The package knows neither clock nor socket: whoever divides asks it under locks of its own that are never
// held for long.
package fair
