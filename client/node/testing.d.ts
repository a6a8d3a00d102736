/** Tests code that uses neonauthd without a daemon. */

import type { Answer, Asker, Code, ProfileOptions, Reason, User, VerifyOptions } from './index.js'

/**
 * A user of a test. Every member but id is optional; the default kind is normal. A team has an empty
 * id, and a teamId.
 */
export interface FakeUser extends Partial<User> {
  readonly id: string
}

/** One call of verify or profile. */
export interface Asked {
  readonly method: 'verify' | 'profile'
  readonly token: string
  readonly options: VerifyOptions | ProfileOptions
}

/**
 * A client that gives the answers that the test has set, and records its calls. For a token without
 * an answer it resolves to Unknown with an error that says so. verify and profile reject the options
 * that those of a Client reject. accept, reject and unknown throw a TypeError for a text that cannot
 * be a token.
 *
 * @example
 * const client = new FakeClient()
 * client.accept('token-of-ada', { id: 'ada', email: 'ada@example.org' })
 * client.reject('old-token', 'expired')
 * const protect = guard({ client })
 */
export class FakeClient implements Asker {
  /**
   * Makes the token belong to this user. verify then resolves to claims, and profile to a profile,
   * as Neon Auth on Stack Auth writes them. `claims` and `profile` add members to them.
   *
   * A text with one of the characters ~ + / = % is an opaque credential, as those of sessions of
   * the newer Neon Auth are. profile then resolves to a profile as Better Auth writes it, without
   * claims; verify resolves to Unknown with the code needs-profile, as the daemon does. accept throws a TypeError if the
   * user of such a text has a team, a session or scopes, or is neither normal nor anonymous.
   */
  accept(token: string, user: FakeUser, more?: { claims?: Record<string, unknown>; profile?: Record<string, unknown> }): void
  /** Makes the token a bad one. Default reason: bad-signature. Throws a TypeError for a word that this protocol does not have. */
  reject(token: string, reason?: Reason): void
  /**
   * Makes the answer about the token unknown, as in an outage. Default code: unavailable.
   * retryAfter is milliseconds. Throws a TypeError for a code that this protocol does not have.
   */
  unknown(token: string, code?: Code, retryAfter?: number): void
  /** All calls so far, in order, those with malformed tokens included. */
  readonly asked: readonly Asked[]
  verify(token: string, options?: VerifyOptions): Promise<Answer>
  profile(token: string, options?: ProfileOptions): Promise<Answer>
}
