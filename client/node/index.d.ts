/**
 * Asks neonauthd whether a Neon Auth token is good. neonauthd is the daemon on this host that
 * verifies these tokens. All durations are milliseconds.
 */

import type { Claims, Profile } from './shapes.js'

export * from './shapes.js'

/** How much the daemon has verified: the signature and the claims, or these and the profile from the upstream's REST API. */
export type Level = 'claims' | 'profile'

/**
 * Where the daemon's evidence comes from: obtained for this lookup, kept and still fresh, or kept beyond its fresh time because
 * the upstream fails.
 */
export type Source = 'upstream' | 'cache' | 'stale'

/**
 * What the subject names: a user, an OAuth client that acts for itself (`machine`), or a team for
 * which an API key was made (`team`). An answer with any other word is Unknown, with a GarbledError.
 */
export type Principal = 'user' | 'machine' | 'team'

/** Why the daemon rejects a token. A newer daemon may send other words. */
export type Reason =
  | 'malformed' | 'bad-signature' | 'unknown-key' | 'expired' | 'not-yet-valid' | 'wrong-issuer' | 'wrong-audience'
  | 'wrong-type' | 'wrong-algorithm' | 'missing-claim' | 'sender-constrained' | 'class-not-allowed'
  | 'insufficient-scope' | 'user-not-found' | 'revoked' | 'rejected-upstream'
  | (string & {})

/** Why the daemon cannot tell whether a token is good. A newer daemon may send other words. */
export type Code =
  | 'bad-request' | 'unknown-verb' | 'unknown-project' | 'line-too-long' | 'forbidden' | 'needs-profile' | 'unavailable'
  | 'misconfigured' | 'busy' | 'deadline' | 'keys-pending'
  | (string & {})

/**
 * The token is good at the stated level. Printing an Accepted shows neither the subject nor the
 * JSON.
 */
export class Accepted {
  private constructor()
  readonly outcome: 'accepted'
  readonly level: Level
  /** The daemon's name of the token's project. */
  readonly project: string
  /** The id of what `principal` says, never empty: of a user, a client or a team. */
  readonly subject: string
  /** What the subject names. Empty: the daemon is older and knows only users. */
  readonly principal: Principal | ''
  /** How long ago the upstream gave the evidence: milliseconds, in steps of a second. */
  readonly age: number
  /** How long this answer may be reused: milliseconds, in steps of a second. 0: do not reuse it. */
  readonly ttl: number
  /** When the token ends. */
  readonly expires: Date
  readonly source: Source
  /**
   * How long ago the daemon last heard from its fleet: milliseconds, in steps of a second. A
   * revocation that was made on another host since then may be missing. The daemon sends it while
   * it does not hear from the fleet, and in answers to lookups with the option heard. 0: the daemon
   * did not send it.
   */
  readonly heard: number
  /**
   * The claims (level claims) or the profile (level profile) as the upstream wrote them, as JSON on
   * one line.
   */
  readonly json: string
  /** Parses json. Each call returns a new object, which the caller may change. */
  data<T = Record<string, unknown>>(): T
  /** The user that the token belongs to. Its members are the same for every preset and level. */
  readonly user: User
  /**
   * The claims of the token, parsed anew at each access. Undefined for a session credential, which
   * has no claims. If you know the preset, name its type: `answer.claims as StackClaims`.
   */
  readonly claims: Claims | undefined
  /** The profile, parsed anew at each access. Undefined at level claims. */
  readonly profile: Profile | undefined
}

/**
 * The user that a token belongs to. A text whose value is not known is empty, and emailVerified is
 * null.
 */
