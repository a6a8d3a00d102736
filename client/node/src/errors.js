'use strict'

// Why nothing was learnt. No message holds a token or anything of a claim.

// What all of them have in common. kind is for programs, message for people.
class NeonauthdError extends Error {
  constructor(kind, message, options) {
    super(`neonauthd: ${message}`, options)
    this.kind = kind
  }

  get name() { return this.constructor.name }
}

// The daemon was asked, and says that it cannot tell or that the request is wrong.
class ReplyError extends NeonauthdError {
  constructor(code, retryAfter, text, project = '') {
    const about = project === '' ? '' : ` for project ${quoted(project)}`
    const after = retryAfter > 0 ? `, retry after ${retryAfter / 1000} s` : ''
    super('reply', `daemon answers ${code}${about}${after}${text === '' ? '' : `: ${quoted(text)}`}`)
    this.code = code
    this.retryAfter = retryAfter
    this.text = text
    this.project = project
  }
}

// No connection could be made.
class UnreachableError extends NeonauthdError {
  constructor(message, options) { super('unreachable', `daemon is not reachable: ${message}`, options) }
}

// The connection ended before the reply was complete. idle: it had served before and
// died between two replies, as one does that the daemon closed while nobody was
// using it.
class BrokenError extends NeonauthdError {
  constructor(idle, options) {
    super('broken', 'connection broke before the reply was complete', options)
    Object.defineProperty(this, 'idle', { value: idle, enumerable: false })
  }
}

// What came is not a reply of the protocol, or not one to the question asked.
class GarbledError extends NeonauthdError {
  constructor(what) { super('garbled', `reply is not of the protocol: ${what}`) }
}

// The call's time was over.
class TimedOutError extends NeonauthdError {
  constructor(span) { super('timeout', `no answer within ${Math.round(span)} ms`) }
}

// The caller's signal was aborted; cause is its reason.
class CancelledError extends NeonauthdError {
  constructor(reason) { super('cancelled', 'given up by the caller', { cause: reason }) }
  get name() { return 'AbortError' } // as of what the platform's own calls throw
}

// close() was called.
class ClosedError extends NeonauthdError {
  constructor() { super('closed', 'client is closed') }
}

// Foreign text made fit for a message: one line, visible ASCII, short.
function quoted(text) {
  const most = 128
  const cut = text.slice(0, most)
  const escaped = JSON.stringify(cut).replace(/[^ -~]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'))
  return text.length > most ? `${escaped}...` : escaped
}

module.exports = {
  NeonauthdError, ReplyError, UnreachableError, BrokenError, GarbledError, TimedOutError, CancelledError, ClosedError,
  quoted,
}
