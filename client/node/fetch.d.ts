/**
 * Guards for handlers that take a Request and return a Response: Next.js route handlers, SvelteKit,
 * Remix. For Hono use neonauthd/hono.
 */

import type { HeaderValues, Refusal, Resource, Rules, TokenSearchIn } from './httpauth.js'
import type { Accepted, Answer, User } from './index.js'

export type TokenSearch = TokenSearchIn<Request>

export interface GuardOptions extends Rules<Request> {
  /**
   * Makes the response to a request that is refused. The guard then sets its status and the headers
   * WWW-Authenticate, Retry-After and Cache-Control. answer is undefined for a request that was
   * refused without asking the daemon. Default: the text of the status, as text/plain.
   */
  refuse?: ((request: Request, refusal: Refusal, answer: Answer | undefined) => Response | Promise<Response>)
}

export interface Guard {
  /**
   * Resolves to the response that refuses the request, which the caller has to return: only then is
   * the request refused. Undefined: the request may go through. wrap returns it by itself.
   */
  (request: Request): Promise<Response | undefined>
  /** Puts a handler behind the guard. Further arguments are passed on to the handler. */
  wrap<R extends Request, A extends unknown[]>(
    handler: (request: R, ...rest: A) => Response | Promise<Response>,
  ): (request: R, ...rest: A) => Promise<Response>
}

/**
 * Returns a guard with the statuses of the guard of neonauthd/middleware. Put the code that adds
 * CORS headers around it.
 *
 * @example
 * const protect = guard()
 * export const GET = protect.wrap((request) => new Response(`Hello ${userOf(request).id}`))
 */
export function guard(options?: GuardOptions): Guard

/**
 * Returns a function that serves the metadata of a resource. The function returns undefined for
 * every other request.
 */
export function metadata(resource: Resource): (request: Request) => Response | undefined

/** Returns the daemon's answer for a request that was let through. Undefined outside a guard, for a CORS preflight, and for a request without a token. */
export function from(request: Request): Accepted | undefined

/** Returns the user of a request that was let through. Throws a TypeError where `from` returns undefined, because there is no user. */
export function userOf(request: Request): User

/** Searches only the Authorization header. Use it as the option token. */
export const bearer: TokenSearch

/** Returns a search in the cookie with this name, and in no other place. Use it as the option token. Read about request forgery at Place. */
export function cookie(name: string): TokenSearch

/**
 * Returns the header values of a request, for a search of your own. A Request joins repeated
 * headers into one value.
 */
export function valuesOf(request: Request): HeaderValues
