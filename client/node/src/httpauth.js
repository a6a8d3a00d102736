'use strict'

// How a token travels in HTTP: where a request may carry it, which status an
// answer of the daemon becomes, and the headers that go with a refusal. The
// definition is package client/httpauth of the Go module; every language plays
// the cases in client/testdata/httpauth.

// What no browser sends along by itself. Cookies it does, with requests that
// another site's page makes (CSRF), so they count only where they are asked for.
const HEADERS = Object.freeze(['sdk-header', 'authorization'])

const MAX_COOKIE_TOKENS = 4
const MAX_PLACE_NAME = 256
const DEFAULT_RETRY_AFTER = 1000 // milliseconds
const MAX_RETRY_AFTER = 60_000

const SDK_HEADERS = ['x-stack-access-token', 'x-hexclave-access-token', 'x-stack-auth']
const SDK_COOKIES = ['hexclave-access', 'stack-access'] // the newer one first
const SESSION_COOKIE = '__Secure-neon-auth.session_token'

// The order of the search; the application's own places come last.
const ORDER = ['sdk-header', 'authorization', 'sdk-cookie', 'session-cookie']

const VARY = {
  'sdk-header': ['X-Stack-Access-Token', 'X-Hexclave-Access-Token', 'X-Stack-Auth'],
  authorization: ['Authorization'],
  'sdk-cookie': ['Cookie'],
  'session-cookie': ['Cookie'],
}

// Headers and cookies in which a token is not simply the value.
const RESERVED = new Map([
  ['header:authorization', 'authorization'],
  ...SDK_HEADERS.map((name) => [`header:${name}`, 'sdk-header']),
  ...SDK_COOKIES.map((name) => [`cookie:${name}`, 'sdk-cookie']),
])

// check returns the place, a header's name in lower case, or throws.
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

// A search for the token of a request in some places, whatever their order.
class Search {
  #places

