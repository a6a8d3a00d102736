'use strict'

const { Accepted, Rejected, Unknown, match } = require('./answer.js')
const { Client, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_TIMEOUT } = require('./client.js')
const errors = require('./errors.js')
const { DEFAULT_SOCKET, SOCKET_VARIABLE } = require('./words.js')

const { BrokenError, CancelledError, ClosedError, GarbledError, NeonauthdError, ReplyError, TimedOutError, UnreachableError } = errors

// Named one by one: Node reads these names off the text for those who import them.
module.exports = {
  Client, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_SOCKET, DEFAULT_TIMEOUT, SOCKET_VARIABLE,
  Accepted, Rejected, Unknown, match,
  BrokenError, CancelledError, ClosedError, GarbledError, NeonauthdError, ReplyError, TimedOutError, UnreachableError,
}
