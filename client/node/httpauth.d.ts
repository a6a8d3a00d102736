/**
 * How a token travels in HTTP: where a request may carry it, which status an answer of the daemon becomes, and the headers
 * that go with a refusal. The guard goes by it, and so can one of your own. Durations are milliseconds.
 */

import type { IncomingMessage } from 'node:http'

import type { Accepted, Answer, Asker, Code, ProfileOptions, Reason, Unknown, User } from './index.js'

/**
 * Where a request may carry its token.
 *
 * - `sdk-header`: x-stack-access-token, x-hexclave-access-token, x-stack-auth
 * - `authorization`: the scheme Bearer, with a token or the SDK's envelope
 * - `sdk-cookie`: the SDK's cookies hexclave-access and stack-access
 * - `session-cookie`: __Secure-neon-auth.session_token, where the profile is asked for
 * - `header:NAME`, `cookie:NAME`: the application's own
 *
 * Browsers send cookies along with requests that another site's page makes (CSRF): an application that takes its token
 * from a cookie has to check Origin or a token of its own in every request that changes something.
 */
export type Place = 'sdk-header' | 'authorization' | 'sdk-cookie' | 'session-cookie' | `header:${string}` | `cookie:${string}`

/** The places that need no such thought: sdk-header and authorization. */
export const HEADERS: readonly Place[]

/** Returns all values of a header, by its name in lower case. */
export type HeaderValues = (name: string) => readonly string[]

/** For requests of node:http and node:http2, repeated headers included. */
export function valuesOf(req: Pick<IncomingMessage, 'rawHeaders'>): HeaderValues

/** A search in some places, whatever their order. It throws a TypeError that says which of them is none. */
export class Search {
  constructor(places?: readonly Place[])
  /** The value of the header Vary for what depends on the token. */
  readonly vary: string
  /** Looks for the token. With profile, which says that the profile will be asked for, a session cookie counts. */
  find(values: HeaderValues, profile?: boolean): Found
}

/**
 * Why a request is wrong in itself. `two-tokens`: two different ones, a list, or Bearer beside another scheme;
 * `unreadable-token`: what carries the token cannot be read.
 */
export type Fault = 'two-tokens' | 'unreadable-token'

/** What a search came to. */
export class Found {
  constructor(tokens: readonly string[], fault?: Fault | '')
  /**
   * One token, or none. Only cookies of an SDK can add up to several, since a browser keeps one for each path: then the
   * first that is accepted counts.
   */
  readonly tokens: readonly string[]
  /** Empty: none. */
  readonly fault: Fault | ''
  /** How the request is answered without asking the daemon; undefined: there is a token to ask about. */
  refusal(): Refusal | undefined
  /** Asks about each token in turn as long as the answers are rejections. */
  ask(ask: (token: string) => Promise<Answer> | Answer): Promise<{ answer?: Answer; token?: string }>
}

/** How a request is answered that does not get through. */
export class Refusal {
  constructor(status: 400 | 401 | 403 | 503, error: string, reason: string, retryAfter?: number, scope?: string)
  /** Never 401 for a request about which nothing could be learnt: that would log the user out. */
  readonly status: 400 | 401 | 403 | 503
  /** The code of RFC 6750, section 3.1; empty where none belongs. */
  readonly error: string
  /** A word for people and counters. */
  readonly reason: Reason | Code | Fault | 'no-token' | 'email-not-verified' | 'wrong-team' | ''
  /** With 503: whole seconds, in milliseconds; else 0. */
  readonly retryAfter: number
  /** The scopes that the request asks for, with blanks between; empty: it does not tell. */
  readonly scope: string
  /**
   * Cache-Control, and WWW-Authenticate or, with 503, Retry-After. resourceMetadata is the address at which the protected
   * resource tells who gives out its tokens (RFC 9728).
   */
  headers(realm?: string, resourceMetadata?: string): Record<string, string>
}

/** The one map from the daemon's answers to statuses; undefined: it is accepted. */
export function refusalOf(answer: Accepted): undefined
export function refusalOf(answer: Answer | undefined): Refusal | undefined

/** For a token against which there is proof: 401. */
export const invalidToken: (reason: string) => Refusal
/** For a verified user who may not have what the request asks for: 403. */
export const denied: (reason?: string, scope?: string) => Refusal
/** For a request about which nothing could be learnt: 503. */
export function unavailable(reason?: string, after?: number): Refusal

/**
 * What a verified user has to be besides. By default: a normal user, and nothing else. One that is undefined is thrown, so
 * that a requirement from a variable which is not set does not become none.
 */
