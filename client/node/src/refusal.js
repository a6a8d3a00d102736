'use strict'

// What an answer of the daemon becomes in HTTP: a status and the headers of the
// refusal.

const DEFAULT_RETRY_AFTER = 1000 // milliseconds
const MAX_RETRY_AFTER = 60_000

// The response to a request that is refused.
class Refusal {
  constructor(status, error, reason, retryAfter = 0, scope = '') {
    this.status = status
    this.error = error
    this.reason = reason
    this.retryAfter = retryAfter
    this.scope = scope
    Object.freeze(this)
  }

  // headers returns the headers of the refusal, by name. resourceMetadata is
  // the address of the protected resource's metadata (RFC 9728 section 5.1).
  headers(realm = '', resourceMetadata = '') {
    return {
      'Cache-Control': 'no-store',
      ...(this.status === 503
        ? { 'Retry-After': String(this.retryAfter / 1000) }
        : { 'WWW-Authenticate': challenge(this, realm, resourceMetadata) }),
    }
  }
}

// The reasons about a genuine token: logging in again would not help.
const FORBIDDING = ['class-not-allowed', 'insufficient-scope']
const forbids = (reason) => FORBIDDING.includes(reason)

// refusalOf returns the refusal for the daemon's answer; undefined: the token
// is accepted. A value that is not an answer is never taken for acceptance.
function refusalOf(answer) {
  switch (answer?.outcome) {
    case 'accepted':
      return undefined
    case 'rejected':
      return forbids(answer.reason) ? denied(answer.reason) : invalidToken(answer.reason)
    default:
      return unavailable(answer?.code, answer?.retryAfter)
  }
}

const invalidToken = (reason) => new Refusal(401, 'invalid_token', reason)

const denied = (reason = '', scope = '') => new Refusal(403, 'insufficient_scope', reason, 0, scope)

function unavailable(reason = '', after = 0) {
  const span = Math.min(after > 0 ? after : DEFAULT_RETRY_AFTER, MAX_RETRY_AFTER)
  return new Refusal(503, '', reason, Math.ceil(span / 1000) * 1000)
}

// challenge returns the value of WWW-Authenticate (RFC 6750 section 3).
function challenge({ error, reason, scope }, realm, resourceMetadata) {
  const params = { realm, error, scope, error_description: error && reason, resource_metadata: resourceMetadata }
  const said = Object.entries(params).filter(([, value]) => value)
  return ['Bearer', said.map(([name, value]) => `${name}=${quotedString(value)}`).join(', ')].filter(Boolean).join(' ')
}

// The quoted-string of RFC 9110 section 5.6.4, with the characters that RFC
// 6750 allows.
function quotedString(text) {
  return `"${text.replace(/[^ -~]/gu, '?').replace(/["\\]/g, '\\$&')}"`
}

module.exports = { DEFAULT_RETRY_AFTER, MAX_RETRY_AFTER, Refusal, denied, forbids, invalidToken, refusalOf, unavailable }