  constructor(places = HEADERS) {
    if (!Array.isArray(places) || places.length === 0) throw new TypeError('neonauthd: the list names no place, so no request could carry a token')
    const rank = (place) => (ORDER.includes(place) ? ORDER.indexOf(place) : ORDER.length)
    this.#places = [...new Set(places.map(check))].sort((a, b) => rank(a) - rank(b))
    const own = (place) => [place.startsWith('header:') ? canonical(place.slice(7)) : 'Cookie']
    // The value of the header Vary for what depends on the token.
    this.vary = [...new Set(this.#places.flatMap((place) => VARY[place] ?? own(place)))].sort().join(', ')
    Object.freeze(this)
  }

  // find looks for the token. values returns all values of a header by its name
  // in lower case; profile: the profile will be asked for, and then a session
  // cookie counts.
  find(values, profile = false) {
    const finder = new Finder(values)
    for (const place of this.#places) finder.look(place, profile)
    return finder.found()
  }
}

const canonical = (name) => name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())

// valuesOf is for requests of node:http and node:http2. Their headers keep only
// the first of some repeated headers, so look at all.
function valuesOf(req) {
  return (name) => {
    const values = []
    for (let i = 0; i < req.rawHeaders.length; i += 2) {
      if (req.rawHeaders[i].toLowerCase() === name) values.push(req.rawHeaders[i + 1])
    }
    return values
  }
}

// What a search came to: one token or none, several only from cookies of an
// SDK; or the fault of the request.
class Found {
  constructor(tokens, fault = '') {
    this.tokens = Object.freeze(fault ? [] : [...tokens])
    this.fault = fault
    Object.freeze(this)
  }

  // refusal tells how the request is answered without asking the daemon;
  // undefined: there is a token to ask about.
  refusal() {
    if (this.fault) return new Refusal(400, 'invalid_request', this.fault)
    // RFC 6750 section 3.1: no error code for a request without any authentication.
    return this.tokens.length === 0 ? new Refusal(401, '', 'no-token') : undefined
  }

  // ask asks about each token in turn as long as the answers are rejections,
  // and resolves to the one that counts. What is unknown ends it too: the token
  // may be the good one, and then another user's must not take its place.
  async ask(ask) {
    let counts = {}
    for (const token of this.tokens) {
      const answer = await ask(token)
      if (answer?.outcome !== 'rejected') return { answer, token }
      // Of several rejections the first counts, or the one of a genuine token,
      // whose user another login would not help.
      if (counts.answer === undefined || answer.reason === 'class-not-allowed') counts = { answer, token }
    }
    return counts
  }
}

// How a request is answered that does not get through.
class Refusal {
  constructor(status, error, reason, retryAfter = 0) {
    this.status = status
    this.error = error
    this.reason = reason
    this.retryAfter = retryAfter
    Object.freeze(this)
  }

  // headers returns those that go with the refusal, by name.
  headers(realm = '') {
    return {
      'Cache-Control': 'no-store',
      ...(this.status === 503 ? { 'Retry-After': String(this.retryAfter / 1000) } : { 'WWW-Authenticate': challenge(this, realm) }),
    }
  }
}

// refusalOf is the one map from the daemon's answers to statuses; undefined: it
// is accepted. What is no answer is no yes.
function refusalOf(answer) {
  switch (answer?.outcome) {
    case 'accepted':
      return undefined
    case 'rejected':
      // class-not-allowed: the token is genuine, and another login of the same
      // kind of user would not help.
      return answer.reason === 'class-not-allowed' ? denied(answer.reason) : invalidToken(answer.reason)
    default:
      return unavailable(answer?.code, answer?.retryAfter)
  }
}

const invalidToken = (reason) => new Refusal(401, 'invalid_token', reason)

const denied = (reason = '') => new Refusal(403, 'insufficient_scope', reason)

function unavailable(reason = '', after = 0) {
  const span = Math.min(after > 0 ? after : DEFAULT_RETRY_AFTER, MAX_RETRY_AFTER)
  return new Refusal(503, '', reason, Math.ceil(span / 1000) * 1000)
}

// challenge is the value of WWW-Authenticate (RFC 6750 section 3).
function challenge({ error, reason }, realm) {
  const params = []
  if (realm) params.push(`realm=${quotedString(realm)}`)
  if (error) params.push(`error=${quotedString(error)}`)
  if (error && reason) params.push(`error_description=${quotedString(reason)}`)
  return params.length === 0 ? 'Bearer' : `Bearer ${params.join(', ')}`
}

// The quoted-string of RFC 9110 section 5.6.4, for what RFC 6750 allows in it.
function quotedString(text) {
  return `"${text.replace(/[^ -~]/gu, '?').replace(/["\\]/g, '\\$&')}"`
}

// preflight tells whether a request asks on behalf of a browser's CORS check. A
// browser sends no token with it. A request that some frameworks take for
// another method because of a header is none.
function preflight(method, values) {
  const others = ['x-http-method-override', 'x-http-method', 'x-method-override']
  return method === 'OPTIONS' && Boolean(values('access-control-request-method')[0]) && others.every((name) => values(name).length === 0)
}

// A search under way.
class Finder {
  #values
  #token = '' // outside the SDKs' cookies
  #cookies = [] // the different tokens in the SDKs' cookies
  #fault = ''

  constructor(values) {
    this.#values = values
  }

  found() {
    if (this.#fault) return new Found([], this.#fault)
    if (this.#token === '') return new Found(this.#cookies)
    if (this.#cookies.length > 0 && !this.#cookies.includes(this.#token)) return new Found([], 'two-tokens')
    return new Found([this.#token])
  }

  look(place, profile) {
    switch (place) {
      case 'sdk-header':
        this.#lookInHeader('x-stack-access-token')
        this.#lookInHeader('x-hexclave-access-token')
        for (const value of this.#values('x-stack-auth')) {
          if (trim(value) !== '') this.#object(utf8(Buffer.from(trim(value), 'latin1')))
        }
        break
      case 'authorization':
        this.#lookInAuthorization()
        break
      case 'sdk-cookie':
        this.#lookInSDKCookies()
        break
      case 'session-cookie':
        if (profile) this.#ofCookies(this.#cookiesNamed(SESSION_COOKIE))
        break
      default:
        if (place.startsWith('header:')) this.#lookInHeader(place.slice(7))
        else for (const value of this.#cookiesNamed(place.slice(7))) this.#one(value)
    }
  }

  #fail(fault) {
    this.#fault ||= fault
  }

  // The scheme Bearer. Another scheme holds no token, but beside Bearer nobody
  // knows which of the two the next reader goes by.
  #lookInAuthorization() {
    let ours = false
    let others = false
    for (const value of this.#values('authorization')) {
      const credential = bearer(value)
      if (credential !== undefined) {
        ours ||= credential !== ''
        this.#credential(credential)
      } else if (value.split(',').some((part) => bearer(part))) {
        this.#fail('two-tokens') // what a server makes of two headers that it joins
      } else {
        others ||= trim(value) !== ''
      }
    }
    if (ours && others) this.#fail('two-tokens')
  }

  // A token that stands alone or behind "Bearer".
  #lookInHeader(name) {
    for (const value of this.#values(name)) {
      const credential = bearer(value)
      if (credential !== undefined) this.#credential(credential)
      else this.#noList(value)
    }
  }

  // A token or an SDK's envelope around it: base64 of the object with both tokens.
  #credential(credential) {
    const packed = /^(?:stackauth|hexclave)_(.*)$/s.exec(credential)?.[1]
    if (packed === undefined) this.#noList(credential)
    else this.#object(isBase64(packed) ? utf8(Buffer.from(packed, 'base64')) : undefined)
  }

  // A token has no comma in it: that would be a list.
  #noList(token) {
    if (token.includes(',')) this.#fail('two-tokens')
    else this.#one(token)
  }

  #one(given) {
    const token = trim(given)
    if (token === '' || token === this.#token) return
    if (this.#token === '') this.#token = token
    else this.#fail('two-tokens')
  }

  // accessToken out of the JSON object that the SDK's getAuthJson makes; null
  // says that nobody is signed in. The refresh token goes no further than this.
  #object(text) {
    const values = text === undefined ? undefined : accessTokens(text)
    if (values === undefined) this.#fail('unreadable-token')
    for (const value of values ?? []) {
      if (typeof value === 'string') this.#one(value)
      else if (value !== null) this.#fail('unreadable-token')
    }
  }

  // The newer cookie counts, and the older one only without it, as for the SDK:
  // a browser keeps that for a day after its application moved on.
  #lookInSDKCookies() {
    for (const name of SDK_COOKIES) {
      const tokens = this.#cookiesNamed(name).map(accessOfCookie).filter(Boolean)
      if (tokens.length > 0) return this.#ofCookies(tokens)
    }
  }

  #ofCookies(tokens) {
    for (const token of tokens) {
      if (token === '' || this.#cookies.includes(token)) continue
      if (this.#cookies.length === MAX_COOKIE_TOKENS) return this.#fail('two-tokens')
      this.#cookies.push(token)
    }
  }

  // The values of every cookie of a name, without quotes around them.
  #cookiesNamed(name) {
    return this.#values('cookie')
      .flatMap((line) => line.split(';'))
      .map(trim)
      .filter((pair) => pair.startsWith(`${name}=`))
      .map((pair) => unquoted(trim(pair.slice(name.length + 1))))
  }
}

// trim takes blanks off both ends; a regular expression would take its time over
// a value that is all blanks.
function trim(text) {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text[start])) start++
  while (end > start && isBlank(text[end - 1])) end--
  return text.slice(start, end)
}

