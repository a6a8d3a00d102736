'use strict'

const { MAX_DEADLINE, encodeValue } = require('./words.js')

// requestLine returns the request line with the given tag. left is the time in
// milliseconds until the caller must have its answer.
function requestLine(question, tag, left) {
  let line = `${tag} ${question.verb}`
  if (question.token === '') return `${line}${question.args}\n`
  if (question.project !== '') line += ` project=${encodeValue(question.project)}`
  if (question.maxAge >= 0) line += ` max-age=${question.maxAge}`
  line += ` deadline=${daemonShare(left)}`
  if (question.fallback) line += ' fallback=claims'
  if (question.heard > 0) line += ` heard=${question.heard}`
  if (question.label !== '') line += ` for=${question.label}`
  if (question.keep) line += ' keep=1'
  return `${line} ${question.token}\n`
}

const MOST_FOR_THE_WAY = 50 // milliseconds

// Returns how much of the time left the daemon may use, so that it can still
// say what it knows. The rest is for the way back.
function daemonShare(left) {
  const share = Math.floor(left - Math.min(left / 10, MOST_FOR_THE_WAY))
  return Math.min(Math.max(share, 1), MAX_DEADLINE)
}

module.exports = { requestLine }
