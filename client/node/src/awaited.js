'use strict'

// A program that forgets to await an answer has a promise. That has no outcome, so it is not "rejected" either, and where a
// program looks for a no alone, everybody would come in. So the promise says what is missing.
const NAMES = ['outcome', 'user', 'subject', 'reason', 'code', 'level']

const missing = (name) => ({
  get() { throw new TypeError(`neonauthd: a promise of an answer has no ${name} yet: write await before verify() or profile()`) },
})
const PROMISED = Object.create(Promise.prototype, Object.fromEntries(NAMES.map((name) => [name, missing(name)])))

// awaited returns the promise of an answer, which has to be awaited.
const awaited = (promise) => Object.setPrototypeOf(promise, PROMISED)

module.exports = { awaited }
