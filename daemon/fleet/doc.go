// Package fleet lets many hosts share revocations, purges, profiles and the
// upstream's budget over a Valkey or Redis server, the engine, of version 6.2 or
// later.
//
// The engine is a bus and a second copy, never the truth: each host's journal is.
// A host tells the engine what it lacks, and takes in what it does not know
// itself. What hosts agree on is a set of marks, each of which only grows (see
// [Mark]), so that any order of messages, and any loss that is repaired later,
// leads to the same state. Everything that is kept in the engine is sealed and
// named under the fleet's keys, so that whoever can write there can withhold and
// delay, and can never make a host accept anything.
//
// The package knows nothing of tokens, of the protocol and of HTTP. From bottom to
// top: mark and stamp (what is shared), key and seal (how it is kept), script and
// engine (how the engine is spoken to), table and chain (what this host knows and
// has heard), peer (what the others say of themselves), session (one connection:
// exchange, then follow), announce and confirm (a change, until all have it),
// claim (one miss of the profile cache), check (what an operator is told), fleet.
package fleet
