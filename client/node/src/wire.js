'use strict'

const { Call } = require('./call.js')
const { Conn, dial } = require('./conn.js')
const { CancelledError, ClosedError, TimedOutError } = require('./errors.js')

// For how long after a failed attempt to connect, in milliseconds, calls fail at
// once with the same cause: a busy program need not try thousands of times a
// second, and nobody wants to wait long for a daemon that is back.
const DIAL_PAUSE = 50

// Wire brings questions to the daemon and replies back, over one connection. When
// that is given up or has ended the next call makes another.
class Wire {
  // How long, in milliseconds, a connection stays open that nobody uses. Another
  // one is had in a fraction of a millisecond, so a program that makes a client for
  // each request, and closes none, does not hold many.
  idleTime = 1000

  #path
  #conn = null // the one that takes calls
  #conns = new Set() // it, and those that finish what is under way
  #queue = new Set() // calls that are on none
  #dialing = false
  #until = 0 // no attempt before
  #cause = null // of the last failed attempt
  #closed = false

  constructor(path) { this.#path = path }

  // ask resolves to the text of the reply, without its tag.
  ask(question, span, signal) {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new ClosedError()
      if (signal?.aborted) throw new CancelledError(signal.reason)
      this.#queue.add(new Call(question, span, signal, (call, error) => this.#leave(call, error), resolve, reject))
      this.proceed()
    })
  }

  // proceed sends what waits, as far as there is room.
  proceed() {
    for (const call of this.#queue) {
      if (this.#conn === null) return this.#connect()
      if (this.#conn.full) return
      this.#queue.delete(call)
      this.#conn.send(call)
    }
  }

  // retired is told of a connection that takes no more calls.
  retired(conn) { if (this.#conn === conn) this.#conn = null }

  // ended is told of a connection that is no more, and of calls to ask again.
  ended(conn, again) {
    this.retired(conn)
    this.#conns.delete(conn)
    for (const call of again) this.#queue.add(call)
    this.proceed()
  }

  close() {
    this.#closed = true
    this.#fail(new ClosedError())
    for (const conn of this.#conns) conn.end(new ClosedError())
  }

  async #connect() {
    if (this.#dialing) return
    if (performance.now() < this.#until) return this.#fail(this.#cause)
    this.#dialing = true
    try {
      this.#conn = new Conn(await dial(this.#path, () => this.#queue.size > 0), this)
      this.#conns.add(this.#conn)
    } catch (error) {
      this.#until = performance.now() + DIAL_PAUSE
      this.#cause = error
      this.#fail(error)
    }
    this.#dialing = false
    if (this.#closed) this.close()
    this.proceed()
  }

  // fail ends the calls that wait for a connection.
  #fail(error) {
    for (const call of this.#queue) call.fail(error)
    this.#queue.clear()
  }

  // leave gives up on a call, wherever it is.
  #leave(call, error) {
    if (!this.#queue.delete(call)) call.conn.leave(call, error instanceof TimedOutError)
    call.fail(error)
  }
}

module.exports = { Wire }
