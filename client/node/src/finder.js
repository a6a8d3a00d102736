'use strict'

// Finds the tokens in the headers and cookies of a request.

const MAX_COOKIE_TOKENS = 4
const SDK_COOKIES = ['hexclave-access', 'stack-access'] // the newer one first
const SESSION_COOKIE = '__Secure-neon-auth.session_token'

// One search while it runs.
class Finder {
  #values
  #token = '' // from any place but the SDKs' cookies
  #cookies = [] // the different tokens in the SDKs' cookies
  // Why the request is invalid. '': it is not, so far.
  fault = ''

  constructor(values) {
    this.#values = values
  }

  // tokens returns the tokens that were found. Call it after the last look.
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

  // Takes the credential of the scheme Bearer. Another scheme alone carries no
  // token. Another scheme beside Bearer is a fault, because the next server may
  // choose the other one.
  #lookInAuthorization() {
    let ours = false
    let others = false
    for (const value of this.#values('authorization')) {
      const credential = bearer(value)
      if (credential !== undefined) {
        ours ||= credential !== ''
        this.#credential(credential)
      } else if (value.split(',').some((part) => bearer(part))) {
        this.#fail('two-tokens') // a server that joins two headers makes such a list
      } else {
        others ||= trim(value) !== ''
      }
    }
    if (ours && others) this.#fail('two-tokens')
  }

  // Takes a token, with or without "Bearer" before it.
  #lookInHeader(name) {
    for (const value of this.#values(name)) {
      const credential = bearer(value)
      if (credential !== undefined) this.#credential(credential)
      else this.#noList(value)
    }
  }

  // Takes a token, or the envelope of an SDK: base64 of a JSON object with both
  // tokens.
  #credential(credential) {
    const packed = /^(?:stackauth|hexclave)_(.*)$/s.exec(credential)?.[1]
    if (packed === undefined) this.#noList(credential)
    else this.#object(isBase64(packed) ? utf8(Buffer.from(packed, 'base64')) : undefined)
  }

  // Takes one token. A comma in it makes it a list of tokens, which is a fault.
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

  // Takes the member accessToken of the JSON object that the SDK's getAuthJson
  // makes; null means that nobody is signed in. The refresh token is not used.
  #object(text) {
    const values = text === undefined ? undefined : accessTokens(text)
    if (values === undefined) this.#fail('unreadable-token')
    for (const value of values ?? []) {
      if (typeof value === 'string') this.#one(value)
      else if (value !== null) this.#fail('unreadable-token')
    }
  }

  // Follows the SDK: the older cookie counts only if there is none with the
  // newer name. A browser keeps the older cookie for a day after the
  // application moved to the newer SDK.
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

  // Returns the values of all cookies with this name, without the quotes around
  // them.
  #cookiesNamed(name) {
    return this.#values('cookie')
      .flatMap((line) => line.split(';'))
      .map(trim)
      .filter((pair) => pair.startsWith(`${name}=`))
      .map((pair) => unquoted(trim(pair.slice(name.length + 1))))
  }
}

// trim removes blanks at both ends. A regular expression could need quadratic
// time for a long value of blanks.
function trim(text) {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text[start])) start++
  while (end > start && isBlank(text[end - 1])) end--
  return text.slice(start, end)
}

const isBlank = (c) => c === ' ' || c === '\t'

const unquoted = (text) => (/^"[^]*"$/.test(text) && text.length > 1 ? trim(text.slice(1, -1)) : text)

// bearer returns the credential in a value of Authorization; undefined: the
// scheme is not Bearer.
function bearer(value) {
  const text = trim(value)
  const rest = text.slice(6)
  if (text.slice(0, 6).toLowerCase() !== 'bearer' || (rest !== '' && !isBlank(rest[0]))) return undefined
  return trim(rest)
}

// isBase64 accepts base64 with and without padding. Buffer would accept any
// text.
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

// accessTokens returns the values of all members accessToken of an object;
// undefined: the text is not an object. If two members have this name, both
// count, because JSON.parse takes the last and other readers take the first.
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

// accessOfCookie returns the second element of [refresh, access]; '': there is
// none. A cookie that cannot be read counts as absent, as in the SDK: a fault
// would refuse every request until the browser drops the cookie.
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
