'use strict'

const { once } = require('node:events')
const { lstatSync, statSync } = require('node:fs')
const { createConnection } = require('node:net')
const { dirname } = require('node:path')

const { BrokenError, GarbledError, UnreachableError, quoted } = require('./errors.js')
const { Lines } = require('./lines.js')
const { parseReply, replyError } = require('./reply.js')
const { requestLine } = require('./request.js')
const { MAX_IN_FLIGHT, MAX_REPLY_LINE, MAX_SOCKET_PATH } = require('./words.js')

// How many replies without a waiting call a connection may owe before another
// connection takes its place.
const MAX_ABANDONED = 64

// How long, in milliseconds, a connection must have been silent before it is
// given up as dead. A call with a shorter deadline than the daemon needs must
// not cost the other calls their connection.
const MIN_SILENCE = 20

const MAX_DIAL_PAUSE = 50 // milliseconds

// Bits in the mode of a folder (inode(7)).
const OTHERS_MAY_WRITE = 0o002
const STICKY = 0o1000

// One connection that many calls share. The requests of one turn of the event
// loop are sent in one write. Each reply has the tag of its request.
class Conn {
  #wire
  #socket
  #lines = new Lines(MAX_REPLY_LINE)
  #calls = new Map() // the waiting calls, by tag
  #abandoned = new Set() // tags for whose replies nobody waits any more
  #callers = 0 // calls for which the process stays alive: not those in the background
  // Tags begin with a random number, so that a reply that reaches the wrong
  // connection has a tag that does not fit.
  #last = Math.floor(Math.random() * 2 ** 48)
  #heard = 0 // reply lines read so far
  #out = '' // goes out at the end of this turn
  #retired = false
  #ended = false

  constructor(socket, wire) {
    this.#socket = socket
    this.#wire = wire
    socket.unref()
    socket.setTimeout(wire.idleTime)
    socket.on('timeout', () => (this.#calls.size === 0 ? this.end() : socket.setTimeout(wire.idleTime)))
    socket.on('data', (chunk) => this.#receive(chunk))
    for (const event of ['end', 'error']) socket.on(event, (cause) => this.#broke(cause))
  }

  get full() { return this.#calls.size + this.#abandoned.size >= MAX_IN_FLIGHT }

  send(call) {
    call.conn = this
    call.tag = `@${++this.#last}`
    call.heard = this.#heard
    call.left = call.question.end - performance.now()
    this.#calls.set(call.tag, call)
    if (!call.question.background && this.#callers++ === 0) this.#socket.ref()
    if (this.#out === '') process.nextTick(() => this.#flush())
    this.#out += requestLine(call.question, call.tag, call.left)
  }

  // leave notes that the call does not wait for its reply any more. The tag
  // stays, because the reply may still come.
  leave(call, timedOut) {
    this.#calls.delete(call.tag)
    this.#abandoned.add(call.tag)
    const silent = timedOut && this.#heard === call.heard && call.left >= MIN_SILENCE
    this.#retired ||= silent || this.#abandoned.size > MAX_ABANDONED
    if (this.#retired) this.#wire.retired(this)
    this.#release(call)
  }

  // end closes the connection and ends every call on it. If the connection was
  // idle before and turned out to be dead, its calls are asked once more. There
  // is no third try, because a request on which a daemon dies must not be sent
  // for ever.
  end(error, idle = false) {
    if (this.#ended) return
    this.#ended = true
    this.#socket.destroy()
    for (const call of this.#calls.values()) {
      if (idle && !call.again) this.#wire.askAgain(call)
      else call.fail(error)
    }
    this.#wire.ended(this)
  }

  // release lets the process end if no call waits any more.
  #release(call) {
    if (!call.question.background && --this.#callers === 0) this.#socket.unref()
    if (this.#retired && this.#calls.size === 0) this.end()
  }

  #flush() {
    if (!this.#ended) this.#socket.write(this.#out, 'latin1')
    this.#out = ''
  }

  // broke ends the connection as broken. If it had served before and died
  // between two replies, the daemon has probably closed it while it was idle.
  #broke(cause) { this.end(new BrokenError(cause && { cause }), this.#heard > 0 && !this.#lines.partial) }

  #receive(chunk) {
    try {
      for (const line of this.#lines.in(chunk)) {
        this.#deliver(line)
        if (this.#ended) return
      }
    } catch (error) {
      return this.end(error)
    }
    this.#wire.proceed()
  }

  // deliver hands a reply to its call. A line without one of our tags is thrown
  // as an error: an ERR is about the whole connection, such as "busy" when the
  // daemon has too many connections. Every other line is garbled.
  #deliver(line) {
    this.#heard++
    const space = Math.max(line.indexOf(0x20), 0)
    const tag = line.latin1Slice(0, space)
    const call = this.#calls.get(tag)
    if (call !== undefined) {
      this.#calls.delete(tag)
      call.done(line.subarray(space + 1))
      this.#release(call)
    } else if (!this.#abandoned.delete(tag)) {
      const reply = parseReply(line)
      throw reply.status === 'ERR' ? replyError(reply) : new GarbledError('reply to no request')
    }
  }
}

const IS_IT_THERE = ' (is neonauthd running, and is this its socket?)'
const ADVICE = { ENOENT: IS_IT_THERE, ECONNREFUSED: IS_IT_THERE, EACCES: ' (is this user in the group of the socket?)' }

// checkOwner refuses a socket of another user in a folder such as /tmp, where
// everybody can make files: another program than the daemon may listen there.
// In a folder that is not sticky everybody can also replace files, so that the
// owner of a file says nothing.
function checkOwner(path) {
  const { mode } = statSync(dirname(path))
  if (!(mode & OTHERS_MAY_WRITE)) return
  const { uid } = lstatSync(path)
  const problem = !(mode & STICKY)
    ? 'everybody can replace it: its folder is writable by all and not sticky'
    : uid !== 0 && uid !== process.geteuid() && `it belongs to user ${uid}, and everybody can make files in its folder`
  if (problem) throw new Error(`${problem} (keep the daemon's socket in a folder that only the daemon's user can write to)`)
}

// dial connects to the daemon. When the daemon's queue of new connections is
// full, Linux reports EAGAIN at once; dial then tries again as long as wanted()
// is true. It throws an UnreachableError.
async function dial(path, wanted) {
  try {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH) throw new Error(`socket path is longer than ${MAX_SOCKET_PATH} bytes, the most there can be`)
    if (path.startsWith('\0')) throw new Error('an abstract socket has no owner: give the path of a socket in a folder')
    for (let pause = 1; ; pause = Math.min(2 * pause, MAX_DIAL_PAUSE)) {
      const socket = createConnection({ path })
      try {
        await once(socket, 'connect')
        checkOwner(path) // after connecting: the owner cannot have changed before
        return socket
      } catch (error) {
        socket.destroy()
        if (error.code !== 'EAGAIN' || !wanted()) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  } catch (cause) {
    throw new UnreachableError(`connect to ${quoted(path)}: ${cause.code ?? cause.message}${ADVICE[cause.code] ?? ''}`, { cause })
  }
}

module.exports = { Conn, dial }
