'use strict'

// How a token travels in HTTP: where a request may carry the token, which
// status an answer of the daemon becomes, and which headers a refusal has. The
// definition is package client/httpauth of the Go module; the cases in
// client/testdata/httpauth test every language.

const { Finder, MAX_COOKIE_TOKENS, SDK_COOKIES } = require('./finder.js')
const { DEFAULT_RETRY_AFTER, MAX_RETRY_AFTER, Refusal, denied, forbids, invalidToken, refusalOf, unavailable } = require('./refusal.js')
const { Requirements } = require('./requirements.js')
const { METADATA_PATH, Resource } = require('./resource.js')

// The places that no browser fills by itself. A browser does send cookies, also
// with requests that a page of another site makes (CSRF), so cookies count only
// where the application names them.
const HEADERS = Object.freeze(['sdk-header', 'authorization'])

const MAX_PLACE_NAME = 256

const SDK_HEADERS = ['x-stack-access-token', 'x-hexclave-access-token', 'x-stack-auth']

// The order of the search. The application's own headers and cookies come last.
const ORDER = ['sdk-header', 'authorization', 'sdk-cookie', 'session-cookie']

const VARY = {
  'sdk-header': ['X-Stack-Access-Token', 'X-Hexclave-Access-Token', 'X-Stack-Auth'],
  authorization: ['Authorization'],
  'sdk-cookie': ['Cookie'],
  'session-cookie': ['Cookie'],
}

// Headers and cookies whose value is more than a token.
const RESERVED = new Map([
  ['header:authorization', 'authorization'],
  ...SDK_HEADERS.map((name) => [`header:${name}`, 'sdk-header']),
  ...SDK_COOKIES.map((name) => [`cookie:${name}`, 'sdk-cookie']),
])

// check returns the place, with the name of a header in lower case, or throws.
function check(word) {
  if (ORDER.includes(word)) return word
  const [, kind, given] = /^(header|cookie):([^]*)$/.exec(word) ?? []
  const wrong = (why) => new TypeError(`neonauthd: ${JSON.stringify(word)} is not ${why}`)
  if (kind === undefined) throw wrong('"authorization", "sdk-header", "sdk-cookie", "session-cookie", "header:NAME" or "cookie:NAME"')
  const name = kind === 'header' ? given.toLowerCase() : given
  const place = `${kind}:${name}`
  if (RESERVED.has(place)) throw wrong(`a token alone: name the place "${RESERVED.get(place)}" instead`)
  if (place === 'header:cookie') throw wrong('one cookie: name it with "cookie:NAME" instead')
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || name.length > MAX_PLACE_NAME) {
    throw wrong(`a place: a name has 1 to ${MAX_PLACE_NAME} letters, digits and characters of !#$%&'*+-.^_\`|~`)
  }
  return place
}

// A search for the token of a request in a list of places, whose order does not
// matter.
class Search {
  #places

  constructor(places = HEADERS) {
    if (!Array.isArray(places) || places.length === 0) throw new TypeError('neonauthd: the list names no place, so no request could carry a token')
    const rank = (place) => (ORDER.includes(place) ? ORDER.indexOf(place) : ORDER.length)
    this.#places = [...new Set(places.map(check))].sort((a, b) => rank(a) - rank(b))
    const own = (place) => [place.startsWith('header:') ? canonical(place.slice(7)) : 'Cookie']
    // The value of the response header Vary for content that depends on the
    // token.
    this.vary = [...new Set(this.#places.flatMap((place) => VARY[place] ?? own(place)))].sort().join(', ')
    Object.freeze(this)
  }

  // find looks for the token. values returns all values of a header by its name
  // in lower case. profile says that the profile will be asked for: a session
  // cookie counts only then.
  find(values, profile = false) {
    const finder = new Finder(values)
    for (const place of this.#places) finder.look(place, profile)
    return new Found(finder.tokens(), finder.fault)
  }
}

const canonical = (name) => name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())

// valuesOf is for requests of node:http and node:http2. Their member headers
// keeps only the first value of some headers, so valuesOf reads rawHeaders.
function valuesOf(req) {
  return (name) => {
    const values = []
    for (let i = 0; i < req.rawHeaders.length; i += 2) {
      if (req.rawHeaders[i].toLowerCase() === name) values.push(req.rawHeaders[i + 1])
    }
    return values
  }
}

// The result of a search: one token or none, several only from cookies of an
// SDK; or the fault of the request.
class Found {
  constructor(tokens, fault = '') {
    this.tokens = Object.freeze(fault ? [] : [...tokens])
    this.fault = fault
    Object.freeze(this)
  }

  // refusal returns the refusal of a request that can be refused without asking
  // the daemon; undefined: there is a token to ask about.
  refusal() {
    if (this.fault) return new Refusal(400, 'invalid_request', this.fault)
    // RFC 6750 section 3.1: no error code for a request without any authentication.
    return this.tokens.length === 0 ? new Refusal(401, '', 'no-token') : undefined
  }

  // ask calls ask with each token in turn until the answer is not a rejection,
  // and resolves to the answer that counts. An Unknown ends the search too: its
  // token may be the good one, and a later token of another user must not take
  // its place.
  async ask(ask) {
    let counts = {}
    for (const token of this.tokens) {
      const answer = await ask(token)
      if (answer?.outcome !== 'rejected') return { answer, token }
      // The first of several rejections counts. A later one that forbids
      // replaces it: its token is genuine, so logging in again would not help.
      if (counts.answer === undefined || forbids(answer.reason)) counts = { answer, token }
    }
    return counts
  }
}

// preflight tells whether a request is a CORS preflight, with which a browser
// sends no token. A request with a header that makes some frameworks take it
// for another method is not one. Neither is a request with Upgrade: after the
// upgrade no guard sees what goes over the connection.
function preflight(method, values) {
  const others = ['x-http-method-override', 'x-http-method', 'x-method-override', 'upgrade']
  return method === 'OPTIONS' && Boolean(values('access-control-request-method')[0]) && others.every((name) => values(name).length === 0)
}

module.exports = {
  HEADERS,
  MAX_COOKIE_TOKENS,
  MAX_PLACE_NAME,
  DEFAULT_RETRY_AFTER,
  MAX_RETRY_AFTER,
  Search,
  valuesOf,
  Found,
  Refusal,
  refusalOf,
  invalidToken,
  denied,
  unavailable,
  preflight,
  Requirements,
  METADATA_PATH,
  Resource,
}
