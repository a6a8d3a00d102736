/** A middleware for Hono. */

import type { Refusal, Resource, Rules, TokenSearchIn } from './httpauth.js'
import type { Accepted, Answer, User } from './index.js'

/** What the guard needs of Hono's context. */
export interface ContextLike {
  readonly req: { readonly raw: Request }
}

/** What the guard sets in the context: `new Hono<{ Variables: Variables }>()`, and then `c.get('user')`. */
export interface Variables {
  /** Undefined for a CORS preflight, and in an optional guard for a request without a token; userOf throws there. */
  user: User | undefined
}

export type TokenSearch<C extends ContextLike = ContextLike> = TokenSearchIn<C>

export interface GuardOptions<C extends ContextLike = ContextLike> extends Rules<C> {
  /**
   * Makes the response to a request that does not get through. Its status is the refusal's, and WWW-Authenticate, Retry-After
   * and Cache-Control are set in it. There is no answer when the request was refused without asking the daemon.
   */
  refuse?: ((c: C, refusal: Refusal, answer: Answer | undefined) => Response | Promise<Response>)
}

export type Middleware<C extends ContextLike = ContextLike> = (c: C, next: () => Promise<void>) => Promise<Response | void>

/** A guard that answers as the one of neonauthd/middleware does: `app.use(guard())`. What adds CORS headers has to stand before it. */
export function guard<C extends ContextLike = ContextLike>(options?: GuardOptions<C>): Middleware<C>

/** A middleware that serves what a resource tells of itself, and hands everything else on. */
export function metadata(resource: Resource): Middleware

/** The answer under which a request was let through; undefined outside a guard, for a preflight, and without a token. */
export function from(c: ContextLike): Accepted | undefined

/** The user of a request that was let through. It throws a TypeError where `from` is undefined, since nobody is asking there. */
export function userOf(c: ContextLike): User

/** Finds the token in the Authorization header and in no other place. */
export const bearer: TokenSearch

/** Finds the token in the cookie of that name and in no other place. About forged requests read Place. */
export function cookie(name: string): TokenSearch
