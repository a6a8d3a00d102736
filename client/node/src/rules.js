'use strict'

// The common part of all guards, whatever the type of their requests is.

const { STATUS_CODES } = require('node:http')

const { Unknown } = require('./answer.js')
const { GarbledError } = require('./errors.js')
const { Client, OF_PROFILE_ALONE, PROFILE_OPTIONS, checkLookup } = require('./client.js')
const { DEFAULT_SOCKET, SOCKET_VARIABLE } = require('./words.js')
const { REQUIREMENTS } = require('./requirements.js')
const { Found, HEADERS, Requirements, Resource, Search, denied, preflight, refusalOf } = require('./httpauth.js')

// The check of each option of a guard.
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

// What a search of only() returns for a request with a fault, by the fault.
const FAULTS = { 'two-tokens': Symbol('two-tokens'), 'unreadable-token': Symbol('unreadable-token') }

// The shortest time between two warnings of a guard about an outage, in
// milliseconds.
const TRACE_INTERVAL = 60_000

// The daemon's answer for each request that was let through. It is a map of its
// own, so that nothing a client sends or another middleware sets can look like
// it.
const answers = new WeakMap()

// The client of all guards without a client.
let shared

// sharedClient returns it. A program that makes a guard for each request then
// has only the connections of one client.
function sharedClient() {
  const path = process.env[SOCKET_VARIABLE] || DEFAULT_SOCKET
  if (shared?.socket !== path) shared = new Client()
  return shared
}

// letIn records the answer for a request that is let through; undefined: there
// is no user, whatever an outer guard has recorded.
function letIn(request, answer) {
  if (answer === undefined) answers.delete(request)
  else answers.set(request, answer)
}

// userOfAnswer returns the user of an answer. It throws if there is no answer,
// because the handler would go on without a user.
function userOfAnswer(answer) {
  if (answer !== undefined) return answer.user
  throw new TypeError("neonauthd: nobody is signed in here: put the route behind a guard that is not optional, for its own method only, or, since a browser's preflight has no user, look at from(request) first")
}

// needOptions throws if a guard is called with a request or a framework's
// context in place of its options.
function needOptions(options) {
  if (typeof options !== 'object' || options === null) throw new TypeError('neonauthd: the options of a guard are an object')
  if (options.headers !== undefined || options.req !== undefined || options.raw !== undefined) {
    throw new TypeError('neonauthd: guard was called with a request: write guard() where a middleware is wanted')
  }
  if (typeof options.addHook === 'function') throw new TypeError('neonauthd: guard is no plugin: write app.register(plugin, options)')
}

// needLookup throws if the options of a guard's lookups are not valid. An
// undefined option throws too: its author wanted something from it.
function needLookup(lookup, profile) {
  for (const [name, value] of Object.entries(lookup)) {
    if (!PROFILE_OPTIONS.includes(name)) throw new TypeError(`neonauthd: lookup has no option "${name}"${nearest(name, PROFILE_OPTIONS)}`)
    if (!profile && OF_PROFILE_ALONE.includes(name)) throw new TypeError(`neonauthd: lookup has no option "${name}" without profile: true`)
    if (value === undefined || value === null) throw new TypeError(`neonauthd: ${name} of lookup is ${value}: leave it out if it is not wanted`)
  }
  checkLookup(profile ? 'PROFILE' : 'VERIFY', lookup)
}

// nearest returns words to add to an error about a misspelt option: the option
// that differs only in case, in a line or in an s at the end.
function nearest(given, names) {
  const plain = (name) => name.toLowerCase().replace(/[^a-z]|s$/g, '')
  const near = names.find((name) => plain(name) === plain(given))
  return near === undefined ? '' : `: did you mean "${near}"?`
}