const isBlank = (c) => c === ' ' || c === '\t'

const unquoted = (text) => (/^"[^]*"$/.test(text) && text.length > 1 ? trim(text.slice(1, -1)) : text)

// bearer takes the credential out of a value; undefined: it is of another scheme.
function bearer(value) {
  const text = trim(value)
  const rest = text.slice(6)
  if (text.slice(0, 6).toLowerCase() !== 'bearer' || (rest !== '' && !isBlank(rest[0]))) return undefined
  return trim(rest)
}

// isBase64 takes it with and without padding; Buffer would take anything.
const isBase64 = (text) => /^[A-Za-z0-9+/]+={0,2}$/.test(text) && (text.endsWith('=') ? text.length % 4 === 0 : text.length % 4 !== 1)

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes) {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

const WORD = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g

// accessTokens returns the values of each member accessToken of an object;
// undefined: it is none. Of two members JSON.parse keeps the last, and another
// reader the first, so both count.
function accessTokens(text) {
  const object = parse(text)
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return undefined
  const words = text.match(WORD)
  const values = []
  let depth = 0
  for (const [i, word] of words.entries()) {
    if (word === '{' || word === '[') depth++
    else if (word === '}' || word === ']') depth--
    else if (depth === 1 && words[i + 1] === ':' && JSON.parse(word) === 'accessToken') {
      values.push(/^["n]/.test(words[i + 2]) ? JSON.parse(words[i + 2]) : undefined)
    }
  }
  return values
}

// accessOfCookie takes the second half of [refresh, access]; '': there is none. A
// cookie that cannot be read counts as absent, as for the SDK: a refusal would
// last until the browser drops the cookie.
function accessOfCookie(value) {
  let text = utf8(Buffer.from(value, 'latin1'))
  try {
    if (text?.includes('%')) text = decodeURIComponent(text)
  } catch {
    return ''
  }
  const pair = text === undefined ? undefined : parse(text)
  return Array.isArray(pair) && pair.length === 2 && typeof pair[1] === 'string' ? trim(pair[1]) : ''
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
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
}
