/**
 * How a token travels in HTTP: where a request may carry the token, which status an answer of the
 * daemon becomes, and which headers a refusal has. The guards use this module, and a guard of your
 * own can use it too. Durations are milliseconds.
 */

import type { IncomingMessage } from 'node:http'

import type { Accepted, Answer, Asker, Code, ProfileOptions, Reason, Unknown, User } from './index.js'

/**
 * Where a request may carry its token.
 *
 * - `sdk-header`: x-stack-access-token, x-hexclave-access-token, x-stack-auth
 * - `authorization`: the scheme Bearer, with a token or the SDK's envelope
 * - `sdk-cookie`: the SDK's cookies hexclave-access and stack-access
 * - `session-cookie`: __Secure-neon-auth.session_token; it counts only where the profile is asked
 * for
 * - `header:NAME`, `cookie:NAME`: a header or cookie of the application
 *
 * Take a token from a cookie only if you need to, and protect the application against cross-site
 * request forgery (CSRF) then: a browser sends cookies also with requests that a page of another
 * site makes. In every request that changes something, check the header Origin or a token of your
 * own.
 */
export type Place = 'sdk-header' | 'authorization' | 'sdk-cookie' | 'session-cookie' | `header:${string}` | `cookie:${string}`

/**
 * The places that are safe against request forgery: `sdk-header` and `authorization`. No browser
 * sends these headers by itself.
 */
export const HEADERS: readonly Place[]

/** Returns all values of a header, by its name in lower case. */
export type HeaderValues = (name: string) => readonly string[]

/** Returns the header values of a request of node:http or node:http2, repeated headers included. */
export function valuesOf(req: Pick<IncomingMessage, 'rawHeaders'>): HeaderValues

/**
 * Looks for the token of a request in a list of places, whose order does not matter. The
 * constructor throws a TypeError that names a place which is not valid.
 */
export class Search {
  constructor(places?: readonly Place[])
  /**
   * The value of the response header Vary for content that depends on the token: the headers that
   * the search reads.
   */
  readonly vary: string
  /**
   * Looks for the token. Set profile if you will ask for the profile: a session cookie counts only
   * then.
   */
  find(values: HeaderValues, profile?: boolean): Found
}

/**
 * Why a request is invalid by itself, before the daemon is asked. `two-tokens`: it carries two
 * different tokens, a list of tokens, or Bearer beside another scheme. `unreadable-token`: the
 * token cannot be read.
 */
export type Fault = 'two-tokens' | 'unreadable-token'

/** The result of a search. */
export class Found {
  constructor(tokens: readonly string[], fault?: Fault | '')
  /**
   * One token or none. Only cookies of an SDK can give several, because a browser keeps one cookie
   * for each domain and path. ask() then asks about them in this order, and the first accepted
   * token counts.
   */
  readonly tokens: readonly string[]
  /** Why the request is invalid. Empty: it is not. */
  readonly fault: Fault | ''
  /**
   * Returns the refusal of a request that can be refused without asking the daemon. Undefined:
   * there is a token to ask about.
   */
  refusal(): Refusal | undefined
  /**
   * Calls ask with each token in turn until the answer is not a rejection. Resolves to the answer
   * that counts and its token; to an empty object if there is no token.
   */
  ask(ask: (token: string) => Promise<Answer> | Answer): Promise<{ answer?: Answer; token?: string }>
}

/** The response to a request that is refused. */
export class Refusal {
  constructor(status: 400 | 401 | 403 | 503, error: string, reason: string, retryAfter?: number, scope?: string)
  /**
   * The HTTP status. If nothing was learnt about the token, it is never 401, which would log the
   * user out.
   */
  readonly status: 400 | 401 | 403 | 503
  /** The error code of RFC 6750, section 3.1. Empty: the response has none. */
  readonly error: string
  /** One word for people and for counters. Empty: the reason is not known. */
  readonly reason: Reason | Code | Fault | 'no-token' | 'email-not-verified' | 'wrong-team' | ''
  /**
   * With 503: when the request may be repeated, a whole number of seconds in milliseconds;
   * otherwise 0.
   */
  readonly retryAfter: number
  /**
   * The scopes that the request needs, separated by blanks. Empty: the response does not name them.
   */
  readonly scope: string
  /**
   * Returns the headers of the refusal: Cache-Control, and Retry-After with 503 or else
   * WWW-Authenticate. resourceMetadata is the address of the protected resource's metadata (RFC
   * 9728), which names the issuers of its tokens.
   */
  headers(realm?: string, resourceMetadata?: string): Record<string, string>
}

/** Returns the refusal for the daemon's answer. Undefined: the token is accepted. */
export function refusalOf(answer: Accepted): undefined
export function refusalOf(answer: Answer | undefined): Refusal | undefined

/** Returns the refusal (401) for a token that the daemon has rejected. */
export const invalidToken: (reason: string) => Refusal
/** Returns the refusal (403) for a verified user who must not have what the request asks for. */
export const denied: (reason?: string, scope?: string) => Refusal
/**
 * Returns the refusal (503) for a request about whose token nothing was learnt. after: milliseconds
 * until asking again makes sense.
 */
export function unavailable(reason?: string, after?: number): Refusal

