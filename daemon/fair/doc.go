// Package fair divides what the daemon has among those who ask for it, so that one greedy caller cannot take the share
// of a quiet one.
//
// A caller is a user or, where users cannot be told apart, a process ([ID]). What can be divided is divided by one
// rule, [Shares]: most of it goes to whoever comes first, and the rest is kept for callers that hold little.
//
// [Bodies] are the bytes of replies that wait to be sent, one copy of each.
package fair
