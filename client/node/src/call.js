'use strict'

const { CancelledError, GarbledError, TimedOutError } = require('./errors.js')
const { MAX_DEADLINE } = require('./words.js')

// One question under way, from the program's call to its end. It ends once: with
// the text of a reply, or with an error.
class Call {
  conn = null // the connection that it is on
  tag = ''
  heard = 0 // how many replies the connection had had when it was asked
  left = 0 // milliseconds that it had left then
  again = false // it has been asked a second time

  // leave(call, error) is called when the caller does not wait any longer.
  constructor(question, span, signal, leave, resolve, reject) {
    this.question = question
    this.end = performance.now() + span
    this.signal = signal
    this.resolve = resolve
    this.reject = reject
    // The connection keeps the process alive while somebody waits, so the timer need not.
    this.timer = setTimeout(() => leave(this, new TimedOutError(span)), span).unref()
    this.onAbort = () => leave(this, new CancelledError(signal.reason))
    signal?.addEventListener('abort', this.onAbort, { once: true })
  }

  // done takes the text of the reply, without its tag; null: it is no text.
  done(text) {
    if (text === null) return this.fail(new GarbledError('not one line of UTF-8'))
    this.#finish()
    this.resolve(text)
  }

  fail(error) {
    this.#finish()
    this.reject(error)
  }

  #finish() {
    clearTimeout(this.timer)
    this.signal?.removeEventListener('abort', this.onAbort)
  }
}

// requestLine writes the question for a tag. left is the time in milliseconds
// until the caller must have its answer.
function requestLine(question, tag, left) {
  let line = `${tag} ${question.verb}`
  if (question.token === '') return `${line}${question.args}\n`
  if (question.project !== '') line += ` project=${question.wireProject}`
  if (question.maxAge >= 0) line += ` max-age=${question.maxAge}`
  line += ` deadline=${daemonShare(left)}`
  if (question.fallback) line += ' fallback=claims'
  if (question.heard > 0) line += ` heard=${question.heard}`
  if (question.label !== '') line += ` for=${question.label}`
  if (question.keep) line += ' keep=1'
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
