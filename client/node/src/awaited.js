'use strict'

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

module.exports = { awaited }
