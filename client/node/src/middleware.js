'use strict'

const { STATUS_CODES } = require('node:http')

const { sharedClient } = require('./client.js')
const { DEFAULT_RETRY_AFTER, Found, HEADERS, Search, denied, preflight, refusalOf, valuesOf } = require('./httpauth.js')

const OPTIONS = ['client', 'lookup', 'profile', 'places', 'token', 'optional', 'allow', 'realm', 'refuse']
const CONFUSING = Symbol('confusing')

// Under which answer each request was let through. A map of our own, so that
// nothing a client sends or another middleware sets can look like it.
const answers = new WeakMap()

// from returns the Accepted under which a request was let through; undefined
// outside a guard, for a CORS preflight, and inside an optional guard for a
// request without a token.
function from(req) {
  return answers.get(req)
}

// guard returns a middleware (req, res, next) that lets requests with an
// accepted token through and answers the others.
function guard(options = {}) {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw new TypeError(`neonauthd: guard has no option "${name}"`)
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const rules = { places: [], allow: () => true, refuse: plainRefusal, lookup: {}, ...given }
  rules.client ??= sharedClient()
  rules.find = finder(rules)

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

// finder returns what finds the token: the application's own search, or the one
// in the headers and the places that the application names besides.
function finder({ token, places, profile }) {
  if (token === undefined) {
    const search = new Search([...HEADERS, ...places])
    return (req) => search.find(valuesOf(req), Boolean(profile))
  }
  return (req) => {
    const found = token(req)
    if (found === CONFUSING) return new Found([], 'unreadable-token')
    return new Found(found === undefined ? [] : [found])
  }
}

async function admitted(rules, req, res) {
  if (preflight(req.method, valuesOf(req))) return true
  const found = rules.find(req)
  const without = found.refusal()
  if (without !== undefined) {
    if (rules.optional && found.fault === '') return true
    return refuse(rules, req, res, without)
  }
  const { answer } = await found.ask((token) => (rules.profile ? rules.client.profile(token, rules.lookup) : rules.client.verify(token, rules.lookup)))
  const refusal = refusalOf(answer) ?? ((await rules.allow(req, answer)) === true ? undefined : denied())
  if (refusal !== undefined) return refuse(rules, req, res, refusal, answer)
  answers.set(req, answer)
  return true
}

// refuse answers a request that does not get through.
function refuse(rules, req, res, refusal, answer) {
  for (const [name, value] of Object.entries(refusal.headers(rules.realm))) res.setHeader(name, value)
  rules.refuse(req, res, refusal.status, answer)
  return false
}

function plainRefusal(_req, res, status) {
  res.statusCode = status
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.end(`${STATUS_CODES[status]}\n`)
}

// bearer finds the token in the Authorization header and in no other place.
const bearer = only('authorization')

// cookie returns a search for the token in the cookie of that name and in no
// other place.
const cookie = (name) => only(`cookie:${name}`)

function only(place) {
  const search = new Search([place])
  return (req) => {
    const { tokens, fault } = search.find(valuesOf(req))
    return fault === '' && tokens.length < 2 ? tokens[0] : CONFUSING
  }
}

module.exports = { DEFAULT_RETRY_AFTER, from, guard, bearer, cookie }