export interface User {
  /**
   * Identifies the user. Do not identify users by email: an address can change, and can later
   * belong to another user. A machine, which is no user, has its client id here. Empty for a team,
   * and never otherwise.
   */
  readonly id: string
  /** The primary address. */
  readonly email: string
  /** Whether email is verified; null: not known. */
  readonly emailVerified: boolean | null
  /** The name to show to people. It may contain any character. */
  readonly name: string
  /**
   * The address of the user's picture. It may be a data URL of a megabyte. Tokens of Stack Auth
   * have no picture.
   */
  readonly imageUrl: string
  /**
   * The selected team (Stack Auth) or the active organization (Better Auth). For a team's API key it
   * is the team.
   */
  readonly teamId: string
  /** The sign-in that the token comes from. Empty for a session credential of Better Auth. */
  readonly sessionId: string
  /** The scopes of an OAuth client's token. Tokens of sessions have none. */
  readonly scopes: readonly string[]
  /**
   * The class of the user; empty: not known. `machine` and `team` are not users: an OAuth client
   * that acts for itself, and a team for which an API key was made.
   */
  readonly kind: 'normal' | 'restricted' | 'anonymous' | 'machine' | 'team' | ''
}

/** The daemon holds proof against the token. */
export class Rejected {
  private constructor()
  readonly outcome: 'rejected'
  readonly reason: Reason
}

/** Nothing was learnt about the token: neither that it is good nor that it is bad. */
export class Unknown {
  private constructor()
  readonly outcome: 'unknown'
  /** Why the daemon cannot tell. Empty: the daemon gave no answer. */
  readonly code: Code | ''
  /** How long to wait before asking again: milliseconds. 0: not known. */
  readonly retryAfter: number
  /** The cause, for a log. Its message contains no token and no claims. */
  readonly error: NeonauthdError
}

/** The outcome of a lookup: exactly one of the three. */
export type Answer = Accepted | Rejected | Unknown

/**
 * Calls the branch for the answer's outcome and returns its result. All three branches are
 * required: an answer is an object, so `if (answer)` would be true for a rejected token too.
 *
 * @example
 * const status = match(await client.verify(token), {
 *   accepted: () => 200,
 *   rejected: () => 401,
 *   unknown: () => 503,
 * })
 */
export function match<A, R, U>(
  answer: Answer,
  branches: { accepted(answer: Accepted): A; rejected(answer: Rejected): R; unknown(answer: Unknown): U },
): A | R | U

export interface ClientOptions {
  /**
   * The path of the daemon's socket. Default: the environment variable NEONAUTHD_SOCKET, or
   * DEFAULT_SOCKET if that is not set.
   */
  socket?: string
  /**
   * The daemon's name for the project that the tokens belong to. Default: the daemon's first
   * project.
   */
  project?: string
  /** The longest time that one call may take, connecting included. Default: 1000. */
  timeout?: number
  /**
   * How many accepted answers are kept in memory; an answer takes 4 KiB on average. 0: none, and
   * every call asks the daemon. Default: 1024.
   */
  keep?: number
  /** The name of this program that hello() sends. Default: "node". */
  name?: string
}

export interface CallOptions {
  /** The longest time that this call may take, instead of the client's timeout. */
  deadline?: number
  /**
   * Aborts the call: a lookup then resolves to Unknown with a CancelledError, and ping and hello
   * reject with that error.
   */
  signal?: AbortSignal
}

export interface VerifyOptions extends CallOptions {
  /** The daemon's name for the project that the token belongs to, instead of the client's project. Not empty. */
  project?: string
  /**
   * Accepts an answer only from a daemon that has heard from its fleet within that time; otherwise
   * the answer is Unknown. An accepted answer then misses no revocation on another host that is
   * older than that. At least 1000 milliseconds, rounded down to whole seconds. With heard the
   * daemon is asked each time: no kept answer is used. A daemon that is older than this option
   * answers `bad-request`.
   */
  heard?: number
  /**
   * The visitor for whom the program asks, for example a network address. The daemon then divides
   * the program's share among its visitors, so that one visitor cannot use up the share of all. The
   * text is not sent: the daemon gets a number that is computed from it, which differs for each
   * client. It changes no answer.
   */
  onBehalfOf?: string
}

export interface ProfileOptions extends VerifyOptions {
  /**
   * The greatest age of the profile, rounded down to whole seconds. Less than 1000 makes the daemon
   * ask the upstream now.
   */
  maxAge?: number
  /**
   * Resolves to Accepted at level claims if the token is good but the profile cannot be had in
   * time. Check the level of the answer.
   */
  fallback?: 'claims'
}

