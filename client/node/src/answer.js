'use strict'

const { inspect } = require('node:util')

const { claimsIn, objectIn, userOf } = require('./user.js')

// The three outcomes. They are frozen. When a logger prints them or turns them
// into JSON, they show nothing of the user.

class Answer {
  [inspect.custom](_depth, options) { return `${this.constructor.name} ${inspect(this.toJSON(), options)}` }
}

let givenAgain
let bytesIn

class Accepted extends Answer {
  outcome = 'accepted'

  // What all copies of a kept answer share: payload, the claims part of the
  // token, at level profile; and user, from the first access on.
  #shared

  constructor(fields) {
    super()
    this.level = fields.level
    this.project = fields.project
    this.subject = fields.subject
    this.principal = fields.principal
    this.age = fields.age
    this.ttl = fields.ttl
    this.expires = fields.expires
    this.source = fields.source
    this.heard = fields.heard ?? 0
    this.json = fields.json
    this.#shared = fields.shared ?? { payload: fields.payload, user: undefined }
    Object.freeze(this)
  }

  data() { return JSON.parse(this.json) }
  get claims() { return this.level === 'claims' ? objectIn(this.json) : claimsIn(this.#shared.payload) }
  get profile() { return this.level === 'profile' ? objectIn(this.json) : undefined }

  get user() {
    this.#shared.user ??= userOf(this, objectIn(this.json) ?? {}, this.claims ?? (this.level === 'claims' ? {} : undefined))
    return this.#shared.user
  }

  static {
    // givenAgain returns a copy of a kept answer, with age and ttl after it has
    // been kept for so many milliseconds. expires is a number, because the
    // program may change a Date.
    givenAgain = (answer, expires, kept) => {
      const [age, ttl] = [wholeSeconds(answer.age + kept), wholeSeconds(answer.ttl - kept)]
      return new Accepted({ ...answer, age, ttl, expires: new Date(expires), source: 'cache', heard: 0, shared: answer.#shared })
    }

    // bytesIn returns how much memory the answer takes, its user included.
    bytesIn = (answer) => {
      const width = /[^\0-\xff]/.test(answer.json) ? 2 : 1
      return 512 + 2 * (width * answer.json.length + (answer.#shared.payload?.length ?? 0))
    }
  }

  toString() { return `accepted level=${this.level} source=${this.source} age=${this.age} ttl=${this.ttl}` }
  toJSON() { return { outcome: this.outcome, level: this.level, source: this.source, age: this.age, ttl: this.ttl } }
}

class Rejected extends Answer {
  outcome = 'rejected'

  constructor(reason) {
    super()
    this.reason = reason
    Object.freeze(this)
  }

  toString() { return `rejected: ${this.reason}` }
  toJSON() { return { outcome: this.outcome, reason: this.reason } }
}

class Unknown extends Answer {
  outcome = 'unknown'

  constructor(error) {
    super()
    this.code = error.kind === 'reply' ? error.code : ''
    this.retryAfter = error.kind === 'reply' ? error.retryAfter : 0
    this.error = error
    Object.freeze(this)
  }

  toString() { return `unknown: ${this.error.message}` }
  toJSON() { return { outcome: this.outcome, code: this.code, retryAfter: this.retryAfter, error: this.error.message } }
}

const wholeSeconds = (span) => Math.floor(span / 1000) * 1000

// An answer is an object, so `if (answer)` is true for a rejected token too.
// match avoids that mistake: it requires all three branches.
function match(answer, branches) {
  for (const outcome of ['accepted', 'rejected', 'unknown']) {
    if (typeof branches[outcome] !== 'function') throw new TypeError(`neonauthd: match has no branch for "${outcome}"`)
  }
  if (!(answer instanceof Answer)) throw new TypeError('neonauthd: match is for answers; is an await missing?')
  return branches[answer.outcome](answer)
}

// A program that forgets to await an answer has a promise. The promise has no
// outcome, so it is not "rejected" either, and a program that only checks for
// "rejected" would let everybody in. So reading a member of the answer from
// the promise throws an error that names the mistake.
const NAMES = ['outcome', 'user', 'subject', 'reason', 'code', 'level']

const missing = (name) => ({
  get() { throw new TypeError(`neonauthd: a promise of an answer has no ${name} yet: write await before verify() or profile()`) },
})
const PROMISED = Object.create(Promise.prototype, Object.fromEntries(NAMES.map((name) => [name, missing(name)])))

// awaited returns the promise of an answer, with that check.
const awaited = (promise) => Object.setPrototypeOf(promise, PROMISED)

module.exports = { Accepted, Rejected, Unknown, awaited, bytesIn, givenAgain, match }
