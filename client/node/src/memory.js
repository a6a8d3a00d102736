'use strict'

const { bytesIn } = require('./answer.js')

// The size of one place of the memory. An answer takes one place or, if it is
// larger, several.
const BYTES_PER_ANSWER = 4096

// How many event lines of the watch are remembered. They are needed for answers
// that the daemon decided before an event and that arrive after it.
const MAX_EVENTS = 256

let crypto // loaded at the first use: it takes two milliseconds

// keyOf returns the key of a question about a token. It leaves out what may
// differ between two callers who get the same answer. The token itself is not
// kept.
function keyOf({ token, verb, project, fallback }) {
  crypto ??= require('node:crypto')
  // crypto.hash, from Node 20.12 on, takes two thirds of the time.
  const digest = crypto.hash?.('sha256', token, 'latin1') ?? crypto.createHash('sha256').update(token).digest('latin1')
  return `${digest}${verb} ${fallback} ${project}`
}

// An instant is { mono, wall }, one reading of both clocks in milliseconds.
// since returns the time between two instants, by the clock on which more time
// has passed.
const since = (now, then) => Math.max(now.mono - then.mono, now.wall - then.wall)

// A kept answer.
class Entry {
  refresh = 0 // by the monotonic clock: a use after it starts a background lookup

  constructor(answer, handles, sent) {
    this.answer = answer
    this.handles = handles
    this.sent = sent
    this.expires = answer.expires.getTime() // a number, because the program may change the Date
    this.places = 1 + Math.floor(bytesIn(answer) / BYTES_PER_ANSWER)
  }

  // serves tells whether the entry answers a question at that instant. The
  // daemon rounds the age down, so serves adds a second where maxAge must hold
  // for certain.
  serves(now, maxAge) {
    const kept = since(now, this.sent)
    const young = maxAge < 0 || (maxAge > 0 && this.answer.age + 1000 + kept <= maxAge * 1000)
    return young && kept < this.answer.ttl && now.wall < this.expires
  }

  // endedBy tells whether an event has ended the answer. An event is a line of
  // the watch that said what to forget: { n, handles }; without handles it ends
  // everything.
  endedBy({ handles }) { return handles === undefined || handles.some((handle) => this.handles.includes(handle)) }
}

// Memory keeps accepted answers while a watch reports which of them have ended.
// The rules are in protocol.md, "Keeping answers". No method waits for
// anything, so that nothing can end between the check of an answer and its
// keeping.
//
// There are two generations. When the young generation is full, it becomes the
// old one and the old one is dropped. An entry of the old generation that is
// used moves up into the young one. So an entry that is not used for a whole
// generation is dropped.
class Memory {
  up = false // the daemon has granted a watch
  hits = 0 // lookups answered from memory since the last SEEN
  lookups = 0 // all lookups so far

  run = '' // of the daemon
  rev = 0 // the last revision that the watch has reported
  owed = false // the last SEEN or WATCH is not answered yet
  asked = { mono: 0, wall: 0 } // when the last SEEN or WATCH was sent
  leased = { mono: 0, wall: 0 } // when the SEEN or WATCH was sent that has begun or extended the lease
  lease = 0 // how long the lease lasts from then on

  #most // places of a generation
  #young = new Map()
  #old = new Map()
  #taken = 0 // places of the young generation
  #events = [] // the latest last; the first one stands for all before it

  constructor(answers) { this.#most = Math.ceil(answers / 2) }

  // recall returns the entry that answers the question; undefined: there is
  // none.
  recall(key, now, maxAge) {
    this.lookups++
    const young = this.#young.get(key)
    const entry = young ?? this.#old.get(key)
    if (entry === undefined || since(now, this.leased) >= this.lease || !entry.serves(now, maxAge)) return undefined
    this.hits++
    if (young === undefined) this.#put(key, entry)
    return entry
  }

  // keep keeps an answer, unless something that the answer depends on may have
  // ended since the daemon decided it.
  keep(key, entry, { run, n }) {
    const ended = (event) => event.n > n && entry.endedBy(event)
    if (this.up && run === this.run && !this.#events.some(ended)) this.#put(key, entry)
  }

  // put puts the entry into the young generation, and drops the entry that it
  // replaces.
  #put(key, entry) {
    this.drop(key)
    if (entry.places > this.#most) return
    if (this.#taken + entry.places > this.#most) {
      this.#old = this.#young
      this.#young = new Map()
      this.#taken = 0
    }
    this.#young.set(key, entry)
    this.#taken += entry.places
  }

  // drop forgets the answer to one question.
  drop(key) {
    this.#taken -= this.#young.get(key)?.places ?? 0
    this.#young.delete(key)
    this.#old.delete(key)
  }

  // forget drops the entries that the event has ended. From then on, keep
  // refuses such answers if they were decided before. forget returns whether the
  // revision is higher than the last one, as it must be.
  forget(event) {
    if (!(event.n > this.rev)) return false
    this.rev = event.n
    for (const [key, entry] of [...this.#young, ...this.#old]) {
      if (entry.endedBy(event)) this.drop(key)
    }
    this.#events.push(event)
    if (this.#events.length > 1 + MAX_EVENTS) {
      this.#events.shift()
      this.#events[0] = { n: this.#events[0].n }
    }
    return true
  }

  // ask notes that a WATCH or a SEEN is about to be sent.
  ask(now) {
    this.owed = true
    this.asked = now
  }

  // begin notes that the daemon has granted a watch, at this revision.
  begin({ run, n }) {
    this.run = run
    this.rev = n
    this.#events = [{ n }]
    this.up = true
  }

  // grant begins or extends the lease. It returns whether the line is in order:
  // a WATCH or SEEN was waiting for its answer, and the revision is the last
  // one that was reported.
  grant(n, lease) {
    if (!this.owed || n !== this.rev) return false
    this.owed = false
    this.leased = this.asked
    this.lease = lease
    return true
  }

  // end forgets everything, and nothing is kept until another watch begins.
  end() {
    this.up = false
    this.owed = false
    this.#young = new Map()
    this.#old = new Map()
    this.#taken = 0
  }
}

module.exports = { Entry, Memory, keyOf, since }
