import { STATUS_CODES } from 'node:http'

import { Rejected } from './answer.js'
import { Client } from './client.js'

export const DEFAULT_RETRY_AFTER = 1000 // milliseconds
const MAX_RETRY_AFTER = 60_000

const OPTIONS = ['client', 'lookup', 'profile', 'token', 'optional', 'allow', 'realm', 'refuse']
const CONFUSING = Symbol('confusing')

// Under which answer each request was let through. A map of our own, so that
// nothing a client sends or another middleware sets can look like it.
const answers = new WeakMap()

// from returns the Accepted under which a request was let through; undefined
// outside a guard, and inside an optional one for a request without a token.
export function from(req) {
  return answers.get(req)
}

// guard returns a middleware (req, res, next) that lets requests with an
// accepted token through and answers the others.
export function guard(options = {}) {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw new TypeError(`neonauthd: guard has no option "${name}"`)
  }
  const rules = { token: bearer, allow: () => true, refuse: plainRefusal, lookup: {}, ...options }
  rules.client ??= new Client()

  async function middleware(req, res, next) {
    try {
      if (await admitted(rules, req, res)) next()
    } catch (error) {
      next(error)
    }
  }
  // wrap puts a node:http handler behind the guard.
  middleware.wrap = (handler) => (req, res) =>
    middleware(req, res, (error) => {
      if (error === undefined) return handler(req, res)
      // A fault of the program; it says nothing about the token.
      process.emitWarning(error instanceof Error ? error : new Error(String(error)))
      return plainRefusal(req, res, 500)
    })
  return middleware
}

async function admitted(rules, req, res) {
  const token = rules.token(req)
  if (token === CONFUSING) {
    refuse(rules, req, res, 400, 'invalid_request', new Rejected('malformed'))
    return false
  }
  if (token === undefined) {
    // RFC 6750 section 3.1: no error code for a request without any authentication.
    if (!rules.optional) refuse(rules, req, res, 401, '', undefined)
    return Boolean(rules.optional)
  }
  const answer = await (rules.profile ? rules.client.profile(token, rules.lookup) : rules.client.verify(token, rules.lookup))
  const [status, error] = await verdict(rules, req, answer)
  if (status === 200) {
    answers.set(req, answer)
    return true
  }
  refuse(rules, req, res, status, error, answer)
  return false
}

// verdict is the one place where an answer becomes a status.
async function verdict(rules, req, answer) {
  switch (answer.outcome) {
    case 'accepted':
      return (await rules.allow(req, answer)) === true ? [200, ''] : [403, 'insufficient_scope']
    case 'rejected':
      // class-not-allowed: the token is genuine, and another login of the same
      // kind of user would not help.
      return answer.reason === 'class-not-allowed' ? [403, 'insufficient_scope'] : [401, 'invalid_token']
    default:
      return [503, '']
  }
}

function refuse(rules, req, res, status, error, answer) {
  res.setHeader('Cache-Control', 'no-store')
  if (status === 503) res.setHeader('Retry-After', retryAfter(answer.retryAfter))
  else res.setHeader('WWW-Authenticate', challenge(rules.realm, error, answer))
  rules.refuse(req, res, status, answer)
}

function plainRefusal(_req, res, status) {
  res.statusCode = status
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.end(`${STATUS_CODES[status]}\n`)
}

// retryAfter is whole seconds, rounded up, at least one.
function retryAfter(span) {
  return String(Math.ceil(Math.min(span > 0 ? span : DEFAULT_RETRY_AFTER, MAX_RETRY_AFTER) / 1000))
}

// challenge is the value of WWW-Authenticate (RFC 6750 section 3).
function challenge(realm, error, answer) {
  const params = []
  if (realm) params.push(`realm=${quotedString(realm)}`)
  if (error) params.push(`error=${quotedString(error)}`)
  if (answer?.outcome === 'rejected') params.push(`error_description=${quotedString(answer.reason)}`)
  return params.length === 0 ? 'Bearer' : `Bearer ${params.join(', ')}`
}

// The quoted-string of RFC 9110 section 5.6.4, for what RFC 6750 allows in it.
function quotedString(text) {
  return `"${text.replace(/[^ -~]/g, '?').replace(/["\\]/g, '\\$&')}"`
}

// bearer finds the token in the Authorization header (RFC 6750 section 2.1).
// Several such headers are confusing: a proxy might have judged another one.
// Another scheme than Bearer is no token.
export function bearer(req) {
  const values = headerValues(req, 'authorization')
  if (values.length > 1) return CONFUSING
  const m = /^bearer(?: +(.*))?$/is.exec(values[0] ?? '')
  if (m === null) return undefined
  return m[1] || CONFUSING
}

// cookie returns a search for the token in the cookie of that name. Several
// cookies of that name are confusing.
export function cookie(name) {
  return (req) => {
    const values = headerValues(req, 'cookie')
      .flatMap((line) => line.split(';'))
      .map((pair) => pair.trim().split('='))
      .filter(([one]) => one === name)
      .map(([, ...value]) => value.join('='))
    if (values.length > 1) return CONFUSING
    return values[0] || undefined
  }
}

// node:http keeps only the first Authorization header in headers, so look at all.
function headerValues(req, name) {
  const values = []
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    if (req.rawHeaders[i].toLowerCase() === name) values.push(req.rawHeaders[i + 1])
  }
  return values
}
