'use strict'

const { Accepted, Rejected, Unknown, match } = require('./answer.js')
const { Client, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_TIMEOUT } = require('./client.js')
const { BrokenError, CancelledError, ClosedError, GarbledError, NeonauthdError, ReplyError, TimedOutError, UnreachableError } = require('./errors.js')
const { DEFAULT_SOCKET, SOCKET_VARIABLE } = require('./words.js')

// The names are listed one by one, because Node finds them in this text for
// programs that use import.
module.exports = {
  Client, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_SOCKET, DEFAULT_TIMEOUT, SOCKET_VARIABLE,
  Accepted, Rejected, Unknown, match,
  BrokenError, CancelledError, ClosedError, GarbledError, NeonauthdError, ReplyError, TimedOutError, UnreachableError,
}