/**
 * The conditions that a verified user must meet. Default: a normal user, and nothing else. An
 * option that is undefined throws a TypeError. So a requirement from a variable that is not set
 * does not silently become no requirement.
 */
export interface RequirementOptions {
  /**
   * Requires an email address that is known to be verified. The claims of some issuers do not say
   * so; a profile does.
   */
  emailVerified?: boolean
  /**
   * Requires that the user's selected team, or active organization, has this id. An API key of a
   * team must belong to the team with this id.
   */
  team?: string
  /**
   * The kinds of users that are admitted. Default: `['normal']`. The daemon's project must admit
   * the other kinds too. A user whose kind is not known is admitted if all three kinds of users
   * (normal, restricted, anonymous) are.
   */
  kinds?: readonly ('normal' | 'restricted' | 'anonymous' | 'machine' | 'team')[]
  /** The scopes that the token must have, all of them, compared as whole words. */
  scopes?: readonly string[]
}

/**
 * Checks the requirements in a guard of your own. The constructor throws a TypeError for an option
 * that is not valid.
 */
export class Requirements {
  constructor(options?: RequirementOptions)
  /**
   * Returns the reason, for denied(), why a verified user does not meet the requirements. Empty:
   * the user meets all of them.
   */
  unmet(user: User): 'class-not-allowed' | 'email-not-verified' | 'wrong-team' | 'insufficient-scope' | ''
  /**
   * Returns the refusal of a verified user who does not meet a requirement. Undefined: the user
   * meets all of them.
   */
  refusal(user: User): Refusal | undefined
}

/** The description of a protected resource (RFC 9728). */
export interface ResourceOptions {
  /**
   * The address of the resource and the audience of its tokens, such as
   * https://mcp.example.com/mcp.
   */
  resource: string
  /** The issuers of its tokens, 1 to 8. */
  authorizationServers: readonly string[]
  /** The scopes that its clients may ask for, at most 64. */
  scopes?: readonly string[] | undefined
  /** The name of the resource for people, at most 128 characters. */
  name?: string | undefined
}

/**
 * A protected resource (RFC 9728), which serves its metadata. The constructor throws a TypeError
 * that says what is wrong.
 */
export class Resource {
  constructor(options: ResourceOptions)
  /** The address of the metadata, which challenges name. */
  readonly metadataUrl: string
  /** The path of metadataUrl. */
  readonly metadataPath: string
  /**
   * Whether the metadata is served at this path: metadataPath or METADATA_PATH, with or without a
   * slash at the end. The path is escaped as in the request.
   */
  describes(target: string): boolean
  /** Returns the response to a request for the metadata, which is public. */
  response(method: string | undefined): { status: number; headers: Record<string, string>; body: string }
}

/** The path of a host's metadata about protected resources. The path of the resource follows it. */
export const METADATA_PATH: string

/** Finds the token in a request. Undefined: the request carries none. */
export type TokenSearchIn<R> = (request: R) => string | symbol | undefined

/**
 * The options of all guards. A guard is checked when it is made: it throws a TypeError or a
 * RangeError for an option that does not exist, for a value of a wrong type, and for undefined
 * (which only client may be).
 */
export interface Rules<R> extends RequirementOptions {
  /**
   * Asks the daemon: a Client, or in a test a FakeClient. Default: one client that all guards
   * without a client share.
   */
  client?: Asker | undefined
  /** Options of every lookup. */
  lookup?: ProfileOptions
  /** Asks for the user's profile, with client.profile instead of client.verify. Default: false. */
  profile?: boolean
  /**
   * The places where a request may carry its token, in addition to the headers (HEADERS), which
   * always count. Before you name a cookie, read about request forgery at Place.
   */
  places?: readonly Place[]
  /** Finds the token in a request, instead of the search in the headers and places. */
  token?: TokenSearchIn<R>
  /**
   * Lets a request without a token through, without a user. A request with a bad token is refused
   * all the same. Default: false.
   */
  optional?: boolean
  /**
   * Decides whether a user who meets the requirements may have what the request asks for. Every
   * result but true is a 403. Default: every such user may.
   */
  allow?: ((request: R, answer: Accepted) => boolean | Promise<boolean>)
  /** The realm of the challenges. Default: none. */
  realm?: string
  /**
   * The protected resource that the guard protects. Challenges then name the address of its
   * metadata. The guard serves the metadata if it receives the requests for it; if it does not, use
   * metadata().
   */
  resource?: Resource
  /**
   * Called for each answer that makes a 503, for example because the daemon cannot be reached.
   * Default: a process warning with the code NEONAUTHD_UNKNOWN that names the socket and the cause,
   * the first time at once and then at most once a minute.
   */
  onUnknown?: ((request: R, answer: Unknown) => void)
}

/**
 * Whether a request is a CORS preflight, which carries no token. A request for an upgrade to
 * another protocol is not one.
 */
export function preflight(method: string | undefined, values: HeaderValues): boolean

/** How many different tokens the SDK's cookies of one request may hold. */
export const MAX_COOKIE_TOKENS: number
/** The greatest length of the name of a header or cookie, in characters. */
export const MAX_PLACE_NAME: number
/** The Retry-After of a 503 when the daemon advises none, in milliseconds. */
export const DEFAULT_RETRY_AFTER: number
/** The greatest Retry-After of a 503, in milliseconds. */
export const MAX_RETRY_AFTER: number
