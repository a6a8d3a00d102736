'use strict'

const { isUtf8 } = require('node:buffer')

const { requestLine } = require('./call.js')
const { BrokenError, GarbledError } = require('./errors.js')
const { parseReply, replyError } = require('./reply.js')
const { MAX_REPLY_LINE } = require('./words.js')

// How many replies that nobody waits for any more a connection may owe before
// new calls avoid it.
const MAX_ABANDONED = 64

// How long, in milliseconds, a connection must have brought nothing before it is
// given up as dead. Callers in more of a hurry than the daemon must not cost the
// others their connection.
const MIN_SILENCE = 20

const LF = 10
const PLAIN = /^[ -~]*$/
const CONTROL = /[\x00-\x1f]/

// One connection that many calls share. Requests that are ready in one turn of
// the event loop go out in one write. A reply whose call has left is dropped:
// its tag stays behind as a tombstone.
class Conn {
  load = 0 // calls that wait on it
  closed = false // takes no new calls
  failed = false
  heard = 0 // reply lines read so far

  #pool
  #socket
  #calls = new Map() // by tag; null: abandoned
  #abandoned = 0
  #last = 0 // the latest tag given out
  #out = ''
  #partial = [] // chunks of a reply line whose end has not come
  #partialSize = 0

  constructor(pool, socket) {
    this.#pool = pool
    this.#socket = socket
    socket.unref()
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('end', () => this.#broke())
    socket.on('error', (error) => this.#broke(error))
    socket.on('close', () => this.#broke())
  }

  send(call) {
    call.conn = this
    call.tag = ++this.#last
    call.heard = this.heard
    call.left = call.end - performance.now()
    this.#calls.set(call.tag, call)
    if (this.load++ === 0) this.#socket.ref()
    if (this.#out === '') process.nextTick(() => this.#flush())
    this.#out += requestLine(call.question, call.tag, call.left)
  }

  // leave ends a call's interest in its reply.
  leave(call, timedOut) {
    this.#calls.set(call.tag, null)
    this.#abandoned++
    this.#release()
    const silent = timedOut && this.heard === call.heard && call.left >= MIN_SILENCE
    if (silent || this.#abandoned > MAX_ABANDONED) this.closed = true
    if (this.closed) this.retire()
  }

  // retire lets the calls on it finish and takes no new ones.
  retire() {
    this.closed = true
    if (this.load === 0) this.fail(null)
  }

  // fail ends the connection and every call on it. Those that hung on an idle
  // connection which turned out to be dead are asked again, once.
  fail(error) {
    if (this.failed) return
    this.failed = this.closed = true
    this.#socket.destroy()
    this.#pool.forget(this)
    const calls = [...this.#calls.values()].filter((call) => call !== null)
    this.#calls.clear()
    this.#partial = []
    this.#out = ''
    this.load = 0
    if (error instanceof BrokenError && error.idle) this.#pool.renew()
    for (const call of calls) {
      call.conn = null
      if (error instanceof BrokenError && error.idle && !call.again) {
        call.again = true
        this.#pool.again(call)
      } else {
        this.#pool.ended(call)
        call.fail(error)
      }
    }
  }

  #release() {
    if (--this.load === 0) this.#socket.unref()
  }

  #flush() {
    if (this.failed) return
    const batch = this.#out
    this.#out = ''
    this.#socket.write(batch, 'latin1')
  }

  #broke(cause) {
    if (this.failed) return
    const error = new BrokenError(cause && { cause })
    error.idle = this.heard > 0 && this.#partialSize === 0
    this.fail(error)
  }

  #receive(chunk) {
    let start = 0
    while (!this.failed) {
      const end = chunk.indexOf(LF, start)
      const size = this.#partialSize + (end < 0 ? chunk.length : end + 1) - start
      if (size > MAX_REPLY_LINE || (end < 0 && size === MAX_REPLY_LINE)) {
        this.fail(new GarbledError('reply line is too long'))
        return
      }
      if (end < 0) {
        if (start < chunk.length) this.#partial.push(chunk.subarray(start))
        this.#partialSize = size
        return
      }
      if (this.#partialSize > 0) {
        const whole = Buffer.concat([...this.#partial, chunk.subarray(start, end)])
        this.#partial = []
        this.#partialSize = 0
        this.#deliver(whole, 0, whole.length)
      } else {
        this.#deliver(chunk, start, end)
      }
      start = end + 1
      if (start === chunk.length) return
    }
  }

  // deliver hands a reply line to its call.
  #deliver(bytes, start, end) {
    this.heard++
    const line = decode(bytes, start, end)
    const space = line === null ? tagEnd(bytes, start, end) : line.indexOf(' ')
    const tag = tagOf(line ?? bytes.latin1Slice(start, start + Math.max(space, 0)), space)
    if (tag === 0) {
      this.fail(line === null ? new GarbledError('reply to no request') : untagged(line))
      return
    }
    const call = this.#calls.get(tag)
    if (call === undefined) {
      this.fail(new GarbledError('tag of no request'))
      return
    }
    this.#calls.delete(tag)
    if (call === null) {
      this.#abandoned--
      return
    }
    this.#release()
    call.conn = null
    this.#pool.ended(call)
    if (line === null) call.fail(new GarbledError('not one line of UTF-8'))
    else call.done(line.slice(space + 1))
    if (this.closed) this.retire()
  }
}

// decode returns the text of a line, null if it is not one line of UTF-8.
function decode(bytes, start, end) {
  const text = bytes.latin1Slice(start, end)
  if (PLAIN.test(text)) return text
  if (CONTROL.test(text) || !isUtf8(bytes.subarray(start, end))) return null
  return bytes.utf8Slice(start, end)
}

function tagEnd(bytes, start, end) {
  const space = bytes.indexOf(0x20, start)
  return space < 0 || space > end ? -1 : space - start
}

// tagOf reads a tag as send writes it; 0: there is none.
function tagOf(line, space) {
  if (space < 2 || space > 17 || line.charCodeAt(0) !== 0x40) return 0
  const digits = line.slice(1, space)
  return /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0
}

// untagged reads a line without one of our tags. An ERR is the daemon's word
// about the whole connection ("busy" on one too many); anything else has no
// place here.
function untagged(line) {
  try {
    const reply = parseReply(line)
    if (reply.status === 'ERR') return replyError(reply)
  } catch {
    // said below
  }
  return new GarbledError('reply to no request')
}

module.exports = { Conn }
