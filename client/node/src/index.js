export { Accepted, Rejected, Unknown, match } from './answer.js'
export { Client, DEFAULT_CONNS, DEFAULT_NAME, DEFAULT_TIMEOUT } from './client.js'
export {
  BrokenError,
  CancelledError,
  ClosedError,
  GarbledError,
  NeonauthdError,
  ReplyError,
  TimedOutError,
  UnreachableError,
} from './errors.js'
export { DEFAULT_SOCKET, SOCKET_VARIABLE } from './words.js'
