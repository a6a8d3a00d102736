'use strict'

const { createHmac, randomBytes } = require('node:crypto')
const { inspect } = require('node:util')

const { Unknown, Rejected } = require('./answer.js')
const { GarbledError, NeonauthdError, quoted } = require('./errors.js')
const { answerTo, numberField, parseReply, replyError, textField } = require('./reply.js')
const { Wire } = require('./wire.js')
const { DEFAULT_SOCKET, MAX_CLIENT_NAME, MAX_MAX_AGE, PROTOCOL, SOCKET_VARIABLE, askable, encodeValue } = require('./words.js')

const DEFAULT_TIMEOUT = 1000 // milliseconds
const DEFAULT_NAME = 'node'

const MAX_PROJECT = 32
const MAX_TIMER = 2 ** 31 - 1 // what setTimeout can take

const CLIENT_OPTIONS = ['socket', 'project', 'timeout', 'name']
const CALL_OPTIONS = ['deadline', 'signal']
const VERIFY_OPTIONS = [...CALL_OPTIONS, 'project', 'onBehalfOf']
const PROFILE_OPTIONS = [...VERIFY_OPTIONS, 'maxAge', 'fallback']

// Client asks one daemon. It connects when it is first asked, and does not
// keep the process alive while nobody waits for an answer.
class Client {
  #path
  #project
  #timeout
  #name
  #wire
  #key = randomBytes(16) // of the labels of those who are asked for

  constructor(options = {}) {
    known(options, CLIENT_OPTIONS)
    this.#path = options.socket || process.env[SOCKET_VARIABLE] || DEFAULT_SOCKET
    this.#project = projectName(options.project)
    this.#timeout = span('timeout', options.timeout) ?? DEFAULT_TIMEOUT
    this.#name = options.name || DEFAULT_NAME
    if (Buffer.byteLength(this.#name) > MAX_CLIENT_NAME) {
      throw new RangeError(`neonauthd: name is longer than ${MAX_CLIENT_NAME} bytes`)
    }
    this.#wire = new Wire(this.#path)
  }

  verify(token, options = {}) {
    return this.#lookup('VERIFY', token, options, VERIFY_OPTIONS)
  }

  profile(token, options = {}) {
    return this.#lookup('PROFILE', token, options, PROFILE_OPTIONS)
  }

  async ping(options = {}) {
    await this.#ask({ verb: 'PING', token: '', args: '' }, options)
  }

  async hello(options = {}) {
    const args = ` ${PROTOCOL} ${encodeValue(this.#name)}`
    const reply = await this.#ask({ verb: 'HELLO', token: '', args }, options)
    const projects = textField(reply, 'projects')
    return {
      version: textField(reply, 'version'),
      protocol: numberField(reply, 'protocol'),
      maxLine: numberField(reply, 'max-line'),
      inFlight: numberField(reply, 'in-flight'),
      projects: projects === '' ? [] : projects.split(','),
    }
  }

  async close() {
    this.#wire.close()
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.close()
  }

  get socket() {
    return this.#path
  }

  toString() {
    return `neonauthd client of ${quoted(this.#path)}`
  }

  [inspect.custom]() {
    return `Client { socket: ${quoted(this.#path)} }`
  }

  // What a program has written wrongly is thrown: it says nothing about a token.
  async #lookup(verb, token, options, names) {
    known(options, names)
    if (typeof token !== 'string') throw new TypeError('neonauthd: token is not a string')
    const question = this.#question(verb, token, options)
    const span = this.#span(options)
    const signal = abortSignal(options.signal)
    if (!askable(verb, token)) return new Rejected('malformed')
    try {
      return answerTo(question, await this.#wire.ask(question, span, signal))
    } catch (error) {
      if (error instanceof NeonauthdError) return new Unknown(error)
      throw error
    }
  }

  #question(verb, token, options) {
    const project = options.project === undefined ? this.#project : projectName(options.project)
    const question = { verb, token, args: '', project, wireProject: encodeValue(project), maxAge: -1, fallback: false, label: '' }
    if (options.maxAge !== undefined) {
      if (!(options.maxAge >= 0)) throw new RangeError('neonauthd: maxAge is not a number of milliseconds')
      // Rounded down, so that the answer is never older than asked for.
      question.maxAge = Math.min(Math.floor(options.maxAge / 1000), MAX_MAX_AGE)
    }
    if (options.fallback !== undefined) {
      if (options.fallback !== 'claims') throw new TypeError('neonauthd: fallback can only be "claims"')
      question.fallback = true
    }
    if (options.onBehalfOf !== undefined) question.label = this.#label(options.onBehalfOf)
    return question
  }

  // label is what the daemon is told of whoever is asked for: it tells one from
  // another, and nothing about any.
  #label(asker) {
    if (typeof asker !== 'string') throw new TypeError('neonauthd: onBehalfOf is not a string')
    return asker === '' ? '' : createHmac('sha256', this.#key).update(asker).digest('base64url').slice(0, 11)
  }

  // ask puts a question that is no lookup; an ERR reply is an error.
  async #ask(question, options) {
    known(options, CALL_OPTIONS)
    const reply = parseReply(await this.#wire.ask(question, this.#span(options), abortSignal(options.signal)))
    if (reply.status === 'ERR') throw replyError(reply)
    if (reply.status === 'NO') throw new GarbledError('a rejection of what is no lookup')
    return reply
  }

  #span(options) {
    return span('deadline', options.deadline) ?? this.#timeout
  }
}

let shared

// sharedClient is the client of guards that are given none. A program that makes a guard for each request then has the
// connections of one client.
function sharedClient() {
  const path = process.env[SOCKET_VARIABLE] || DEFAULT_SOCKET
  if (shared?.socket !== path) shared = new Client()
  return shared
}

function known(options, names) {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new TypeError(`neonauthd: no option is called ${quoted(name)} here`)
  }
}

function span(name, value) {
  if (value === undefined) return undefined
  if (!(value > 0)) throw new RangeError(`neonauthd: ${name} is not a positive number of milliseconds`)
  return Math.min(value, MAX_TIMER)
}

function projectName(value = '') {
  if (typeof value !== 'string') throw new TypeError('neonauthd: project is not a string')
  if (value.length > MAX_PROJECT) throw new RangeError(`neonauthd: project is longer than ${MAX_PROJECT} characters`)
  return value
}

function abortSignal(value) {
  if (value !== undefined && !(value instanceof AbortSignal)) throw new TypeError('neonauthd: signal is not an AbortSignal')
  return value
}

module.exports = { DEFAULT_TIMEOUT, DEFAULT_NAME, Client, sharedClient }
