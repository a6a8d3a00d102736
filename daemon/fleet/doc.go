// Package fleet lets many hosts share revocations, purges, profiles and the
// upstream's budget over a Valkey or Redis server, the engine, of version 6.2 or
// later.
//
// The engine carries messages and holds a second copy. The journal of each host
// remains the source of truth. A host sends the engine the marks that the engine
// lacks, and takes over the marks that the host lacks. All hosts agree on one set of
// marks. A mark only grows (see [Mark]), so the hosts reach the same state in any
// order of messages, and after any loss that is repaired later. Every record in the
// engine is sealed and named under the fleet's keys. An attacker who can write to the
// engine can withhold and delay records, but cannot make a host accept anything.
//
// The package knows nothing of tokens, of the protocol and of HTTP. From bottom to
// top: mark and stamp (what is shared), key and record (how it is kept), script and
// engine (how the engine is spoken to), table and chain (what this host knows and
// has heard), peer (what the others say of themselves), session (one connection:
// exchange, then follow), announce and confirm (a change, until all have it),
// claim and circuit (one miss of the profile cache), check (what an operator is told),
// options and fleet.
package fleet
