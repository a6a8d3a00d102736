'use strict'

const { givenAgain } = require('./answer.js')
const { dial } = require('./conn.js')
const { Entry, Memory, since } = require('./memory.js')
const { NO_VERB, UNUSED, Watch } = require('./watch.js')

// All in milliseconds.
const WATCH_DELAY = 1 // a program that ends after a lookup needs no watch
const WATCH_PAUSE = 1000 // after a watch has ended, or could not be had, before another is opened
const OLD_DAEMON_PAUSE = 60_000 // the same, where the daemon does not know the verb
const REFRESH_PAUSE = 1000 // after a lookup in the background, before the next one about the same question

// How many lookups may go on in the background.
const MAX_REFRESHES = 8

// Keeper keeps answers: it has the memory, and sees to it that there is a watch
// while anybody asks.
class Keeper {
  memory
  watching = false // a watch is being opened, or there is one
  refreshing = 0 // lookups in the background

  #path
  #watch = null
  #until = 0 // no other watch before, by the monotonic clock
  #closed = false

  constructor(answers, path) {
    this.memory = new Memory(answers)
    this.#path = path
  }

  // now reads both clocks, each time anew.
  now = () => ({ mono: performance.now(), wall: Date.now() })

  // wait runs something later, and keeps no process alive for it. It returns what
  // takes that back.
  wait = (span, run) => {
    const timer = setTimeout(run, span).unref()
    return () => clearTimeout(timer)
  }

  // recall returns the answer to a question from memory; undefined: there is none.
  // When it is time it calls refresh, which asks for another one in the background.
  recall(key, maxAge, refresh) {
    const now = this.now()
    const entry = this.memory.recall(key, now, maxAge)
    this.#watch.renew(now)
    if (entry === undefined) return undefined
    const kept = since(now, entry.sent)
    if (kept >= entry.answer.ttl / 2 && now.mono >= entry.refresh) this.#refresh(entry, refresh)
    return givenAgain(entry.answer, entry.expires, kept)
  }

  // learn takes in what the daemon has answered to a question sent at that instant.
  // Without a grant the daemon does not promise to tell when the answer ends.
  learn(key, answer, grant, sent) {
    if (answer.outcome === 'rejected') this.memory.drop(key)
    else if (answer.ttl > 0 && grant !== undefined) this.memory.keep(key, new Entry(answer, grant.handles, sent), grant.rev)
  }

  // openWatch sees to it that there will be a watch.
  openWatch() {
    this.memory.lookups++
    if (this.#closed || this.watching || this.now().mono < this.#until) return
    this.watching = true
    this.wait(WATCH_DELAY, () => this.#openWatch())
  }

  // refused ends the watch because the daemon does not know what it is for.
  refused() {
    this.#pause(OLD_DAEMON_PAUSE)
    this.#watch?.end()
  }

  // close forgets everything and ends the watch.
  close() {
    this.#closed = true
    this.#watch?.end() // nothing is kept without one
  }

  async #openWatch() {
    try {
      const socket = await dial(this.#path, () => false)
      this.#watch = new Watch(socket, this.memory, this, (why) => this.#unwatched(why))
      if (this.#closed) this.#watch.end()
    } catch {
      this.#unwatched()
    }
  }

  #unwatched(why) {
    this.#watch = null
    this.watching = false
    if (why === NO_VERB) this.#pause(OLD_DAEMON_PAUSE)
    else if (why !== UNUSED) this.#pause(WATCH_PAUSE)
  }

  #pause(span) { this.#until = this.now().mono + span }

  async #refresh(entry, ask) {
    entry.refresh = Infinity
    if (this.refreshing < MAX_REFRESHES) {
      this.refreshing++
      await ask()
      this.refreshing--
    }
    entry.refresh = this.now().mono + REFRESH_PAUSE
  }
}

module.exports = { Keeper }
