'use strict'

const { isUtf8 } = require('node:buffer')

const { Accepted, Rejected, Unknown } = require('./answer.js')
const { GarbledError, ReplyError } = require('./errors.js')
const { payloadOf } = require('./user.js')
const { MAX_FIELDS, MAX_HANDLES, MAX_NAME, countIn, decodeValue, handlesIn, revisionIn } = require('./words.js')

const PLAIN = /^[ -~]*$/
const CONTROL = /[\x00-\x1f]/
const HEAD = /^(?:OK|(NO|ERR) ([a-z0-9-]{1,32}))(?: |$)/
const FIELD = /([a-z0-9-]+)=([^ ]*)(?: |$)/y
const MOST = 2 ** 33 // seconds: as a point in time the year 2242

// textOf returns the text of a line. It throws GarbledError if the line is not
// one line of UTF-8.
function textOf(line) {
  const text = line.latin1Slice()
  if (PLAIN.test(text)) return text
  if (CONTROL.test(text) || !isUtf8(line)) throw new GarbledError('not one line of UTF-8')
  return line.utf8Slice()
}

// parseReply reads a reply line without its tag. It throws GarbledError.
function parseReply(line) {
  const text = textOf(line)
  const head = HEAD.exec(text)
  if (head === null) throw new GarbledError('neither OK, NO nor ERR, with a reason or code')
  const [start, status = 'OK', word = ''] = head
  const fields = new Map()
  let at = start.length
  FIELD.lastIndex = at
  for (let field = FIELD.exec(text); field !== null; field = FIELD.exec(text)) {
    const [, name, raw] = field
    const value = decodeValue(raw)
    if (value === undefined || name.length > MAX_NAME) throw new GarbledError('field that is none')
    if (fields.has(name) || fields.size === MAX_FIELDS) throw new GarbledError('field given twice, or one too many')
    fields.set(name, value)
    at = FIELD.lastIndex // the next field begins where this one ends
  }
  const rest = text.slice(at)
  if (rest.startsWith(' ') || (rest === '' && text.endsWith(' '))) throw new GarbledError('words are not separated by single spaces')
  return { status, word, fields, rest }
}

function textField(reply, name, right = () => true) {
  const value = reply.fields.get(name)
  if (value === undefined || !right(value)) throw new GarbledError(`field ${name}`)
  return value
}

const numberField = (reply, name) => Number(textField(reply, name, (value) => countIn(value) <= MOST))

const wordField = (reply, name, words) => textField(reply, name, (value) => words.includes(value))

const LEVELS = ['claims', 'profile']
const PRINCIPALS = ['user', 'machine', 'team']
const SOURCES = ['upstream', 'cache', 'stale']

// answerTo returns the answer in the reply to a lookup. grant has the revision
// and the handles if the answer may be kept. A line that is not precisely a
// reply to this question is thrown as a GarbledError.
function answerTo(question, line) {
  const reply = parseReply(line)
  if (reply.status === 'OK') return { answer: accepted(question, reply), grant: grantIn(reply) }
  if (reply.status === 'NO') return { answer: new Rejected(reply.word) }
  return { answer: new Unknown(replyError(reply, question)) }
}

// grantIn returns undefined if the answer must not be kept; the answer counts
// all the same.
function grantIn({ fields }) {
  const rev = revisionIn(fields.get('rev'))
  const handles = handlesIn(fields.get('handles'), MAX_HANDLES)
  return rev && handles && { rev, handles }
}

function accepted(question, reply) {
  const answer = new Accepted({
    level: wordField(reply, 'level', LEVELS),
    project: textField(reply, 'project'),
    subject: textField(reply, 'sub', (value) => value !== ''),
    // A newer daemon may admit principals that this client does not know. The
    // program could not know what they may do, so the answer is garbled.
    principal: reply.fields.has('principal') ? wordField(reply, 'principal', PRINCIPALS) : '',
    age: numberField(reply, 'age') * 1000,
    ttl: numberField(reply, 'ttl') * 1000,
    expires: new Date(numberField(reply, 'exp') * 1000),
    source: wordField(reply, 'source', SOURCES),
    heard: reply.fields.has('heard') ? numberField(reply, 'heard') * 1000 : 0,
    json: reply.rest,
    payload: reply.fields.get('level') === 'profile' ? payloadOf(question.token) : undefined,
  })
  // The daemon has validated the JSON; this check only refuses other text in
  // its place.
  if (!answer.json.startsWith('{') || !answer.json.endsWith('}')) throw new GarbledError('no JSON object')
  // A lower level is no answer, unless the caller allowed it with fallback; a
  // higher one would put a profile where claims are expected.
  const wanted = question.verb === 'PROFILE' ? 'profile' : 'claims'
  if (answer.level !== wanted && !(answer.level === 'claims' && question.fallback)) throw new GarbledError('level was not asked for')
  if (question.project !== '' && answer.project !== question.project) throw new GarbledError('project was not asked for')
  if (question.heard > 0 && answer.heard > question.heard * 1000) throw new GarbledError('the fleet was heard longer ago than asked for')
  // It was true when the daemon wrote it, and is too late now.
  if (Date.now() >= answer.expires.getTime()) throw new GarbledError('the token ended before the answer came')
  return answer
}

// The form of the name of a project. Other text that an application passes may
// be a token in the wrong place, and no error may show a token.
const PROJECT = /^[A-Za-z0-9_.-]{1,32}$/

// replyError turns an ERR reply into an error. The reply's text is for people.
// If it contains the token, which the daemon's texts never do, it is left out.
function replyError(reply, { token = '', project = '' } = {}) {
  const retryAfter = reply.fields.has('retry-after') ? numberField(reply, 'retry-after') * 1000 : 0
  const leaks = token !== '' && reply.rest.includes(token)
  return new ReplyError(reply.word, retryAfter, leaks ? '' : reply.rest, PROJECT.test(project) ? project : '')
}

module.exports = { answerTo, numberField, parseReply, replyError, textField, textOf }
