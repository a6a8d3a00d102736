/** For tests of what stands behind neonauthd, without a daemon. */

import type { Answer, Asker, Code, ProfileOptions, Reason, User, VerifyOptions } from './index.js'

/** A user of whom the test says what it needs. Without a kind it is a normal one. */
export interface FakeUser extends Partial<User> {
  readonly id: string
}

/** One question that a FakeClient was asked. */
export interface Asked {
  readonly method: 'verify' | 'profile'
  readonly token: string
  readonly options: VerifyOptions | ProfileOptions
}

/**
 * A client that answers what the test says, and notes what it is asked. About a token of which the test has said nothing it
 * answers unknown, with an error that says so. A token that no client would ask about is a TypeError.
 */
export class FakeClient implements Asker {
  /**
   * Lets the token be this user's. verify answers with claims, and profile with a profile, as Neon Auth on Stack Auth writes
   * them; `claims` and `profile` are members besides.
   */
  accept(token: string, user: FakeUser, more?: { claims?: Record<string, unknown>; profile?: Record<string, unknown> }): void
  /** Lets there be proof against the token. Default: bad-signature. */
  reject(token: string, reason?: Reason): void
  /** Lets nothing be learnt about the token, as in an outage. Default: unavailable; retryAfter is milliseconds. */
  unknown(token: string, code?: Code, retryAfter?: number): void
  /** What it was asked, in order, malformed tokens included. */
  readonly asked: readonly Asked[]
  verify(token: string, options?: VerifyOptions): Promise<Answer>
  profile(token: string, options?: ProfileOptions): Promise<Answer>
}
