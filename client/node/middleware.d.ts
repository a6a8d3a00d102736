import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

import type { Refusal, Resource, Rules, TokenSearchIn } from './httpauth.js'
import type { Accepted, Answer, User } from './index.js'

export type TokenSearch = TokenSearchIn<IncomingMessage>

export interface GuardOptions extends Rules<IncomingMessage> {
  /**
   * Writes the body of a refusal. The status, WWW-Authenticate, Retry-After and Cache-Control are
   * set already. answer is undefined for a request that was refused without asking the daemon.
   * Upgrades do not use refuse. Default: the text of the status, as text/plain.
   */
  refuse?: ((req: IncomingMessage, res: ServerResponse, status: number, answer: Answer | undefined, refusal: Refusal) => void)
}

export interface Guard {
  (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void): Promise<void>
  /** Puts a node:http handler behind the guard. */
  wrap(handler: (req: IncomingMessage, res: ServerResponse) => void): (req: IncomingMessage, res: ServerResponse) => Promise<void>
  /**
   * Puts a listener of a server's event "upgrade" behind the guard, for example one that opens
   * WebSockets. If a server has such a listener, Node passes upgrades to it alone: without this
   * wrapper no guard checks them.
   */
  upgrade(
    handler: (req: IncomingMessage, socket: Duplex, head: Buffer) => void,
  ): (req: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>
}

/**
 * Returns a middleware (req, res, next) that lets requests with an accepted token through. All
 * other requests are refused:
 *
 * - 401 with the challenge of RFC 6750: no token, or a bad one
 * - 403: the user is verified, but not allowed
 * - 400: two different tokens, or one that cannot be read
 * - 503 with Retry-After: nothing was learnt about the token. It is never 401, which would log the
 * user out.
 *
 * A CORS preflight carries no token. It goes through, without a user. Put the middleware that adds
 * CORS headers before the guard: a browser shows a 401 without CORS headers to the page as a
 * network error.
 *
 * @example
 * app.use('/account', guard())
 * app.get('/account', (req, res) => res.send(`Hello ${userOf(req).id}`))
 */
export function guard(options?: GuardOptions): Guard

/**
 * Returns a middleware that serves the metadata of a resource. It passes every other request to
 * next.
 */
export function metadata(resource: Resource): (req: IncomingMessage, res: ServerResponse, next: () => void) => void

/** Returns the daemon's answer for a request that was let through. Undefined outside a guard, for a CORS preflight, and for a request without a token. */
export function from(req: IncomingMessage): Accepted | undefined

/** Returns the user of a request that was let through. Throws a TypeError where `from` returns undefined, because there is no user. */
export function userOf(req: IncomingMessage): User

/** Searches only the Authorization header. Use it as the option token. */
export const bearer: TokenSearch

/** Returns a search in the cookie with this name, and in no other place. Use it as the option token. Read about request forgery at Place. */
export function cookie(name: string): TokenSearch

export const DEFAULT_RETRY_AFTER: number
