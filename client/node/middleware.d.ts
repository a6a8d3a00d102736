import type { IncomingMessage, ServerResponse } from 'node:http'

import type { Place } from './httpauth.js'
import type { Accepted, Answer, Client, ProfileOptions } from './index.js'

/** Finds the token in a request; undefined: it carries none. */
export type TokenSearch = (req: IncomingMessage) => string | symbol | undefined

export interface GuardOptions {
  /** Asks the daemon. Default: the one client that all guards without one share. */
  client?: Client
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
  token?: TokenSearch
  /** Let a request without any token through. One with a bad token is answered all the same. */
  optional?: boolean
  /** Whether the user may have what the request asks for; anything but true is a 403. */
  allow?: (req: IncomingMessage, answer: Accepted) => boolean | Promise<boolean>
  /** Named in challenges. */
  realm?: string
  /**
   * Writes the answer's status and body; WWW-Authenticate, Retry-After and Cache-Control are set already. There is no answer
   * when the request was refused without asking the daemon.
   */
  refuse?: (req: IncomingMessage, res: ServerResponse, status: number, answer: Answer | undefined) => void
}

export interface Guard {
  (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void): Promise<void>
  /** Puts a node:http handler behind the guard. */
  wrap(handler: (req: IncomingMessage, res: ServerResponse) => void): (req: IncomingMessage, res: ServerResponse) => Promise<void>
}

/**
 * A middleware (req, res, next) that lets requests with an accepted token through. A bad token gets 401 with the
 * challenge of RFC 6750, two different ones 400, a user who may not come in 403, and a request about whose token nothing
 * could be learnt 503 with Retry-After: never 401, which would log the user out.
 *
 * A CORS preflight carries no token. It goes through, without a user. What adds CORS headers has to stand before the guard:
 * a browser shows a 401 without them to its page as a network error.
 */
export function guard(options?: GuardOptions): Guard

/** The answer under which a request was let through; undefined outside a guard, for a preflight, and without a token. */
export function from(req: IncomingMessage): Accepted | undefined

/** Finds the token in the Authorization header and in no other place. */
export const bearer: TokenSearch

/** Finds the token in the cookie of that name and in no other place. About forged requests read Place. */
export function cookie(name: string): TokenSearch

export const DEFAULT_RETRY_AFTER: number
