/**
 * Asks neonauthd, the daemon on this host, about Neon Auth access tokens.
 * Durations are milliseconds.
 */

export type Level = 'claims' | 'profile'
export type Source = 'upstream' | 'cache' | 'stale'

/** The daemon's words for a proof against a token. A newer daemon may have others. */
export type Reason =
  | 'malformed' | 'bad-signature' | 'unknown-key' | 'expired' | 'not-yet-valid' | 'wrong-issuer' | 'wrong-audience'
  | 'wrong-algorithm' | 'missing-claim' | 'sender-constrained' | 'class-not-allowed' | 'user-not-found' | 'revoked'
  | 'rejected-upstream'
  | (string & {})

/** The daemon's words for why it cannot tell. A newer daemon may have others. */
export type Code =
  | 'bad-request' | 'unknown-verb' | 'unknown-project' | 'line-too-long' | 'forbidden' | 'unavailable' | 'misconfigured'
  | 'busy' | 'deadline' | 'keys-pending'
  | (string & {})

/** The token is good at the stated level. Printing it shows neither the subject nor the JSON. */
export class Accepted {
  private constructor()
  readonly outcome: 'accepted'
  readonly level: Level
  /** The daemon's name of the project. */
  readonly project: string
  /** The user's id, never empty. */
  readonly subject: string
  /** Since the evidence was had from the upstream: milliseconds, in steps of a second. */
  readonly age: number
  /** How long this answer may be reused: milliseconds, in steps of a second; 0 is not at all. */
  readonly ttl: number
  /** When the token ends. */
  readonly expires: Date
  readonly source: Source
  /** The claims (level claims) or the profile (level profile) as the upstream wrote it, on one line. */
  readonly json: string
  /** Parses json. The object is new with each call and the caller's own. */
  data<T = Record<string, unknown>>(): T
}

/** The daemon holds proof against the token. */
export class Rejected {
  private constructor()
  readonly outcome: 'rejected'
  readonly reason: Reason
}

/** Nothing was learnt about the token: neither a yes nor a no. */
export class Unknown {
  private constructor()
  readonly outcome: 'unknown'
  /** The daemon's word for why it cannot tell; empty when no answer of it was had. */
  readonly code: Code | ''
  /** When asking again makes sense; 0 when nobody knows. */
  readonly retryAfter: number
  /** The cause, for a log. It holds no token and nothing of a claim. */
  readonly error: NeonauthdError
}

export type Answer = Accepted | Rejected | Unknown

/**
 * Calls the branch of the answer's outcome. All three are needed: an answer is
 * an object, so `if (answer)` is true for a rejected token too.
 */
export function match<A, R, U>(
  answer: Answer,
  branches: { accepted(answer: Accepted): A; rejected(answer: Rejected): R; unknown(answer: Unknown): U },
): A | R | U

export interface ClientOptions {
  /** Path of the daemon's socket; else the environment variable NEONAUTHD_SOCKET, else the default. */
  socket?: string
  /** The daemon's name for the project that tokens belong to; empty is the daemon's first one. */
  project?: string
  /** How long a call may take in all, connecting included. Default 1000. */
  timeout?: number
  /** The greatest number of connections. Default 2. */
  conns?: number
  /** What hello() calls this program. Default "node". */
  name?: string
}

export interface CallOptions {
  /** Replaces the client's timeout for this call. */
  deadline?: number
  /** Gives up: a lookup is then unknown with a CancelledError, ping and hello reject with it. */
  signal?: AbortSignal
}

export interface VerifyOptions extends CallOptions {
  project?: string
}

export interface ProfileOptions extends VerifyOptions {
  /** The oldest profile that will do, rounded down to whole seconds; less than a second forces a live check. */
  maxAge?: number
  /** An accepted answer at level claims will do when the profile cannot be had; look at its level. */
  fallback?: 'claims'
}

/** What a daemon says about itself. */
export interface Daemon {
  readonly version: string
  readonly protocol: number
  readonly maxLine: number
  readonly inFlight: number
  readonly projects: string[]
}

/**
 * Asks one daemon. Concurrent callers travel together on a few connections. It
 * connects when it is first asked, and does not keep the process alive while
 * nobody waits for an answer.
 */
export class Client implements AsyncDisposable {
  constructor(options?: ClientOptions)
  /** The path of the socket. */
  readonly socket: string
  /**
   * Asks whether the token is genuine and valid now, from its signature and claims alone. The promise is
   * rejected only for a fault of the program, such as a token that is not a string.
   */
  verify(token: string, options?: VerifyOptions): Promise<Answer>
  /** Asks the same and, when the token is good, for the user's profile as the upstream knows it. */
  profile(token: string, options?: ProfileOptions): Promise<Answer>
  /** Resolves when the daemon answers, else rejects with a NeonauthdError. */
  ping(options?: CallOptions): Promise<void>
  /** Tells the daemon this program's name and asks what it says about itself. */
  hello(options?: CallOptions): Promise<Daemon>
  /** Closes the connections. Calls in progress and later ones get Unknown with ClosedError. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type Kind = 'reply' | 'unreachable' | 'broken' | 'garbled' | 'timeout' | 'cancelled' | 'closed'

/** Why nothing was learnt. Only the client makes them. */
export class NeonauthdError extends Error {
  protected constructor()
  readonly kind: Kind
}

/** The daemon was asked, and says that it cannot tell or that the request is wrong. */
export class ReplyError extends NeonauthdError {
  readonly kind: 'reply'
  readonly code: Code
  /** 0: the daemon did not say. */
  readonly retryAfter: number
  /** The daemon's explanation for people, may be empty. */
  readonly text: string
}

/** No connection could be made. */
export class UnreachableError extends NeonauthdError {
  readonly kind: 'unreachable'
}
/** The connection ended before the reply was complete. */
export class BrokenError extends NeonauthdError {
  readonly kind: 'broken'
}
/** What came is not a reply of the protocol, or not one to the question asked. */
export class GarbledError extends NeonauthdError {
  readonly kind: 'garbled'
}
/** The call's time was over. */
export class TimedOutError extends NeonauthdError {
  readonly kind: 'timeout'
}
/** The caller's signal was aborted; cause is its reason, name is "AbortError". */
export class CancelledError extends NeonauthdError {
  readonly kind: 'cancelled'
}
/** close() was called. */
export class ClosedError extends NeonauthdError {
  readonly kind: 'closed'
}

export const DEFAULT_SOCKET: string
export const SOCKET_VARIABLE: string
export const DEFAULT_TIMEOUT: number
export const DEFAULT_CONNS: number
export const DEFAULT_NAME: string
