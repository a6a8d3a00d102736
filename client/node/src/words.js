'use strict'

// The words and limits of the protocol that the client needs; see protocol.md.

const DEFAULT_SOCKET = '/run/neonauthd/neonauthd.sock'
const SOCKET_VARIABLE = 'NEONAUTHD_SOCKET'
const PROTOCOL = 1

const MAX_REQUEST_LINE = 16384 // bytes, line end included
const MAX_REPLY_LINE = 4198400 // bytes, line end included
const MAX_FIELDS = 16
const MAX_IN_FLIGHT = 256 // requests of a connection that the daemon works on at once, unless configured otherwise
const MAX_CLIENT_NAME = 64 // bytes
const MAX_DEADLINE = 60_000 // milliseconds
const MAX_MAX_AGE = 86_400 // seconds

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

const encoder = new TextEncoder()

// The spelling of a field's value: visible ASCII as it is, every other byte
// and "%" as "%" and two upper-case hex digits.
function encodeValue(text) {
  if (/^[!-$&-~]*$/.test(text)) return text
  let out = ''
  for (const byte of encoder.encode(text)) {
    const plain = byte >= 0x21 && byte <= 0x7e && byte !== 0x25
    out += plain ? String.fromCharCode(byte) : '%' + byte.toString(16).toUpperCase().padStart(2, '0')
  }
  return out
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

module.exports = {
  DEFAULT_SOCKET,
  SOCKET_VARIABLE,
  PROTOCOL,
  MAX_REQUEST_LINE,
  MAX_REPLY_LINE,
  MAX_FIELDS,
  MAX_IN_FLIGHT,
  MAX_CLIENT_NAME,
  MAX_DEADLINE,
  MAX_MAX_AGE,
  MAX_SOCKET_PATH,
  askable,
  encodeValue,
  decodeValue,
}
