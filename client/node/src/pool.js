'use strict'

const { createConnection } = require('node:net')

const { Conn } = require('./conn.js')
const { CancelledError, ClosedError, TimedOutError, UnreachableError, quoted } = require('./errors.js')
const { MAX_SOCKET_PATH } = require('./words.js')

// The load at which a call looks for another connection. Below it, sharing one
// costs less than a second stream of system calls.
const SPILL = 32

// How many calls a connection may carry. The daemon stops reading at 256 by
// default; half of that leaves room for replies that nobody waits for.
const MAX_IN_FLIGHT = 128

// Bounds of the time during which, after a failed attempt to connect, calls
// fail at once with the same cause. Nobody wants to wait for a daemon that is
// back already, so it is short, in milliseconds.
const MIN_BACKOFF = 5
const MAX_BACKOFF = 250

const MAX_DIAL_PAUSE = 50 // milliseconds

// Pool keeps the few connections, and one attempt to connect at a time.
class Pool {
  closed = false

  #path
  #limit
  #conns = []
  #inFlight = 0 // calls on connections or waiting for one
  #filling = false // queued calls are being let in
  #queue = new Set() // calls beyond what the connections may carry
  #waiting = new Set() // calls that wait for the attempt in progress
  #dialing = null // its socket or timer
  #failures = 0 // attempts failed in a row
  #until = 0 // no attempt before
  #cause = null // of the last failed attempt

  constructor(path, limit) {
    this.#path = path
    this.#limit = limit
  }

  submit(call) {
    if (this.closed) call.fail(new ClosedError())
    else if (call.signal?.aborted) call.fail(new CancelledError(call.signal.reason))
    else if (this.#inFlight >= this.#limit * MAX_IN_FLIGHT) this.#queue.add(call)
    else {
      this.#inFlight++
      this.#place(call)
    }
  }

  // again asks a call's question a second time.
  again(call) {
    this.#place(call)
  }

  // ended is told of each call that leaves its connection for good.
  ended() {
    this.#inFlight--
    if (this.#filling) return // a call that failed at once: the loop below goes on
    this.#filling = true
    for (const next of this.#queue) {
      if (this.#inFlight >= this.#limit * MAX_IN_FLIGHT) break
      this.#queue.delete(next)
      this.submit(next)
    }
    this.#filling = false
  }

  // leave gives up on a call, wherever it is.
  leave(call, error) {
    if (call.ended) return
    if (call.conn !== null) call.conn.leave(call, error instanceof TimedOutError)
    if (!this.#queue.delete(call)) {
      this.#waiting.delete(call)
      this.ended()
    }
    call.conn = null
    call.fail(error)
  }

  forget(conn) {
    this.#conns = this.#conns.filter((other) => other !== conn)
  }

  // renew is called after a connection broke while it had nothing to say. The
  // others are as old and probably just as dead, after a restart for example:
  // they finish what is under way and take no new calls.
  renew() {
    for (const conn of this.#conns) conn.retire()
  }

  close() {
    this.closed = true
    const error = new ClosedError()
    const calls = [...this.#queue, ...this.#waiting]
    this.#queue.clear()
    this.#waiting.clear()
    for (const conn of this.#conns) conn.fail(error)
    if (this.#dialing !== null) this.#dialing.destroy?.()
    for (const call of calls) call.fail(error)
  }

  #place(call) {
    const conn = this.#pick()
    if (conn !== null) {
      conn.send(call)
    } else if (this.#dialing === null && performance.now() < this.#until) {
      this.ended()
      call.fail(this.#cause)
    } else {
      this.#waiting.add(call)
      if (this.#dialing === null) this.#dial(1)
    }
  }

  // pick returns the first connection that is not loaded, so that calls keep
  // together; else the one that is least, while another is being made if there
  // may be one. null: there is none at all.
  #pick() {
    let best = null
    let alive = 0
    for (const conn of this.#conns) {
      if (conn.closed) continue
      if (conn.load < SPILL) return conn
      alive++
      if (best === null || conn.load < best.load) best = conn
    }
    if (best !== null && alive < this.#limit && this.#dialing === null && performance.now() >= this.#until) this.#dial(1)
    return best
  }

  #dial(pause) {
    if (this.closed) return
    if (Buffer.byteLength(this.#path) > MAX_SOCKET_PATH) {
      this.#dialFailed(new Error(`socket path is longer than the ${MAX_SOCKET_PATH} bytes that a Unix socket can have`))
      return
    }
    const socket = createConnection({ path: this.#path })
    this.#dialing = socket
    const failed = (error) => {
      // The daemon's queue of new connections is full: it is there, and busy.
      if (error.code === 'EAGAIN' && this.#waiting.size > 0 && !this.closed) {
        this.#dialing = setTimeout(() => this.#dial(Math.min(2 * pause, MAX_DIAL_PAUSE)), pause)
      } else {
        this.#dialFailed(error)
      }
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      this.#connected(socket)
    })
  }

  #connected(socket) {
    this.#dialing = null
    this.#failures = this.#until = 0
    if (this.closed) {
      socket.destroy()
      return
    }
    const conn = new Conn(this, socket)
    this.#conns.push(conn)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const call of waiting) conn.send(call)
  }

  #dialFailed(cause) {
    this.#dialing = null
    this.#cause = new UnreachableError(`connect to ${quoted(this.#path)}: ${advice(cause)}`, { cause })
    const pause = Math.min(MIN_BACKOFF * 2 ** Math.min(this.#failures, 10), MAX_BACKOFF)
    this.#failures++
    this.#until = performance.now() + pause / 2 + (Math.random() * pause) / 2
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const call of waiting) {
      this.ended()
      call.fail(this.#cause)
    }
  }
}

function advice(error) {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return `${error.code} (is neonauthd running, and is this its socket?)`
    case 'EACCES':
      return 'EACCES (is this user in the group of the socket?)'
    default:
      return error.code ?? error.message
  }
}

module.exports = { Pool }
