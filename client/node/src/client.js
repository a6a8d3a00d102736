'use strict'

const { createHmac, randomBytes } = require('node:crypto')
const { inspect } = require('node:util')

const { Unknown, Rejected } = require('./answer.js')
const { Call } = require('./call.js')
const { GarbledError, quoted } = require('./errors.js')
const { Pool } = require('./pool.js')
const { answerTo, numberField, parseReply, replyError, textField } = require('./reply.js')
const { DEFAULT_SOCKET, MAX_CLIENT_NAME, MAX_MAX_AGE, PROTOCOL, SOCKET_VARIABLE, askable, encodeValue } = require('./words.js')

const DEFAULT_TIMEOUT = 1000 // milliseconds
const DEFAULT_CONNS = 2
const DEFAULT_NAME = 'node'

const MAX_PROJECT = 32
const MAX_TIMER = 2 ** 31 - 1 // what setTimeout can take

const CLIENT_OPTIONS = ['socket', 'project', 'timeout', 'conns', 'name']
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
  #pool
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
    const conns = options.conns ?? DEFAULT_CONNS
    if (!Number.isInteger(conns) || conns < 1) throw new RangeError('neonauthd: conns is not a positive integer')
    this.#pool = new Pool(this.#path, conns)
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
    this.#pool.close()
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
  #lookup(verb, token, options, names) {
    return new Promise((resolve) => {
      known(options, names)
      if (typeof token !== 'string') throw new TypeError('neonauthd: token is not a string')
      const question = this.#question(verb, token, options)
      const time = span('deadline', options.deadline) ?? this.#timeout
      const signal = abortSignal(options.signal)
      if (!askable(verb, token)) {
        resolve(new Rejected('malformed'))
        return
      }
      this.#pool.submit(
        new Call(question, time, signal, this.#pool, (line, error) => {
          resolve(error === null ? answerTo(question, line) : new Unknown(error))
        }),
      )
    })
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
  #ask(question, options) {
    return new Promise((resolve, reject) => {
      known(options, CALL_OPTIONS)
      const time = span('deadline', options.deadline) ?? this.#timeout
      const call = new Call(question, time, abortSignal(options.signal), this.#pool, (line, error) => {
        if (error !== null) reject(error)
        else resolve(line)
      })
      this.#pool.submit(call)
    }).then((line) => {
      const reply = parseReply(line)
      if (reply.status === 'ERR') throw replyError(reply)
      if (reply.status === 'NO') throw new GarbledError('a rejection of what is no lookup')
      return reply
    })
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

module.exports = { DEFAULT_TIMEOUT, DEFAULT_CONNS, DEFAULT_NAME, Client, sharedClient }