/** What a daemon says about itself in the reply to hello. */
export interface Daemon {
  /** Its release. */
  readonly version: string
  /** The protocol version that it speaks. */
  readonly protocol: number
  /** The longest request line in bytes, line end included. */
  readonly maxLine: number
  /** How many requests of one connection it works on at a time. */
  readonly inFlight: number
  /** The projects that this program may ask about, the default one first. */
  readonly projects: string[]
}

/** The interface of lookups: a Client, or in a test a FakeClient (neonauthd/testing). */
export interface Asker {
  verify(token: string, options?: VerifyOptions): Promise<Answer>
  profile(token: string, options?: ProfileOptions): Promise<Answer>
  /** The path of the socket, which warnings name. */
  readonly socket?: string | undefined
}

/**
 * Asks one daemon. One client serves any number of concurrent calls over one connection, so share
 * it. It connects at the first call. It does not keep the process alive while no call waits for an
 * answer.
 *
 * It keeps accepted answers in memory, and returns a kept answer without asking the daemon. It does
 * so only while the daemon's promise holds to report every change that ends an answer. So a
 * revocation is in force in every process when the command that asked for it returns. The promise
 * needs one more connection, which ends some seconds after the last call.
 *
 * @example
 * const client = new Client()
 * const answer = await client.verify(token)
 * if (answer.outcome === 'accepted') serve(answer.user.id)
 * else if (answer.outcome === 'rejected') challenge(answer.reason) // 401
 * else tryLater(answer.retryAfter) // 503: nothing was learnt about the token
 */
export class Client implements Asker, AsyncDisposable {
  /** Throws a TypeError or a RangeError for an option that does not exist or is not valid. */
  constructor(options?: ClientOptions)
  /** The path of the socket. */
  readonly socket: string
  /**
   * Asks whether the token is genuine and still valid. The daemon judges that from the token's
   * signature and claims alone. Pass the token alone, without "Bearer" and without an end of line.
   * The promise rejects only for a mistake in the program, such as a token that is not a string.
   */
  verify(token: string, options?: VerifyOptions): Promise<Answer>
  /**
   * Asks the same as verify and, if the token is good, also asks for the user's profile as the
   * upstream knows it.
   */
  profile(token: string, options?: ProfileOptions): Promise<Answer>
  /** Resolves if the daemon answers; otherwise rejects with a NeonauthdError. */
  ping(options?: CallOptions): Promise<void>
  /**
   * Sends this program's name to the daemon, and resolves to what the daemon says about itself.
   * Lookups do not need it.
   */
  hello(options?: CallOptions): Promise<Daemon>
  /**
   * Closes the connections and forgets the kept answers. Lookups in progress and later ones resolve
   * to Unknown with ClosedError.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type Kind = 'reply' | 'unreachable' | 'broken' | 'garbled' | 'timeout' | 'cancelled' | 'closed'

/** Why nothing was learnt. Only the client creates these errors. */
export class NeonauthdError extends Error {
  protected constructor()
  readonly kind: Kind
}

/** The daemon has answered that it cannot tell, or that the request is wrong. */
export class ReplyError extends NeonauthdError {
  readonly kind: 'reply'
  readonly code: Code
  /** How long to wait before asking again: milliseconds. 0: the daemon did not say. */
  readonly retryAfter: number
  /** The daemon's explanation for people. It may be empty. */
  readonly text: string
  /**
   * The project that the question named. Empty: the question named none, or the given text cannot
   * be the name of a project.
   */
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
/**
 * The daemon's line is not a reply of this protocol, or does not answer the question that was
 * asked.
 */
export class GarbledError extends NeonauthdError {
  readonly kind: 'garbled'
}
/** The call took longer than its timeout or deadline. */
export class TimedOutError extends NeonauthdError {
  readonly kind: 'timeout'
}
/** The caller's signal was aborted. cause is the reason of the signal, and name is "AbortError". */
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
