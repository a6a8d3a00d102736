'use strict'

// What all guards have in common, whatever shape their requests have.

const { STATUS_CODES } = require('node:http')

const { checkLookup, sharedClient } = require('./client.js')
const { DEFAULT_SOCKET, SOCKET_VARIABLE } = require('./words.js')
const { REQUIREMENTS } = require('./requirements.js')
const { Found, HEADERS, Requirements, Resource, Search, denied, preflight, refusalOf } = require('./httpauth.js')

// What each option of a guard has to be.
const isFunction = (value) => typeof value === 'function'
const isBoolean = (value) => typeof value === 'boolean'
const OPTIONS = {
  client: ['a Client: it has to verify() and profile()', (value) => isFunction(value.verify) && isFunction(value.profile)],
  lookup: ['an object with options of verify() or profile()', (value) => typeof value === 'object' && !Array.isArray(value)],
  profile: ['true or false', isBoolean],
  places: ['a list of places, such as ["sdk-cookie"]', Array.isArray],
  token: ['a function that finds the token in a request, such as bearer', isFunction],
  optional: ['true or false', isBoolean],
  allow: ['a function of a request and an answer', isFunction],
  realm: ['text', (value) => typeof value === 'string'],
  resource: ['a Resource of neonauthd/httpauth', (value) => value instanceof Resource],
  refuse: ['a function that answers a request', isFunction],
  onUnknown: ['a function of a request and an answer', isFunction],
}
const CONFUSING = Symbol('confusing')

// How long a guard is silent about an outage after a line: milliseconds.
const TRACE_INTERVAL = 60_000

// Under which answer each request was let through. A map of our own, so that
// nothing a client sends or another middleware sets can look like it.
const answers = new WeakMap()

// letIn notes under which answer a request is let through; undefined: as nobody, whatever a guard before this one has said.
function letIn(request, answer) {
  if (answer === undefined) answers.delete(request)
  else answers.set(request, answer)
}

// userOfAnswer is the user of the answer under which a request was let through. Without one there is none, and a handler that
// goes on would take nobody for somebody.
function userOfAnswer(answer) {
  if (answer !== undefined) return answer.user
  throw new TypeError("neonauthd: nobody is signed in here: put the route behind a guard that is not optional, for its own method only, or, since a browser's preflight has no user, look at from(request) first")
}

// needOptions throws for what a guard is called with in place of its options: a request, or a context that has one.
function needOptions(options) {
  if (typeof options !== 'object' || options === null) throw new TypeError('neonauthd: the options of a guard are an object')
  if (options.headers !== undefined || options.req !== undefined || options.raw !== undefined) {
    throw new TypeError('neonauthd: guard was called with a request: write guard() where a middleware is wanted')
  }
  if (typeof options.addHook === 'function') throw new TypeError('neonauthd: guard is no plugin: write app.register(plugin, options)')
}

// nearest returns words to add to an error about a misspelt option, where another case, a line or an s at its end make it right.
function nearest(given, names) {
  const plain = (name) => name.toLowerCase().replace(/[^a-z]|s$/g, '')
  const near = names.find((name) => plain(name) === plain(given))
  return near === undefined ? '' : `: did you mean "${near}"?`
}

// Rules judge requests by a guard's options. valuesOf(request) returns what
// finds the values of a header.
class Rules {
  #client
  #lookup
  #profile
  #find
  #optional
  #requirements
  #allow
  #onUnknown
  #valuesOf
  #realm
  #resource

  constructor(options, valuesOf) {
    checkOptions(options)
    const { client = sharedClient(), lookup = {}, profile = false, optional = false, allow = () => true, realm = '', refuse } = options
    checkLookup(lookup, profile)
    this.#client = client
    this.#lookup = { ...lookup }
    this.#profile = profile
    this.#find = finder(options, valuesOf)
    this.#optional = optional
    const required = REQUIREMENTS.filter((name) => name in options)
    this.#requirements = new Requirements(Object.fromEntries(required.map((name) => [name, options[name]])))
    this.#allow = allow
    this.#onUnknown = options.onUnknown ?? tracing(client)
    this.#valuesOf = valuesOf
    this.#realm = realm
    this.#resource = options.resource
    this.refuse = refuse // undefined: the guard's own way
  }

