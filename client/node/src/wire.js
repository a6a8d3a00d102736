'use strict'

const { setMaxListeners } = require('node:events')

const { Conn, dial } = require('./conn.js')
const { CancelledError, ClosedError, TimedOutError } = require('./errors.js')

// How long, in milliseconds, all calls fail at once with the same cause after a
// failed attempt to connect. So a busy program does not try thousands of times
// a second, and calls still succeed soon after the daemon is back.
const DIAL_PAUSE = 50

// One question, from the program's call to its end. It ends once: with a reply
// line, or with an error.
class Call {
  conn = null // the connection on which it was sent last
  tag = ''
  heard = 0 // how many replies the connection had received when it was sent
  left = 0 // milliseconds that were left when it was sent
  again = false // it has been sent a second time

  // leave(call, error) is called when the caller does not wait any longer.
  constructor(question, leave, resolve, reject) {
    const { span, end, signal } = question
    this.question = question
    this.resolve = resolve
    this.reject = reject
    // The connection keeps the process alive while a call waits, so the timer
    // need not.
    this.timer = setTimeout(() => leave(this, new TimedOutError(span)), Math.max(end - performance.now(), 0)).unref()
    this.onAbort = () => leave(this, new CancelledError(signal.reason))
    if (signal === undefined) return
    // Many calls may share a signal, and each removes its listener. Older
    // versions of Node take more than ten listeners for a leak and warn.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', this.onAbort, { once: true })
  }

  // done resolves the call with the reply line, without its tag.
  done(line) {
    this.#finish()
    this.resolve(line)
  }

  fail(error) {
    this.#finish()
    this.reject(error)
  }

  #finish() {
    clearTimeout(this.timer)
    this.question.signal?.removeEventListener('abort', this.onAbort)
  }
}

// Wire sends questions to the daemon and receives the replies, over one
// connection. If that connection is given up or has ended, the next call opens
// another.
class Wire {
  // How long, in milliseconds, an unused connection stays open. A new
  // connection costs a fraction of a millisecond. A short idleTime helps
  // programs that make a client for each request and close none: they do not
  // hold many connections.
  idleTime = 1000

  #path
  #conn = null // the connection that takes new calls
  #conns = new Set() // #conn, and the connections that only finish their calls
  #queue = new Set() // calls that wait for a connection
  #dialing = false
  #until = 0 // no attempt to connect before
  #cause = null // why the last attempt failed
  #closed = false

  constructor(path) { this.#path = path }

  // ask resolves to the reply line, without its tag.
  ask(question) {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new ClosedError()
      if (question.signal?.aborted) throw new CancelledError(question.signal.reason)
      this.#queue.add(new Call(question, (call, error) => this.#leave(call, error), resolve, reject))
      this.proceed()
    })
  }

  // proceed sends the waiting calls, as far as the connection has room.
  proceed() {
    for (const call of this.#queue) {
      if (this.#conn === null) return this.#connect()
      if (this.#conn.full) return
      this.#queue.delete(call)
      this.#conn.send(call)
    }
  }

  // retired is called for a connection that takes no more calls. Calls that
  // wait for room on it need not wait for its end.
  retired(conn) {
    if (this.#conn === conn) this.#conn = null
    this.proceed()
  }

  // askAgain puts a call of a dead connection back into the queue.
  askAgain(call) {
    call.again = true
    this.#queue.add(call)
  }

  // ended is called for a connection that has ended.
  ended(conn) {
    this.#conns.delete(conn)
    this.retired(conn)
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
      // A full queue is an error only if no call waited any more. That says nothing about the
      // daemon, and a call that has come meanwhile has time to wait.
      if (error.cause?.code !== 'EAGAIN') {
        this.#until = performance.now() + DIAL_PAUSE
        this.#cause = error
        this.#fail(error)
      }
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

  // leave ends a call, whether it waits for a connection or for its reply.
  #leave(call, error) {
    if (!this.#queue.delete(call)) call.conn.leave(call, error instanceof TimedOutError)
    call.fail(error)
  }
}

module.exports = { Wire }
