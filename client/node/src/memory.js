'use strict'

const { bytesIn } = require('./answer.js')

// A place for an answer has so many bytes; a larger answer takes several.
const BYTES_PER_ANSWER = 4096

// How many lines of the watch are remembered, for answers that were decided before
// them and come after them.
const MAX_EVENTS = 256

let crypto // loaded when there is something to keep: it takes two milliseconds

// keyOf names a question about a token, without what may differ between two
// callers who get the same answer. The token itself is not kept.
function keyOf({ token, verb, wireProject, fallback }) {
  crypto ??= require('node:crypto')
  // Node 20.12 has hash, which takes two thirds of the time.
  const digest = crypto.hash?.('sha256', token, 'latin1') ?? crypto.createHash('sha256').update(token).digest('latin1')
  return `${digest}${verb} ${wireProject} ${fallback}`
}

// An instant is { mono, wall }, one reading of both clocks in milliseconds. since
// is the time between two, by the clock that says more.
const since = (now, then) => Math.max(now.mono - then.mono, now.wall - then.wall)

// A kept answer.
class Entry {
  refresh = 0 // from when on, by the monotonic clock, a use asks for another

  constructor(answer, handles, sent) {
    this.answer = answer
    this.handles = handles
    this.sent = sent
    this.expires = answer.expires.getTime() // a Date can be set by whoever has it
    this.places = 1 + Math.floor(bytesIn(answer) / BYTES_PER_ANSWER)
  }

  // serves tells whether the entry answers a question at that instant. The age is
  // rounded down, so that a second is added where maxAge must hold for certain.
  serves(now, maxAge) {
    const kept = since(now, this.sent)
    const young = maxAge < 0 || (maxAge > 0 && this.answer.age + 1000 + kept <= maxAge * 1000)
    return young && kept < this.answer.ttl && now.wall < this.expires
  }
}

// Memory keeps accepted answers while a watch tells what has ended. The rules are
// those of protocol.md, "Keeping answers". Nothing in here waits, so that checking
// and keeping, moving up and forgetting each are one step.
//
// There are two generations: when the young one is full it becomes the old one,
// and what is used moves up. So what was not used for a generation is gone.
class Memory {
  up = false // there is a watch
  hits = 0 // lookups answered here since the last SEEN
  lookups = 0 // all there ever were

  run = '' // of the daemon
  rev = 0 // the last revision that the watch has told
  owed = false // a SEEN or WATCH is not answered yet
  asked = 0 // when the last one was sent, by the monotonic clock
  until = 0 // end of the lease, by the monotonic clock

  #most // places of a generation
  #young = new Map()
  #old = new Map()
  #taken = 0 // places of the young generation
  #floor = 0 // all events after it are remembered
  #events = [] // lines of the watch that named something, the latest last

  constructor(answers) { this.#most = Math.ceil(answers / 2) }

  // recall returns what answers the question; undefined: nothing does.
  recall(key, now, maxAge) {
    this.lookups++
    const young = this.#young.get(key)
    const entry = young ?? this.#old.get(key)
    if (entry === undefined || now.mono >= this.until || !entry.serves(now, maxAge)) return undefined
    this.hits++
    if (young === undefined) this.#put(key, entry)
    return entry
  }

  // keep keeps an answer, unless something that it depends on may have ended since
  // it was decided.
  keep(key, entry, { run, n }) {
    const ended = (event) => event.n > n && event.handles.some((handle) => entry.handles.includes(handle))
    if (this.up && run === this.run && n >= this.#floor && !this.#events.some(ended)) this.#put(key, entry)
  }

  // put puts the entry into the young generation, in place of another one.
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

  #clear() {
    this.#young = new Map()
    this.#old = new Map()
    this.#taken = 0
  }

  // forget forgets what depends on one of these things, everything where there are
  // none, and refuses from then on what was decided before. It tells whether the
  // revision rises.
  forget(n, handles) {
    if (!(n > this.rev)) return false
    this.rev = n
    if (handles === undefined) {
      this.#clear()
      this.#floor = n
      this.#events = []
      return true
    }
    for (const generation of [this.#young, this.#old]) {
      for (const [key, entry] of generation) {
        if (handles.some((handle) => entry.handles.includes(handle))) this.drop(key)
      }
    }
    this.#events.push({ n, handles })
    if (this.#events.length > MAX_EVENTS) this.#floor = this.#events.shift().n
    return true
  }

  // ask notes that a WATCH or a SEEN is about to be sent.
  ask(now) {
    this.owed = true
    this.asked = now.mono
  }

  // begin notes that there is a watch, at that revision of the daemon's.
  begin({ run, n }) {
    this.run = run
    this.rev = this.#floor = n
    this.#events = []
    this.up = true
  }

  // grant makes the lease begin or go on. It tells whether the revision is the one
  // to be told, and somebody has asked.
  grant(n, lease) {
    if (!this.owed || n !== this.rev) return false
    this.owed = false
    this.until = this.asked + lease
    return true
  }

  // end forgets everything, until another watch begins.
  end() {
    this.up = false
    this.owed = false
    this.#clear()
  }
}

module.exports = { Entry, Memory, keyOf, since }
