'use strict'

const { CancelledError, TimedOutError } = require('./errors.js')
const { MAX_DEADLINE } = require('./words.js')

// One question under way, from the program's call to its end. It ends once:
// with a reply line, or with an error.
class Call {
  constructor(question, span, signal, pool, settle) {
    this.question = question
    this.span = span // milliseconds
    this.end = performance.now() + span
    this.again = false // it has been asked a second time
    this.conn = null // the connection that it is on
    this.tag = 0
    this.heard = 0 // how many replies the connection had had when it was asked
    this.left = 0 // milliseconds that it had left then
    this.ended = false
    this.settle = settle
    this.signal = signal
    // The connection keeps the process alive while somebody waits, so the timer need not.
    this.timer = setTimeout(expire, span, this, pool)
    this.timer.unref()
    if (signal) {
      this.onAbort = () => pool.leave(this, new CancelledError(signal.reason))
      signal.addEventListener('abort', this.onAbort, { once: true })
    }
  }

  done(line) {
    if (this.ended) return
    this.#finish()
    this.settle(line, null)
  }

  fail(error) {
    if (this.ended) return
    this.#finish()
    this.settle(null, error)
  }

  #finish() {
    this.ended = true
    clearTimeout(this.timer)
    if (this.signal) this.signal.removeEventListener('abort', this.onAbort)
  }
}

function expire(call, pool) {
  pool.leave(call, new TimedOutError(call.span))
}

// requestLine writes the question for a tag. left is the time in milliseconds
// until the caller must have its answer.
function requestLine(question, tag, left) {
  let line = `@${tag} ${question.verb}`
  if (question.token === '') return `${line}${question.args}\n`
  if (question.project !== '') line += ` project=${question.wireProject}`
  if (question.maxAge >= 0) line += ` max-age=${question.maxAge}`
  line += ` deadline=${daemonShare(left)}`
  if (question.fallback) line += ' fallback=claims'
  if (question.label !== '') line += ` for=${question.label}`
  return `${line} ${question.token}\n`
}

const MOST_FOR_THE_WAY = 50 // milliseconds

// The part of the time left that the daemon is given, so that it can still say
// what it knows; the rest is for the way back.
function daemonShare(left) {
  const share = Math.floor(left - Math.min(left / 10, MOST_FOR_THE_WAY))
  return Math.min(Math.max(share, 1), MAX_DEADLINE)
}

module.exports = { Call, requestLine }
