'use strict'

const { Accepted, Rejected, Unknown, match } = require('./answer.js')
const { Client, DEFAULT_NAME, DEFAULT_TIMEOUT } = require('./client.js')
const {
  BrokenError,
  CancelledError,
  ClosedError,
  GarbledError,
  NeonauthdError,
  ReplyError,
  TimedOutError,
  UnreachableError,
} = require('./errors.js')
const { DEFAULT_SOCKET, SOCKET_VARIABLE } = require('./words.js')

// Named one by one: Node reads these names off the text for those who import them.
module.exports = {
  Accepted,
  BrokenError,
  CancelledError,
  Client,
  ClosedError,
  DEFAULT_NAME,
  DEFAULT_SOCKET,
  DEFAULT_TIMEOUT,
  GarbledError,
  NeonauthdError,
  Rejected,
  ReplyError,
  SOCKET_VARIABLE,
  TimedOutError,
  Unknown,
  UnreachableError,
  match,
}
