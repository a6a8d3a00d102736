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
const MAX_DEADLINE = 60_000 // milliseconds
const MAX_MAX_AGE = 86_400 // seconds
const MAX_HEARD = 86_400 // seconds
const MAX_LEASE = 1000 // milliseconds
const MAX_HANDLES = 16 // handles of an answer
const MAX_FORGET = 64 // handles in a line of the watch
const MAX_WATCH_LINE = 1024 // bytes, line end included

// The size of sun_path on Linux, without the closing zero byte. For a longer
// path the kernel only says "invalid argument".
const MAX_SOCKET_PATH = 107

// The form of a signed token, of an opaque access token (RFC 6750 section 2.1),
// and of a session credential of preset neon, which ends in padded base64 and may
// be percent-encoded. Other text is malformed beyond doubt and must not be sent:
// after a line feed in it the rest would be a second request, and what reads as a
// field would be one.
const CREDENTIAL = /^(?![a-z0-9-]+=)[A-Za-z0-9._~+/=%-]{1,8192}$/

const askable = (token) => CREDENTIAL.test(token)

// The encoding of a field's value: visible ASCII stands as it is; every other
// byte and "%" become "%" and two upper-case hex digits.
const encodeValue = (text) => text.toWellFormed().replace(/[^!-$&-~]+/g, encodeURIComponent)

// Each string has exactly one encoding; these escapes are those of the bytes
// that need one.
const VALUE = /^(?:[!-$&-~]|%(?:[01][0-9A-F]|20|25|7F|[89A-F][0-9A-F]))*$/

// The inverse of encodeValue; undefined for any other text.
function decodeValue(raw) {
  if (!VALUE.test(raw)) return undefined
  if (!raw.includes('%')) return raw // nearly all are such, and decodeURIComponent is slow
  try {
    return decodeURIComponent(raw)
  } catch { // the bytes are not UTF-8
    return undefined
  }
}

// countIn reads a number from 0 up; undefined: the text is not one.
function countIn(raw) {
  return /^(?:0|[1-9][0-9]{0,15})$/.test(raw) && Number.isSafeInteger(Number(raw)) ? Number(raw) : undefined
}

// A handle or the name of a run: 64 bits in base64url. Each has exactly one
// encoding.
const HANDLE = /^[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$/

// handlesIn reads handles joined by commas; undefined: the text is not such a
// list, or has more than most handles.
function handlesIn(raw = '', most) {
  const handles = raw.length <= 12 * most ? raw.split(',') : []
  return handles.length > 0 && handles.every((handle) => HANDLE.test(handle)) ? handles : undefined
}

// revisionIn reads RUN.N; undefined: the text has another form.
function revisionIn(raw = '') {
  const [run, n] = [raw.slice(0, 11), countIn(raw.slice(12))]
  return HANDLE.test(run) && raw[11] === '.' && n !== undefined ? { run, n } : undefined
}

module.exports = {
  DEFAULT_SOCKET, SOCKET_VARIABLE, PROTOCOL,
  MAX_REPLY_LINE, MAX_FIELDS, MAX_NAME, MAX_IN_FLIGHT, MAX_CLIENT_NAME, MAX_DEADLINE, MAX_MAX_AGE, MAX_HEARD, MAX_SOCKET_PATH,
  MAX_LEASE, MAX_HANDLES, MAX_FORGET, MAX_WATCH_LINE,
  askable, encodeValue, decodeValue, countIn, handlesIn, revisionIn,
}
