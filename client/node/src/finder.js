'use strict'

// What stands in a request's headers and cookies where a token may be.

const MAX_COOKIE_TOKENS = 4
const SDK_COOKIES = ['hexclave-access', 'stack-access'] // the newer one first
const SESSION_COOKIE = '__Secure-neon-auth.session_token'

// A search under way.
class Finder {
  #values
  #token = '' // outside the SDKs' cookies
  #cookies = [] // the different tokens in the SDKs' cookies
  // Why the request is refused; '' as long as nothing is wrong with it.
  fault = ''

  constructor(values) {
    this.#values = values
  }

  // tokens returns what was found, after the last look.
  tokens() {
    if (this.#token === '') return this.#cookies
    if (this.#cookies.length > 0 && !this.#cookies.includes(this.#token)) this.#fail('two-tokens')
    return [this.#token]
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
    this.fault ||= fault
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

module.exports = { Finder, MAX_COOKIE_TOKENS, SDK_COOKIES }
