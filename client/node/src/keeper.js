'use strict'

const { givenAgain } = require('./answer.js')
const { dial } = require('./conn.js')
const { Entry, Memory, since } = require('./memory.js')
const { LOST_PAUSE, OLD_DAEMON_PAUSE, Watch } = require('./watch.js')

// All in milliseconds.
const WATCH_DELAY = 1 // after the first lookup: a program that ends then needs no watch
const REFRESH_PAUSE = 1000 // between two background lookups of the same question

// How many background lookups may run at the same time.
const MAX_REFRESHES = 8

// Keeper keeps answers. It owns the memory, and keeps a watch open while the
// program makes lookups.
class Keeper {
  memory
  watching = false // a watch is open or is being opened
  refreshing = 0 // background lookups that run now

  #path
  #watch = null
  #until = 0 // no new watch is opened before, by the monotonic clock
  #closed = false

  constructor(answers, path) {
    this.memory = new Memory(answers)
    this.#path = path
  }

  // now reads both clocks.
  now = () => ({ mono: performance.now(), wall: Date.now() })

  // wait runs a function later, without keeping the process alive for it. It
  // returns a function that cancels it.
  wait = (span, run) => {
    const timer = setTimeout(run, span).unref()
    return () => clearTimeout(timer)
  }

  // recall returns the answer to a question from memory; undefined: there is
  // none. If a background lookup should replace the answer now, it calls
  // refresh.
  recall(key, maxAge, refresh) {
    const now = this.now()
    const entry = this.memory.recall(key, now, maxAge)
    this.#watch.renew(now)
    if (entry === undefined) return undefined
    const kept = since(now, entry.sent)
    if (kept >= entry.answer.ttl / 2 && now.mono >= entry.refresh) this.#refresh(entry, refresh)
    return givenAgain(entry.answer, entry.expires, kept)
  }

  // learn keeps the daemon's answer to a question that was sent at the given
  // instant, or drops the kept answer if the token is rejected. Without a
  // grant, the daemon does not promise to report the end of the answer.
  learn(key, answer, grant, sent) {
    if (answer.outcome === 'rejected') this.memory.drop(key)
    else if (answer.ttl > 0 && grant !== undefined) this.memory.keep(key, new Entry(answer, grant.handles, sent), grant.rev)
  }

  // openWatch opens a watch soon, unless one is open or must not be opened yet.
  openWatch() {
    this.memory.lookups++
    if (this.#closed || this.watching || this.now().mono < this.#until) return
    this.watching = true
    this.wait(WATCH_DELAY, () => this.#openWatch())
  }

  // refused ends the watch: the daemon does not know keep=1, so nothing can be
  // kept.
  refused() {
    this.#watch?.end(OLD_DAEMON_PAUSE)
  }

  // close forgets everything and ends the watch.
  close() {
    this.#closed = true
    this.#watch?.end() // and the memory is empty without a watch
  }

  async #openWatch() {
    try {
      const socket = await dial(this.#path, () => false)
      this.#watch = new Watch(socket, this)
      if (this.#closed) this.#watch.end()
    } catch {
      this.unwatched(LOST_PAUSE)
    }
  }

  // unwatched is called when the watch has ended, with the time for which no
  // other one is to be opened.
  unwatched(pause) {
    this.#watch = null
    this.watching = false
    this.#until = this.now().mono + pause
  }

  async #refresh(entry, ask) {
    entry.refresh = Infinity
    if (this.refreshing < MAX_REFRESHES) {
      this.refreshing++
      await ask().finally(() => { this.refreshing-- })
    }
    entry.refresh = this.now().mono + REFRESH_PAUSE
  }
}

module.exports = { Keeper }
