'use strict'

const { inspect } = require('node:util')

const { Rejected, Unknown, awaited } = require('./answer.js')
const { GarbledError, NeonauthdError, quoted } = require('./errors.js')
const { Keeper } = require('./keeper.js')
const { keyOf } = require('./memory.js')
const { answerTo, numberField, parseReply, replyError, textField } = require('./reply.js')
const { Wire } = require('./wire.js')
const { DEFAULT_SOCKET, MAX_CLIENT_NAME, MAX_HEARD, MAX_MAX_AGE, PROTOCOL, SOCKET_VARIABLE, askable, encodeValue } = require('./words.js')

const DEFAULT_TIMEOUT = 1000 // milliseconds
const DEFAULT_KEEP = 1024 // answers
const DEFAULT_NAME = 'node'

const MAX_PROJECT = 32
const MAX_TIMER = 2 ** 31 - 1 // what setTimeout can take

const CLIENT_OPTIONS = ['socket', 'project', 'timeout', 'keep', 'name']
const CALL_OPTIONS = ['deadline', 'signal']
const VERIFY_OPTIONS = [...CALL_OPTIONS, 'project', 'heard', 'onBehalfOf']
const OF_PROFILE_ALONE = ['maxAge', 'fallback']
const PROFILE_OPTIONS = [...VERIFY_OPTIONS, ...OF_PROFILE_ALONE]

let internals
let checkLookup

// Client asks one daemon. It connects at the first call, and does not keep the
// process alive while no call waits for an answer.
class Client {
  #path
  #project
  #timeout
  #name
  #wire
  #keeper // undefined: nothing is kept
  #key // the secret of the labels for onBehalfOf

