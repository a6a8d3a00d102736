/** Guards for what takes a Request and returns a Response: Next.js route handlers, SvelteKit, Remix. For Hono there is neonauthd/hono. */

import type { HeaderValues, Refusal, Resource, Rules, TokenSearchIn } from './httpauth.js'
import type { Accepted, Answer, User } from './index.js'

export type TokenSearch = TokenSearchIn<Request>

export interface GuardOptions extends Rules<Request> {
  /**
   * Makes the response to a request that does not get through. Its status is the refusal's, and WWW-Authenticate, Retry-After
   * and Cache-Control are set in it. There is no answer when the request was refused without asking the daemon.
   */
  refuse?: ((request: Request, refusal: Refusal, answer: Answer | undefined) => Response | Promise<Response>)
}

export interface Guard {
  /** Resolves to the response with which a request is refused; undefined: it may come in. */
  (request: Request): Promise<Response | undefined>
  /** Puts a handler behind the guard; what it takes besides the request is handed on. */
  wrap<R extends Request, A extends unknown[]>(
    handler: (request: R, ...rest: A) => Response | Promise<Response>,
  ): (request: R, ...rest: A) => Promise<Response>
}

/** A guard that answers as the one of neonauthd/middleware does. What adds CORS headers has to stand before it. */
export function guard(options?: GuardOptions): Guard

/** Returns the response to a request for what a resource tells of itself; undefined: it is for something else. */
export function metadata(resource: Resource): (request: Request) => Response | undefined

/** The answer under which a request was let through; undefined outside a guard, for a preflight, and without a token. */
export function from(request: Request): Accepted | undefined

/** The user of a request that was let through. It throws a TypeError where `from` is undefined, since nobody is asking there. */
export function userOf(request: Request): User

/** Finds the token in the Authorization header and in no other place. */
export const bearer: TokenSearch

/** Finds the token in the cookie of that name and in no other place. About forged requests read Place. */
export function cookie(name: string): TokenSearch

/** For a search of one's own. A Request shows repeated headers joined. */
export function valuesOf(request: Request): HeaderValues
