/**
 * Asks neonauthd, the daemon on this host, about Neon Auth access tokens.
 * Durations are milliseconds.
 */

import type { Claims, Profile } from './shapes.js'

export * from './shapes.js'

export type Level = 'claims' | 'profile'
export type Source = 'upstream' | 'cache' | 'stale'

/**
 * Who the subject is: a user; an OAuth client that acts for itself; a team, whose API key it is. A newer daemon may have
 * others; their kind is not known.
 */
export type Principal = 'user' | 'machine' | 'team' | (string & {})

/** The daemon's words for a proof against a token. A newer daemon may have others. */
export type Reason =
  | 'malformed' | 'bad-signature' | 'unknown-key' | 'expired' | 'not-yet-valid' | 'wrong-issuer' | 'wrong-audience'
  | 'wrong-type' | 'wrong-algorithm' | 'missing-claim' | 'sender-constrained' | 'class-not-allowed'
  | 'insufficient-scope' | 'user-not-found' | 'revoked' | 'rejected-upstream'
  | (string & {})

/** The daemon's words for why it cannot tell. A newer daemon may have others. */
export type Code =
  | 'bad-request' | 'unknown-verb' | 'unknown-project' | 'line-too-long' | 'forbidden' | 'needs-profile' | 'unavailable'
  | 'misconfigured' | 'busy' | 'deadline' | 'keys-pending'
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
  /** Who the subject is; empty: an older daemon, which knows users only. */
  readonly principal: Principal | ''
  /** Since the evidence was had from the upstream: milliseconds, in steps of a second. */
  readonly age: number
  /** How long this answer may be reused: milliseconds, in steps of a second; 0 is not at all. */
  readonly ttl: number
  /** When the token ends. */
  readonly expires: Date
  readonly source: Source
  /**
   * How long ago the daemon has heard its fleet, where it says that: while it does not hear the fleet, and to who asked with
   * the option heard. Milliseconds, in steps of a second; 0: it did not say.
   */
  readonly heard: number
  /** The claims (level claims) or the profile (level profile) as the upstream wrote it, on one line. */
  readonly json: string
  /** Parses json. The object is new with each call and the caller's own. */
  data<T = Record<string, unknown>>(): T
  /** Who the token belongs to, in the same words whatever preset and level the answer comes from. */
  readonly user: User
  /**
   * The claims of the token, parsed anew with each access; undefined for a session credential, which has none. Who knows the
   * preset can say so: `answer.claims as StackClaims`.
   */
  readonly claims: Claims | undefined
  /** The profile, parsed anew with each access; undefined at level claims. */
  readonly profile: Profile | undefined
}

/** Who a token belongs to. What is not known is empty, or null. */
export interface User {
  /** Names the user; an address does not: it can change, and move to somebody else. */
  readonly id: string
  readonly email: string
  readonly emailVerified: boolean | null
  /** For people to read. It may hold any character. */
  readonly name: string
  /** May be a data URL of a megabyte. A token of Stack Auth has none. */
  readonly imageUrl: string
  /** The selected team (Stack Auth) or the active organization (Better Auth). */
  readonly teamId: string
  /** The sign-in that the token comes from. */
  readonly sessionId: string
  /** What the token of an OAuth client is good for. Tokens of sessions have none. */
  readonly scopes: readonly string[]
  /** `machine` and `team` are no users: an OAuth client that acts for itself, and a team, whose API key it is. */
  readonly kind: 'normal' | 'restricted' | 'anonymous' | 'machine' | 'team' | ''
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
  /**
   * How many accepted answers are kept in memory, at 4 KiB each on average, and given again without asking for as long as
   * the daemon has promised to tell what has ended. 0: none, and every call asks the daemon. Default 1024.
   */
  keep?: number
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
  /**
   * Takes an accepted answer only from a daemon that has heard its fleet within that time, so that no revocation on another
   * host older than that is missed; else the answer is unknown. Milliseconds from 1000 on, rounded down to whole seconds. The
   * daemon is asked each time: nothing kept is used. One that is too old to know it answers `bad-request`.
   */
  heard?: number
  /**
   * For whom of its own the program asks, a visitor's address for example, so that one of them cannot use up the share of
   * the daemon that all have. It is not sent: the daemon gets a number that is made of it, another one for each client. It
   * changes no answer.
   */
  onBehalfOf?: string
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

/** Asks about tokens: a Client, or what a test puts in its place (neonauthd/testing). */
export interface Asker {
  verify(token: string, options?: VerifyOptions): Promise<Answer>
  profile(token: string, options?: ProfileOptions): Promise<Answer>
  /** Named in warnings. */
  readonly socket?: string | undefined
}

/**
 * Asks one daemon. Concurrent callers travel together on one connection. It
 * connects when it is first asked, and does not keep the process alive while
 * nobody waits for an answer.
 *
 * It keeps accepted answers in memory and gives them again without asking, for as
 * long as the daemon has promised to tell it what has ended. A revocation is in
 * force in every process when the command that asked for it returns. The promise
 * comes over one more connection, which ends some seconds after the last call.
 */
export class Client implements Asker, AsyncDisposable {
  constructor(options?: ClientOptions)
  /** The path of the socket. */
  readonly socket: string
  /**
   * Asks whether the token is genuine and valid now, from its signature and claims alone. The token
   * stands alone, without "Bearer" and without an end of line. The promise is rejected only for a fault of the program, such as a token that is not a string.
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
  /** The one that was named in the question. Empty: none was, or the text that was given cannot be a project's name. */
  readonly project: string
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
export const DEFAULT_KEEP: number
export const DEFAULT_NAME: string