  // judge resolves to the refusal of a request, with the answer if the daemon
  // was asked; no refusal: it may come in, as the answer says, or as nobody.
  // An upgrade is no preflight, whatever it calls itself: after it nobody looks
  // at requests.
  async judge(request, method, { upgrade = false } = {}) {
    if (!upgrade && preflight(method, this.#valuesOf(request))) return {}
    const found = this.#find(request)
    const without = found.refusal()
    if (without !== undefined) return this.#optional && found.fault === '' ? {} : { refusal: without }
    const { answer } = await found.ask((token) => this.#ask(token))
    if (answer?.outcome === 'unknown' && answer.error?.kind !== 'cancelled') this.#onUnknown(request, answer)
    return { refusal: refusalOf(answer) ?? (await this.#refusalOfUser(request, answer)), answer }
  }

  // headers are those of a refusal.
  headers(refusal) { return refusal.headers(this.#realm, this.#resource?.metadataUrl) }

  // described is the response to a request for the metadata of the guard's resource; undefined: it is for something else.
  described(request, method, targetOf) {
    return this.#resource?.describes(targetOf(request)) ? this.#resource.response(method) : undefined
  }

  async #refusalOfUser(request, answer) {
    const refusal = this.#requirements.refusal(answer.user)
    if (refusal !== undefined) return refusal
    return (await this.#allow(request, answer)) === true ? undefined : denied()
  }

  #ask(token) {
    return this.#profile ? this.#client.profile(token, this.#lookup) : this.#client.verify(token, this.#lookup)
  }
}

// checkOptions throws for an option that there is not, and for one that is not what it has to be. One that is undefined is
// not one that is left out: a requirement that comes from a variable which is not set must not become none.
function checkOptions(options) {
  needOptions(options)
  for (const [name, value] of Object.entries(options)) {
    if (REQUIREMENTS.includes(name)) continue // which Requirements check
    if (!Object.hasOwn(OPTIONS, name)) throw new TypeError(`neonauthd: guard has no option "${name}"${nearest(name, [...REQUIREMENTS, ...Object.keys(OPTIONS)])}`)
    const [what, right] = OPTIONS[name]
    if (name === 'client' && value === undefined) continue // the shared one, which leaves nothing out
    if (value === undefined || value === null) throw new TypeError(`neonauthd: ${name} is ${value}: leave the option out, or give it ${what}`)
    if (!right(value)) throw new TypeError(`neonauthd: ${name} is not ${what}`)
  }
}

// finder returns what finds the token: the application's own search, or the one
// in the headers and the places that the application names besides.
function finder({ token, places = [], profile }, valuesOf) {
  const search = new Search([...HEADERS, ...places])
  if (token === undefined) return (request) => search.find(valuesOf(request), Boolean(profile))
  return (request) => {
    const found = token(request)
    if (found === CONFUSING) return new Found([], 'unreadable-token')
    return new Found(found === undefined ? [] : [found])
  }
}

// only returns a search in one place, for the option token.
function only(place, valuesOf) {
  const search = new Search([place])
  return (request) => {
    const { tokens, fault } = search.find(valuesOf(request))
    return fault === '' && tokens.length < 2 ? tokens[0] : CONFUSING
  }
}

// What somebody has to mend before the daemon answers. Other codes pass by themselves.
const VERSIONS = 'the daemon does not understand this client, and may be older: neonauthctl hello shows its version'
const HINTS = {
  __proto__: null,
  'unknown-project': 'the daemon has no project of that name: neonauthctl hello lists those that it has',
  forbidden: 'no [[caller]] rule of the daemon lets this user ask that: see them in its configuration',
  'needs-profile': 'only the upstream can judge this credential: if users sign in with such, let the guard ask for the profile',
  'bad-request': VERSIONS,
  'unknown-verb': VERSIONS,
  'line-too-long': VERSIONS,
  misconfigured: "the daemon's configuration does not fit the upstream: neonauthd --check and the daemon's log name the fault",
}

// tracing returns what leaves a line about an outage at once, and then rarely.
function tracing(client) {
  let next = -Infinity
  let requests = 0
  return (_request, answer) => {
    requests++
    const now = performance.now()
    if (now < next) return
    const hint = HINTS[answer.code]
    const what = hint === undefined ? 'cannot tell whether tokens are good' : 'does not answer what the guard asks'
    const why = client.socket === DEFAULT_SOCKET && !process.env[SOCKET_VARIABLE] ? `, since ${SOCKET_VARIABLE} is not set` : ''
    const where = client.socket === undefined ? '' : ` (socket ${client.socket}${why})`
    const cause = `${answer.error?.message}${hint === undefined ? '' : `; ${hint}`}`
    const text = `neonauthd ${what}, and ${requests} request${requests === 1 ? '' : 's'} got 503${where}: ${cause}`
    process.emitWarning(text, { type: 'NeonauthdWarning', code: 'NEONAUTHD_UNKNOWN' })
    next = now + TRACE_INTERVAL
    requests = 0
  }
}

// needHandler throws for what cannot be put behind a guard.
function needHandler(handler) {
  if (typeof handler === 'function') return handler
  throw new TypeError('neonauthd: what is put behind the guard is no function: write guard().wrap(handler), with a handler and without a call of it')
}

// needResource throws for what is no resource.
function needResource(resource) {
  if (!(resource instanceof Resource)) throw new TypeError('neonauthd: resource is no Resource of neonauthd/httpauth')
  return resource
}

// fault tells of a fault of the program; it says nothing about any token.
function fault(error) {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)))
}

const bodyOf = (status) => `${STATUS_CODES[status]}\n`
const TEXT = 'text/plain; charset=utf-8'

module.exports = { Rules, TEXT, answers, bodyOf, fault, letIn, needHandler, needResource, only, userOfAnswer }