  static {
    internals = (client) => ({ wire: client.#wire, keeper: client.#keeper }) // for tests

    // checkLookup throws for options of a lookup that are not valid, so that the
    // mistake in a guard's options shows when the guard is made.
    checkLookup = (verb, options) => { new Client({ keep: 0 }).#question(verb, '', options) }
  }

  constructor(options = {}) {
    checkNames(options, CLIENT_OPTIONS)
    this.#path = options.socket || process.env[SOCKET_VARIABLE] || DEFAULT_SOCKET
    if (typeof this.#path !== 'string') throw new TypeError('neonauthd: socket is not a string')
    this.#project = projectName(options.project)
    this.#timeout = span('timeout', options.timeout === undefined ? DEFAULT_TIMEOUT : options.timeout)
    this.#name = options.name || DEFAULT_NAME
    if (Buffer.byteLength(this.#name) > MAX_CLIENT_NAME) throw new RangeError(`neonauthd: name is longer than ${MAX_CLIENT_NAME} bytes`)
    const keep = options.keep ?? DEFAULT_KEEP
    if (!Number.isInteger(keep) || keep < 0) throw new RangeError('neonauthd: keep is not a number of answers')
    if (keep > 0) this.#keeper = new Keeper(keep, this.#path)
    this.#wire = new Wire(this.#path)
  }

  verify(token, options = {}) { return awaited(this.#lookup('VERIFY', token, options)) }
  profile(token, options = {}) { return awaited(this.#lookup('PROFILE', token, options)) }
  async ping(options = {}) { await this.#ask('PING', '', options) }

  async hello(options = {}) {
    const reply = await this.#ask('HELLO', ` ${PROTOCOL} ${encodeValue(this.#name)}`, options)
    return {
      version: textField(reply, 'version'),
      protocol: numberField(reply, 'protocol'),
      maxLine: numberField(reply, 'max-line'),
      inFlight: numberField(reply, 'in-flight'),
      projects: textField(reply, 'projects').split(',').filter(Boolean),
    }
  }

  async close() {
    this.#keeper?.close()
    this.#wire.close()
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() { await this.close() }
  get socket() { return this.#path }
  toString() { return `neonauthd client of ${quoted(this.#path)}` }
  [inspect.custom]() { return `Client { socket: ${quoted(this.#path)} }` }

  // lookup answers a question about a token from memory, or else asks the
  // daemon. It throws for a mistake in the program, which says nothing about a
  // token.
  async #lookup(verb, token, options) {
    if (typeof token !== 'string') throw new TypeError('neonauthd: token is not a string')
    const question = this.#question(verb, token, options)
    const keeper = this.#keeper
    if (!keeper?.memory.up || question.signal?.aborted) { // nothing is kept, or the caller has given up
      const { answer } = await this.#askAbout(question)
      if (answer.ttl > 0) keeper?.openWatch()
      return answer
    }
    const key = keyOf(question)
    const refresh = () => this.#learn(key, { ...question, background: true, signal: undefined })
    const maxAge = question.heard > 0 ? 0 : question.maxAge // no kept answer says that the fleet is heard now
    return keeper.recall(key, maxAge, refresh) ?? this.#learn(key, question)
  }

  // learn asks the daemon, and keeps the answer if it may be kept.
  async #learn(key, question) {
    const sent = this.#keeper.now()
    let { answer, grant } = await this.#askAbout({ ...question, keep: true })
    if (answer.code === 'bad-request') { // perhaps an older daemon, which does not know keep=1
      answer = (await this.#askAbout(question)).answer
      if (answer.outcome !== 'unknown') this.#keeper.refused()
    }
    this.#keeper.learn(key, answer, grant, sent)
    return answer
  }

  async #askAbout(question) {
    if (!askable(question.token)) return { answer: new Rejected('malformed') }
    try {
      return answerTo(question, await this.#wire.ask(question))
    } catch (error) {
      if (error instanceof NeonauthdError) return { answer: new Unknown(error) }
      throw error
    }
  }

  // question returns what a lookup asks.
  #question(verb, token, options) {
    checkNames(options, verb === 'PROFILE' ? PROFILE_OPTIONS : VERIFY_OPTIONS)
    const { project, maxAge, fallback, heard, onBehalfOf } = options
    const { span, end, signal } = this.#limits(options)
    if (fallback !== undefined && fallback !== 'claims') throw new TypeError('neonauthd: fallback can only be "claims"')
    return {
      verb,
      token,
      project: project === undefined ? this.#project : projectName(project, 1),
      maxAge: maxAge === undefined ? -1 : seconds('maxAge', maxAge, 0, MAX_MAX_AGE),
      fallback: fallback !== undefined,
      heard: heard === undefined ? 0 : seconds('heard', heard, 1000, MAX_HEARD),
      label: onBehalfOf === undefined ? '' : this.#label(onBehalfOf),
      span, end, signal,
    }
  }

  // label returns a random-looking word for the text of onBehalfOf: different
  // texts practically always have different labels, and a label says nothing
  // about its text.
  #label(asker) {
    if (typeof asker !== 'string') throw new TypeError('neonauthd: onBehalfOf is not a string')
    if (asker === '') return ''
    const { createHmac, randomBytes } = require('node:crypto') // loaded only here: it takes two milliseconds
    this.#key ??= randomBytes(16)
    return createHmac('sha256', this.#key).update(asker).digest('base64url').slice(0, 11)
  }

  // ask sends a request that is not a lookup. It throws an ERR reply as an
  // error.
  async #ask(verb, args, options) {
    checkNames(options, CALL_OPTIONS)
    const reply = parseReply(await this.#wire.ask({ verb, token: '', args, ...this.#limits(options) }))
    if (reply.status === 'ERR') throw replyError(reply)
    if (reply.status === 'NO') throw new GarbledError('a rejection of what is no lookup')
    return reply
  }

  // limits returns how long a question may take, when that time ends, and the
  // signal that aborts it.
  #limits({ deadline = this.#timeout, signal }) {
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('neonauthd: signal is not an AbortSignal')
    const time = span('deadline', deadline)
    return { span: time, end: performance.now() + time, signal }
  }
}

// checkNames throws if an option has a name that is not in the list.
function checkNames(options, names) {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new TypeError(`neonauthd: no option is called ${quoted(name)} here`)
  }
}

// checkNumber throws if the value is not a number, or not right; what says what
// it must be.
function checkNumber(name, value, right, what) {
  if (typeof value !== 'number') throw new TypeError(`neonauthd: ${name} is not a number of milliseconds`)
  if (!right) throw new RangeError(`neonauthd: ${name} is not ${what}`)
}

// seconds is rounded down, so that an answer is never older than asked for.
function seconds(name, value, least, most) {
  checkNumber(name, value, value >= least, `a number of milliseconds from ${least} on`)
  return Math.min(Math.floor(value / 1000), most)
}

function span(name, value) {
  checkNumber(name, value, value > 0, 'a positive number of milliseconds')
  return Math.min(value, MAX_TIMER)
}

// projectName checks the name of a project. To send no name would ask about the
// daemon's first project, which only the client's own option may mean by ''.
function projectName(value = '', least = 0) {
  if (typeof value !== 'string') throw new TypeError('neonauthd: project is not a string')
  if (value.length < least) throw new RangeError("neonauthd: project is empty: name it, or leave it out for the client's project")
  if (value.length > MAX_PROJECT) throw new RangeError(`neonauthd: project is longer than ${MAX_PROJECT} characters`)
  return value
}

module.exports = { DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_TIMEOUT, OF_PROFILE_ALONE, PROFILE_OPTIONS, Client, checkLookup, internals }
