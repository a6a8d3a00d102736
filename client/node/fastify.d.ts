/** A guard for Fastify, as a plugin and as a hook. */

import type { IncomingMessage } from 'node:http'

import type { Refusal, Resource, Rules, TokenSearchIn } from './httpauth.js'
import type { Accepted, Answer, User } from './index.js'

/** The part of Fastify's request that the guard uses. */
export interface RequestLike {
  readonly raw: IncomingMessage
  readonly method: string
}

/** The part of Fastify's reply that the guard uses. */
export interface ReplyLike {
  code(status: number): ReplyLike
  headers(headers: Record<string, string>): ReplyLike
  type(contentType: string): ReplyLike
  send(payload?: unknown): ReplyLike
}

/** The part of Fastify's instance that the plugin uses. */
export interface InstanceLike {
  addHook(name: 'onRequest', hook: (request: any, reply: any) => Promise<unknown>): unknown
}

export type TokenSearch = TokenSearchIn<RequestLike>

export interface GuardOptions extends Rules<RequestLike> {
  /**
   * Returns the body of a refusal. The status, WWW-Authenticate, Retry-After and Cache-Control are
   * set already. answer is undefined for a request that was refused without asking the daemon.
   * Default: the text of the status, as text/plain.
   */
  refuse?: ((request: RequestLike, reply: ReplyLike, refusal: Refusal, answer: Answer | undefined) => unknown)
}

/**
 * Puts all routes behind the guard that are registered after it in the same context. Register the
 * plugin that adds CORS headers before it.
 *
 * @example
 * await app.register(plugin, { realm: 'shop' })
 */
export const plugin: (instance: InstanceLike, options: GuardOptions) => Promise<void>

/**
 * Returns a plugin that serves the metadata of a resource; no route is needed: `await
 * app.register(metadata(resource))`.
 */
export function metadata(resource: Resource): (instance: InstanceLike) => Promise<void>

/** Returns the guard as a hook for one route, or for addHook: `{ onRequest: guard(options) }`. */
export function guard(options?: GuardOptions): (request: RequestLike, reply: ReplyLike) => Promise<unknown>

/** Returns the daemon's answer for a request that was let through. Undefined outside a guard, for a CORS preflight, and for a request without a token. */
export function from(request: RequestLike): Accepted | undefined

/** Returns the user of a request that was let through. Throws a TypeError where `from` returns undefined, because there is no user. */
export function userOf(request: RequestLike): User

/** Searches only the Authorization header. Use it as the option token. */
export const bearer: TokenSearch

/** Returns a search in the cookie with this name, and in no other place. Use it as the option token. Read about request forgery at Place. */
export function cookie(name: string): TokenSearch
