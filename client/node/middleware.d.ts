import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

import type { Refusal, Resource, Rules, TokenSearchIn } from './httpauth.js'
import type { Accepted, Answer, User } from './index.js'

export type TokenSearch = TokenSearchIn<IncomingMessage>

export interface GuardOptions extends Rules<IncomingMessage> {
  /**
   * Writes the answer's status and body; WWW-Authenticate, Retry-After and Cache-Control are set already. There is no answer
   * when the request was refused without asking the daemon. Upgrades are refused without it.
   */
  refuse?: ((req: IncomingMessage, res: ServerResponse, status: number, answer: Answer | undefined, refusal: Refusal) => void)
}

export interface Guard {
  (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void): Promise<void>
  /** Puts a node:http handler behind the guard. */
  wrap(handler: (req: IncomingMessage, res: ServerResponse) => void): (req: IncomingMessage, res: ServerResponse) => Promise<void>
  /**
   * Puts a listener of a server's event "upgrade" behind the guard, such as one that opens WebSockets. Node tells nobody else
   * of an upgrade when there is such a listener: without this, no guard is asked.
   */
  upgrade(
    handler: (req: IncomingMessage, socket: Duplex, head: Buffer) => void,
  ): (req: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>
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

/** A middleware that serves what a resource tells of itself, and hands everything else on. */
export function metadata(resource: Resource): (req: IncomingMessage, res: ServerResponse, next: () => void) => void

/** The answer under which a request was let through; undefined outside a guard, for a preflight, and without a token. */
export function from(req: IncomingMessage): Accepted | undefined

/** The user of a request that was let through. It throws a TypeError where `from` is undefined, since nobody is asking there. */
export function userOf(req: IncomingMessage): User

/** Finds the token in the Authorization header and in no other place. */
export const bearer: TokenSearch

/** Finds the token in the cookie of that name and in no other place. About forged requests read Place. */
export function cookie(name: string): TokenSearch

export const DEFAULT_RETRY_AFTER: number
