'use strict'

// The words and limits of the protocol that the client needs; see protocol.md.

const DEFAULT_SOCKET = '/run/neonauthd/neonauthd.sock'
const SOCKET_VARIABLE = 'NEONAUTHD_SOCKET'
const PROTOCOL = 1

const MAX_REPLY_LINE = 4198400 // bytes, line end included
const MAX_FIELDS = 16
const MAX_NAME = 32 // bytes of a field's name, a reason, a code
const MAX_IN_FLIGHT = 256 // requests of a connection that the daemon works on at once, unless configured otherwise
const MAX_CLIENT_NAME = 64 // bytes
const MAX_TOKEN = 8192 // bytes
const MAX_DEADLINE = 60_000 // milliseconds
const MAX_MAX_AGE = 86_400 // seconds
const MAX_HEARD = 86_400 // seconds
const MAX_LEASE = 1000 // milliseconds
const MAX_HANDLES = 16 // of an answer
const MAX_FORGET = 64 // handles in a line of the watch
const MAX_WATCH_LINE = 1024 // bytes, line end included

// sun_path on Linux, less its closing zero byte. The kernel's own complaint
// is "invalid argument".
const MAX_SOCKET_PATH = 107

// What can be a token at all. Anything else is malformed beyond doubt, and
// sending it could do harm: a line feed in it would be a second request.
const TOKEN = /^[A-Za-z0-9._-]{1,8192}$/

// PROFILE takes the session credentials of preset neon too, which end in padded
// base64 and may be percent-encoded; but never what reads as a field.
const CREDENTIAL = /^(?![a-z0-9-]+=)[A-Za-z0-9._+/=%-]{1,8192}$/

const askable = (verb, token) => (verb === 'PROFILE' ? CREDENTIAL : TOKEN).test(token)

// The spelling of a field's value: visible ASCII as it is, every other byte
// and "%" as "%" and two upper-case hex digits.
function encodeValue(text) {
  if (/^[!-$&-~]*$/.test(text)) return text
  const escape = (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  return Buffer.from(text).latin1Slice().replace(/[^!-$&-~]/g, escape)
}

// One string has one spelling; the escapes here are those of bytes that need one.
const VALUE = /^(?:[!-$&-~]|%(?:[01][0-9A-F]|20|25|7F|[89A-F][0-9A-F]))*$/
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

// The inverse of encodeValue; undefined for any other spelling.
function decodeValue(raw) {
  if (!VALUE.test(raw)) return undefined
  if (!raw.includes('%')) return raw
  const bytes = Buffer.from(raw.replace(/%(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))), 'latin1')
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

// countIn reads a number that counts up from 0; undefined: it is none.
function countIn(raw) {
  return /^(?:0|[1-9][0-9]{0,15})$/.test(raw) && Number.isSafeInteger(Number(raw)) ? Number(raw) : undefined
}

// A handle or the name of a run: 64 bits in base64url. One has one spelling.
const HANDLE = /^[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$/

// handlesIn reads handles joined by commas; undefined: they are none, or more than most.
function handlesIn(raw = '', most) {
  const handles = raw.length <= 12 * most ? raw.split(',') : []
  return handles.length > 0 && handles.every((handle) => HANDLE.test(handle)) ? handles : undefined
}

// revisionIn reads RUN.N; undefined: it is none.
function revisionIn(raw = '') {
  const [run, n] = [raw.slice(0, 11), countIn(raw.slice(12))]
  return HANDLE.test(run) && raw[11] === '.' && n !== undefined ? { run, n } : undefined
}

module.exports = {
  DEFAULT_SOCKET, SOCKET_VARIABLE, PROTOCOL,
  MAX_REPLY_LINE, MAX_FIELDS, MAX_NAME, MAX_IN_FLIGHT, MAX_CLIENT_NAME, MAX_TOKEN, MAX_DEADLINE, MAX_MAX_AGE, MAX_HEARD, MAX_SOCKET_PATH,
  MAX_LEASE, MAX_HANDLES, MAX_FORGET, MAX_WATCH_LINE,
  askable, encodeValue, decodeValue, countIn, handlesIn, revisionIn,
}
