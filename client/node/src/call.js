'use strict'

const { CancelledError, TimedOutError } = require('./errors.js')
const { MAX_DEADLINE, encodeValue } = require('./words.js')

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
    const { span, signal } = question
    this.question = question
    this.end = performance.now() + span
    this.resolve = resolve
    this.reject = reject
    // The connection keeps the process alive while a call waits, so the timer
    // need not.
    this.timer = setTimeout(() => leave(this, new TimedOutError(span)), span).unref()
    this.onAbort = () => leave(this, new CancelledError(signal.reason))
    signal?.addEventListener('abort', this.onAbort, { once: true })
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

// requestLine returns the request line with the given tag. left is the time in
// milliseconds until the caller must have its answer.
function requestLine(question, tag, left) {
  let line = `${tag} ${question.verb}`
  if (question.token === '') return `${line}${question.args}\n`
  if (question.project !== '') line += ` project=${encodeValue(question.project)}`
  if (question.maxAge >= 0) line += ` max-age=${question.maxAge}`
  line += ` deadline=${daemonShare(left)}`
  if (question.fallback) line += ' fallback=claims'
  if (question.heard > 0) line += ` heard=${question.heard}`
  if (question.label !== '') line += ` for=${question.label}`
  if (question.keep) line += ' keep=1'
  return `${line} ${question.token}\n`
}

const MOST_FOR_THE_WAY = 50 // milliseconds

// Returns how much of the time left the daemon may use, so that it can still
// say what it knows. The rest is for the way back.
function daemonShare(left) {
  const share = Math.floor(left - Math.min(left / 10, MOST_FOR_THE_WAY))
  return Math.min(Math.max(share, 1), MAX_DEADLINE)
}

module.exports = { Call, requestLine }
