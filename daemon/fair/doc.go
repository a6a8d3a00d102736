// Package fair divides the resources of the daemon among its callers, so that one greedy caller cannot take the share
// of a quiet one. The file divisions.go lists the resources and their shares.
//
// A caller is a user or, where users cannot be told apart, a process ([ID]). A caller may name the client for which it
// asks. Then each of its clients has a part of the caller's share ([Asker]).
//
// There are four ways to divide, one for each kind of resource:
//
//   - A [Pool] counts resources that callers hold and give back: connections, places, buffers. [Bodies] counts them
//     where several replies hold one body. A caller for which nothing is left is refused. [Shares] is the rule for all
//     of these: callers may take most of the resource in the order in which they come, and the rest is kept for callers
//     that hold little.
//   - At a [Gate], callers wait for a resource that is soon free again, such as a processor. They take turns in a [Line].
//   - A resource that arrives at a rate, such as an upstream's budget, is given out by its owner along a [Line].
//   - An [Allowance] limits actions that cost others something each time.
//
// The package remembers a caller only while that caller holds something or waits for something. An allowance remembers a
// caller until the caller's allowance is full again. The package reads no clock and opens no socket. Its users call it
// under locks of their own, which they never hold for long.
package fair