export interface RequirementOptions {
  /** The address is known to be verified. Claims of some issuers do not tell; a profile does. */
  emailVerified?: boolean
  /** The user's selected team, or active organization, is the one of this id. */
  team?: string
  /**
   * Who may come in: kinds of users, machines, teams. Default: `['normal']`. The others have to be admitted by the daemon's
   * project too. A user whose kind is not known may come in where all three kinds of users may.
   */
  kinds?: readonly ('normal' | 'restricted' | 'anonymous' | 'machine' | 'team')[]
  /** What the token has to be good for, all of it, compared as whole words. */
  scopes?: readonly string[]
}

/** The same for a guard of one's own. It throws a TypeError for what is no requirement. */
export class Requirements {
  constructor(options?: RequirementOptions)
  /** Which one a verified user does not meet, for denied(); empty: none. */
  unmet(user: User): 'class-not-allowed' | 'email-not-verified' | 'wrong-team' | 'insufficient-scope' | ''
  /** How the request of a verified user is answered who does not meet them; undefined: the user does. */
  refusal(user: User): Refusal | undefined
}

/** What a protected resource tells of itself. */
export interface ResourceOptions {
  /** Its address, the audience of its tokens, such as https://mcp.example.com/mcp. */
  resource: string
  /** The issuers that give out its tokens, 1 to 8. */
  authorizationServers: readonly string[]
  /** Those that its clients may ask for. */
  scopes?: readonly string[] | undefined
  /** For people. */
  name?: string | undefined
}

/** A protected resource (RFC 9728). It throws a TypeError that says what is wrong. */
export class Resource {
  constructor(options: ResourceOptions)
  /** The address of its metadata, which challenges name. */
  readonly metadataUrl: string
  /** The path of that address. */
  readonly metadataPath: string
  /** Whether its metadata is served at that path, escaped as in the request: its own, or METADATA_PATH alone. */
  describes(target: string): boolean
  /** Answers a request for its metadata, which is for everybody. */
  response(method: string | undefined): { status: number; headers: Record<string, string>; body: string }
}

/** Where a host tells of its protected resources: behind it comes the resource's own path. */
export const METADATA_PATH: string

/** Finds the token in a request; undefined: it carries none. */
export type TokenSearchIn<R> = (request: R) => string | symbol | undefined

/**
 * What all guards take, whatever shape their requests have. A guard throws a TypeError or a RangeError when it is made, for
 * what it does not know, for a wrong type, and for undefined, which only client can be.
 */
export interface Rules<R> extends RequirementOptions {
  /** Asks the daemon: a Client, or in a test a FakeClient. Default: one client that all guards without one share. */
  client?: Asker | undefined
  /** Options that go with every lookup. */
  lookup?: ProfileOptions
  /** Ask for the user's profile too. */
  profile?: boolean
  /**
   * Where a request may carry its token besides the headers x-stack-access-token, Authorization and the SDK's others, which
   * always count. About cookies read first what Place says of forged requests.
   */
  places?: readonly Place[]
  /** Finds the token in place of all that. */
  token?: TokenSearchIn<R>
  /** Let a request without any token through. One with a bad token is answered all the same. */
  optional?: boolean
  /** Whether the user, who meets the requirements, may have what the request asks for; anything but true is a 403. */
  allow?: ((request: R, answer: Accepted) => boolean | Promise<boolean>)
  /** Named in challenges. */
  realm?: string
  /**
   * The protected resource behind the guard. Challenges name the address of its metadata, and the guard serves that where it
   * sees requests for it; where it does not, use metadata().
   */
  resource?: Resource
  /**
   * Told of each answer that makes a 503, such as that the daemon cannot be reached. Without it a process warning with the
   * code NEONAUTHD_UNKNOWN names the socket and the cause, the first time at once and then at most once a minute.
   */
  onUnknown?: ((request: R, answer: Unknown) => void)
}

/** Whether a request asks on behalf of a browser's CORS check, which carries no token, and for no other protocol. */
export function preflight(method: string | undefined, values: HeaderValues): boolean

/** The most different tokens that one request's SDK cookies may hold. */
export const MAX_COOKIE_TOKENS: number
/** The most characters of a header's or cookie's name. */
export const MAX_PLACE_NAME: number
/** What a 503 advises when the daemon does not. */
export const DEFAULT_RETRY_AFTER: number
/** The most that a 503 advises. */
export const MAX_RETRY_AFTER: number
