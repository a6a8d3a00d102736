/** A guard for Fastify, as a plugin and as a hook. */

import type { IncomingMessage } from 'node:http'

import type { Refusal, Resource, Rules, TokenSearchIn } from './httpauth.js'
import type { Accepted, Answer, User } from './index.js'

/** What the guard needs of Fastify's request. */
export interface RequestLike {
  readonly raw: IncomingMessage
  readonly method: string
}

/** What the guard needs of Fastify's reply. */
export interface ReplyLike {
  code(status: number): ReplyLike
  headers(headers: Record<string, string>): ReplyLike
  type(contentType: string): ReplyLike
  send(payload?: unknown): ReplyLike
}

/** What the plugin needs of Fastify. */
export interface InstanceLike {
  addHook(name: 'onRequest', hook: (request: any, reply: any) => Promise<unknown>): unknown
}

export type TokenSearch = TokenSearchIn<RequestLike>

export interface GuardOptions extends Rules<RequestLike> {
  /**
   * Returns the body for a request that does not get through; status, WWW-Authenticate, Retry-After and Cache-Control are set
   * already. There is no answer when the request was refused without asking the daemon.
   */
  refuse?: ((request: RequestLike, reply: ReplyLike, refusal: Refusal, answer: Answer | undefined) => unknown)
}

/**
 * Puts everything behind the guard that is registered after it in the same context: `await app.register(plugin, options)`.
 * What adds CORS headers has to be registered before it.
 */
export const plugin: (instance: InstanceLike, options: GuardOptions) => Promise<void>

/** A plugin that serves what a resource tells of itself, whatever routes there are: `await app.register(metadata(resource))`. */
export function metadata(resource: Resource): (instance: InstanceLike) => Promise<void>

/** The same for one route, or for addHook: `{ onRequest: guard(options) }`. */
export function guard(options?: GuardOptions): (request: RequestLike, reply: ReplyLike) => Promise<unknown>

/** The answer under which a request was let through; undefined outside a guard, for a preflight, and without a token. */
export function from(request: RequestLike): Accepted | undefined

/** The user of a request that was let through. It throws a TypeError where `from` is undefined, since nobody is asking there. */
export function userOf(request: RequestLike): User

/** Finds the token in the Authorization header and in no other place. */
export const bearer: TokenSearch

/** Finds the token in the cookie of that name and in no other place. About forged requests read Place. */
export function cookie(name: string): TokenSearch
