'use strict'

// The errors: why nothing was learnt about a token. No message contains a token
// or claims.

// The common base. kind is for programs, message for people.
class NeonauthdError extends Error {
  constructor(kind, message, options) {
    super(`neonauthd: ${message}`, options)
    this.kind = kind
  }

  get name() { return this.constructor.name }
}

// The daemon has answered that it cannot tell, or that the request is wrong.
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

// The connection ended before the reply was complete.
class BrokenError extends NeonauthdError {
  constructor(options) { super('broken', 'connection broke before the reply was complete', options) }
}

// The daemon's line is not a reply of this protocol, or does not answer the
// question that was asked.
class GarbledError extends NeonauthdError {
  constructor(what) { super('garbled', `reply is not of the protocol: ${what}`) }
}

// The call took longer than its timeout or deadline.
class TimedOutError extends NeonauthdError {
  constructor(span) { super('timeout', `no answer within ${Math.round(span)} ms`) }
}

// The caller's signal was aborted; cause is its reason.
class CancelledError extends NeonauthdError {
  constructor(reason) { super('cancelled', 'given up by the caller', { cause: reason }) }
  get name() { return 'AbortError' } // the name that the platform's own calls use
}

// close() was called.
class ClosedError extends NeonauthdError {
  constructor() { super('closed', 'client is closed') }
}

// quoted makes foreign text safe for a message: one line, visible ASCII, short.
function quoted(text) {
  const most = 128
  const escaped = JSON.stringify(text.slice(0, most)).replace(/[^ -~]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'))
  return text.length > most ? `${escaped}...` : escaped
}

module.exports = {
  NeonauthdError, ReplyError, UnreachableError, BrokenError, GarbledError, TimedOutError, CancelledError, ClosedError, quoted,
}
