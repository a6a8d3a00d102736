'use strict'

const { Accepted, Rejected, Unknown } = require('./answer.js')
const { GarbledError, ReplyError } = require('./errors.js')
const { payloadOf } = require('./user.js')
const { MAX_FIELDS, decodeValue } = require('./words.js')

const NAME = /^[a-z0-9-]{1,32}$/
const FIELD = /([a-z0-9-]+)=([^ ]*)/y
const NUMBER = /^(?:0|[1-9][0-9]{0,10})$/
const MOST = 2 ** 33 // seconds: as an instant the year 2242

// parseReply reads a reply line after its tag. The line has no control bytes
// and is valid UTF-8: the connection has looked. It throws GarbledError.
function parseReply(line) {
  const reply = { status: '', word: '', fields: new Map(), rest: '' }
  let at = line.indexOf(' ')
  reply.status = at < 0 ? line : line.slice(0, at)
  if (reply.status === 'NO' || reply.status === 'ERR') {
    const from = at < 0 ? line.length : at + 1
    at = line.indexOf(' ', from)
    reply.word = at < 0 ? line.slice(from) : line.slice(from, at)
    if (!NAME.test(reply.word)) throw new GarbledError('no reason or code')
  } else if (reply.status !== 'OK') {
    throw new GarbledError('neither OK, NO nor ERR')
  }
  while (at >= 0) {
    FIELD.lastIndex = at + 1
    const field = FIELD.exec(line)
    if (field === null) {
      reply.rest = line.slice(at + 1)
      if (reply.rest === '' || reply.rest[0] === ' ') throw new GarbledError('words are not separated by single spaces')
      break
    }
    addField(reply.fields, field[1], field[2])
    at = FIELD.lastIndex < line.length ? FIELD.lastIndex : -1
  }
  return reply
}

function addField(fields, name, raw) {
  const value = decodeValue(raw)
  if (value === undefined || name.length > 32) throw new GarbledError('field')
  if (fields.has(name)) throw new GarbledError('field given twice')
  if (fields.size === MAX_FIELDS) throw new GarbledError('too many fields')
  fields.set(name, value)
}

function textField(reply, name) {
  const value = reply.fields.get(name)
  if (value === undefined) throw new GarbledError(`field ${name}`)
  return value
}

function numberField(reply, name) {
  const value = reply.fields.get(name)
  if (value === undefined || !NUMBER.test(value) || Number(value) > MOST) throw new GarbledError(`field ${name}`)
  return Number(value)
}

function wordField(reply, name, words) {
  const value = reply.fields.get(name)
  if (!words.includes(value)) throw new GarbledError(`field ${name}`)
  return value
}

const LEVELS = ['claims', 'profile']
const SOURCES = ['upstream', 'cache', 'stale']

// answerTo makes an answer of the reply to a lookup. Whatever is not precisely
// a reply to this question is thrown as a GarbledError.
function answerTo(question, line) {
  const reply = parseReply(line)
  if (reply.status === 'OK') return accepted(question, reply)
  if (reply.status === 'NO') return new Rejected(reply.word)
  return new Unknown(replyError(reply, question.token))
}

function accepted(question, reply) {
  const answer = new Accepted({
    level: wordField(reply, 'level', LEVELS),
    project: textField(reply, 'project'),
    subject: textField(reply, 'sub'),
    age: numberField(reply, 'age') * 1000,
    ttl: numberField(reply, 'ttl') * 1000,
    expires: new Date(numberField(reply, 'exp') * 1000),
    source: wordField(reply, 'source', SOURCES),
    json: reply.rest,
    payload: reply.fields.get('level') === 'profile' ? payloadOf(question.token) : undefined,
  })
  if (answer.subject === '') throw new GarbledError('no subject')
  // The daemon has validated the JSON; this only keeps a sentence from being taken for it.
  if (!answer.json.startsWith('{') || !answer.json.endsWith('}')) throw new GarbledError('no JSON object')
  // Less than was asked for is no answer, unless the caller said it would do;
  // more than that would put a profile where claims are expected.
  const wanted = question.verb === 'PROFILE' ? 'profile' : 'claims'
  if (answer.level !== wanted && !(answer.level === 'claims' && question.fallback)) {
    throw new GarbledError('level was not asked for')
  }
  if (question.project !== '' && answer.project !== question.project) {
    throw new GarbledError('project was not asked for')
  }
  // True when it was written, and too late to act upon.
  if (Date.now() >= answer.expires.getTime()) throw new GarbledError('the token ended before the answer came')
  return answer
}

// replyError makes an error of an ERR reply. Its text is for people; should it
// hold the token, which the daemon's never does, it is left out.
function replyError(reply, token = '') {
  const said = reply.fields.has('retry-after')
  const retryAfter = said ? numberField(reply, 'retry-after') * 1000 : 0
  const leaks = token !== '' && reply.rest.includes(token)
  return new ReplyError(reply.word, retryAfter, leaks ? '' : reply.rest)
}

module.exports = { parseReply, textField, numberField, answerTo, replyError }
