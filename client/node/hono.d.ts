/** A middleware for Hono. */

import type { Refusal, Resource, Rules, TokenSearchIn } from './httpauth.js'
import type { Accepted, Answer, User } from './index.js'

/** The part of Hono's context that the guard uses. */
export interface ContextLike {
  readonly req: { readonly raw: Request }
}

/**
 * The variables that the guard sets in the context: write `new Hono<{ Variables: Variables }>()`,
 * and then `c.get('user')`.
 */
export interface Variables {
  /**
   * The user. Undefined for a CORS preflight, and in an optional guard for a request without a
   * token; userOf throws in these cases.
   */
  user: User | undefined
}

export type TokenSearch<C extends ContextLike = ContextLike> = TokenSearchIn<C>

export interface GuardOptions<C extends ContextLike = ContextLike> extends Rules<C> {
  /**
   * Makes the response to a request that is refused. The guard then sets its status and the headers
   * WWW-Authenticate, Retry-After and Cache-Control. answer is undefined for a request that was
   * refused without asking the daemon. Default: the text of the status, as text/plain.
   */
  refuse?: ((c: C, refusal: Refusal, answer: Answer | undefined) => Response | Promise<Response>)
}

export type Middleware<C extends ContextLike = ContextLike> = (c: C, next: () => Promise<void>) => Promise<Response | void>

/**
 * Returns a guard with the statuses of the guard of neonauthd/middleware: `app.use(guard())`. Put
 * the middleware that adds CORS headers before it.
 */
export function guard<C extends ContextLike = ContextLike>(options?: GuardOptions<C>): Middleware<C>

/**
 * Returns a middleware that serves the metadata of a resource. It passes every other request on.
 */
export function metadata(resource: Resource): Middleware

/** Returns the daemon's answer for a request that was let through. Undefined outside a guard, for a CORS preflight, and for a request without a token. */
export function from(c: ContextLike): Accepted | undefined

/** Returns the user of a request that was let through. Throws a TypeError where `from` returns undefined, because there is no user. */
export function userOf(c: ContextLike): User

/** Searches only the Authorization header. Use it as the option token. */
export const bearer: TokenSearch

/** Returns a search in the cookie with this name, and in no other place. Use it as the option token. Read about request forgery at Place. */
export function cookie(name: string): TokenSearch