// Rules check requests by the options of a guard. valuesOf(request) returns a
// function that returns the values of a header.
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
    needLookup(lookup, profile)
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
    this.refuse = refuse // undefined: the default of the guard
  }

  // judge resolves to the refusal of a request, and to the answer if the daemon
  // was asked. Without a refusal the request may go through. An upgrade is
  // never a preflight, whatever its method is: after it no guard sees the
  // requests.
  async judge(request, method, { upgrade = false } = {}) {
    if (!upgrade && preflight(method, this.#valuesOf(request))) return {}
    const found = this.#find(request)
    const without = found.refusal()
    if (without !== undefined) return this.#optional && found.fault === '' ? {} : { refusal: without }
    const answer = needAnswer((await found.ask((token) => this.#ask(token))).answer)
    if (answer.outcome === 'unknown' && answer.error?.kind !== 'cancelled') this.#onUnknown(request, answer)
    return { refusal: refusalOf(answer) ?? (await this.#refusalOfUser(request, answer)), answer }
  }

  // headers returns the headers of a refusal.
  headers(refusal) { return refusal.headers(this.#realm, this.#resource?.metadataUrl) }

  // described returns the response to a request for the metadata of the guard's
  // resource; undefined: the request is for something else.
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

// needAnswer turns what is no answer into one: it is a fault of the program, of
// which a 503 alone would say nothing.
function needAnswer(given) {
  if (['accepted', 'rejected', 'unknown'].includes(given?.outcome)) return given
  return new Unknown(new GarbledError('the client of the guard has returned what is no answer'))
}

// checkOptions throws for an option that does not exist or is not valid. An
// undefined option throws too: a requirement from a variable that is not set
// must not become no requirement.
function checkOptions(options) {
  needOptions(options)
  for (const [name, value] of Object.entries(options)) {
    if (REQUIREMENTS.includes(name)) continue // Requirements checks these
    if (!Object.hasOwn(OPTIONS, name)) throw new TypeError(`neonauthd: guard has no option "${name}"${nearest(name, [...REQUIREMENTS, ...Object.keys(OPTIONS)])}`)
    const [what, right] = OPTIONS[name]
    if (name === 'client' && value === undefined) continue // the shared client
    if (value === undefined || value === null) throw new TypeError(`neonauthd: ${name} is ${value}: leave the option out, or give it ${what}`)
    if (!right(value)) throw new TypeError(`neonauthd: ${name} is not ${what}`)
  }
}

// finder returns the function that finds the token: the application's own
// search, or the search in the headers and in the places that the application
// names.
function finder({ token, places = [], profile }, valuesOf) {
  const search = new Search([...HEADERS, ...places])
  if (token === undefined) return (request) => search.find(valuesOf(request), Boolean(profile))
  return (request) => {
    const found = token(request)
    const fault = Object.keys(FAULTS).find((word) => FAULTS[word] === found)
    return new Found(found === undefined ? [] : [found], fault)
  }
}

// only returns a search in one place, for the option token.
function only(place, valuesOf) {
  const search = new Search([place])
  return (request) => {
    const { tokens, fault } = search.find(valuesOf(request))
    return FAULTS[tokens.length > 1 ? 'two-tokens' : fault] ?? tokens[0]
  }
}

// What to change before the daemon can answer. Codes without a hint pass by
// themselves.
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

// tracing returns a function that warns about an outage: at once, and then at
// most once for each interval.
function tracing(client) {
  const unset = client.socket === DEFAULT_SOCKET && !process.env[SOCKET_VARIABLE]
  let next = -Infinity
  let requests = 0
  return (_request, answer) => {
    requests++
    const now = performance.now()
    if (now < next) return
    const hint = HINTS[answer.code]
    const what = hint === undefined ? 'cannot tell whether tokens are good' : 'does not answer what the guard asks'
    const why = unset ? `, since ${SOCKET_VARIABLE} ${process.env[SOCKET_VARIABLE] ? 'was not set when the guard was made' : 'is not set'}` : ''
    const where = client.socket === undefined ? '' : ` (socket ${client.socket}${why})`
    const cause = `${answer.error?.message}${hint === undefined ? '' : `; ${hint}`}`
    const text = `neonauthd ${what}, and ${requests} request${requests === 1 ? '' : 's'} got 503${where}: ${cause}`
    process.emitWarning(text, { type: 'NeonauthdWarning', code: 'NEONAUTHD_UNKNOWN' })
    next = now + TRACE_INTERVAL
    requests = 0
  }
}

// needHandler throws for a value that cannot be put behind a guard.
function needHandler(handler) {
  if (typeof handler === 'function') return handler
  throw new TypeError('neonauthd: what is put behind the guard is no function: write guard().wrap(handler), with a handler and without a call of it')
}

// needResource throws for a value that is not a Resource.
function needResource(resource) {
  if (!(resource instanceof Resource)) throw new TypeError('neonauthd: resource is no Resource of neonauthd/httpauth')
  return resource
}

// fault reports a mistake in the program, which says nothing about any token.
function fault(error) {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)))
}

const bodyOf = (status) => `${STATUS_CODES[status]}\n`
const TEXT = 'text/plain; charset=utf-8'

module.exports = { Rules, TEXT, answers, bodyOf, fault, letIn, needHandler, needResource, only, sharedClient, userOfAnswer }
