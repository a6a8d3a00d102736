'use strict'

const { Accepted, Rejected, Unknown, awaited } = require('./answer.js')
const { checkLookup } = require('./client.js')
const { ReplyError, UnreachableError } = require('./errors.js')
const { KINDS, Requirements } = require('./requirements.js')
const { askable } = require('./words.js')

const AGE = 3000 // milliseconds
const TTL = 60_000
const EXPIRES = 4102444800 // seconds: in the year 2100

// A client for tests, without a daemon. It gives the answers that the test has
// set, and records its calls. For a token without an answer it resolves to
// Unknown. It rejects the options that a Client rejects.
class FakeClient {
  #said = new Map()
  #asked = []

  // accept makes the token belong to this user. A text with a letter that no signed
  // token has is a session credential: it has no claims, and verify cannot judge it.
  accept(token, user, { claims = {}, profile = {} } = {}) {
    const team = user?.kind === 'team'
    if (team && (user.id || !user.teamId)) throw new TypeError('neonauthd: a team has a teamId and no id')
    if (!team && (typeof user?.id !== 'string' || user.id === '')) throw new TypeError('neonauthd: a user has an id')
    for (const name of Object.keys(user)) {
      if (!USER.includes(name)) throw new TypeError(`neonauthd: a user has no "${name}"`)
    }
    new Requirements({ scopes: user.scopes ?? [] }) // throws if a scope is not valid
    if (![...KINDS, ''].includes(user.kind ?? 'normal')) throw new TypeError('neonauthd: kind is none of "normal", "restricted", "anonymous", "machine" and "team"')
    const session = /[~+/=%]/.test(token)
    if (session && (user.teamId || user.sessionId || user.scopes?.length || !['normal', 'anonymous', ''].includes(user.kind ?? 'normal'))) {
      throw new TypeError('neonauthd: the user of a session credential has neither team, session nor scopes, and is a normal or an anonymous one')
    }
    const json = JSON.stringify({ ...claimsOf(user), ...claims })
    const principal = user.kind === 'machine' || user.kind === 'team' ? user.kind : 'user'
    const fields = { project: 'main', subject: subjectOf(user), principal, age: AGE, ttl: TTL, expires: new Date(EXPIRES * 1000), source: 'cache' }
    this.#say(token, {
      VERIFY: session ? new Unknown(new ReplyError('needs-profile', 0, '')) : new Accepted({ ...fields, level: 'claims', json }),
      PROFILE: new Accepted({
        ...fields,
        level: 'profile',
        json: JSON.stringify({ ...(session ? sessionProfileOf(user) : profileOf(user)), ...profile }),
        payload: session ? undefined : Buffer.from(json),
      }),
    })
  }

  // reject makes the token a bad one.
  reject(token, reason = 'bad-signature') {
    needWord('reason', reason, REASONS)
    const answer = new Rejected(reason)
    this.#say(token, { VERIFY: answer, PROFILE: answer })
  }

  // unknown makes the answer about the token unknown, as in an outage.
  unknown(token, code = 'unavailable', retryAfter = 0) {
    needWord('code', code, CODES)
    const answer = new Unknown(new ReplyError(code, retryAfter, ''))
    this.#say(token, { VERIFY: answer, PROFILE: answer })
  }

  // All calls so far, in order: { method, token, options }.
  get asked() {
    return [...this.#asked]
  }

  verify(token, options = {}) {
    return awaited(this.#answer('VERIFY', { method: 'verify', token, options }))
  }

  profile(token, options = {}) {
    return awaited(this.#answer('PROFILE', { method: 'profile', token, options }))
  }

  #say(token, answers) {
    if (!askable(token)) {
      throw new TypeError('neonauthd: that is no token, and would be rejected as malformed: take 1 to 8192 of A-Z a-z 0-9 - _ ., for an opaque credential also of ~ + / = %')
    }
    this.#said.set(token, answers)
  }

  async #answer(verb, question) {
    if (typeof question.token !== 'string') throw new TypeError('neonauthd: token is not a string')
    checkLookup(verb, question.options)
    this.#asked.push(Object.freeze(question))
    if (!askable(question.token)) return new Rejected('malformed')
    return this.#said.get(question.token)?.[verb] ?? new Unknown(new UnreachableError('the test says nothing about this token: call accept, reject or unknown with it'))
  }
}

// The words of the protocol. A newer daemon may send others, so only tests are
// held to the list: a misspelt word would test what no daemon says.
const REASONS = [
  'malformed', 'wrong-type', 'bad-signature', 'unknown-key', 'expired', 'not-yet-valid', 'wrong-issuer', 'wrong-audience', 'wrong-algorithm',
  'missing-claim', 'sender-constrained', 'class-not-allowed', 'insufficient-scope', 'user-not-found', 'revoked', 'rejected-upstream',
]
const CODES = [
  'bad-request', 'unknown-verb', 'unknown-project', 'line-too-long', 'forbidden', 'needs-profile', 'unavailable', 'misconfigured', 'busy',
  'deadline', 'keys-pending',
]

// The error does not repeat the word, which may be a token.
function needWord(what, word, list) {
  if (!list.includes(word)) throw new TypeError(`neonauthd: the ${what} is no word of the protocol: take one of ${list.join(', ')}`)
}

const USER = ['id', 'email', 'emailVerified', 'name', 'imageUrl', 'teamId', 'sessionId', 'kind', 'scopes']

// The id that the daemon would send for the user.
const subjectOf = (user) => (user.kind === 'team' ? user.teamId : user.id)

// The user as claims of Stack Auth. Those have no picture, so the picture has
// the claim of other issuers.
const claimsOf = (user) => ({
  sub: subjectOf(user),
  email: user.email || null,
  email_verified: user.emailVerified ?? null,
  name: user.name || null,
  picture: user.imageUrl || null,
  selected_team_id: user.teamId || null,
  refresh_token_id: user.sessionId || null,
  scope: user.scopes?.join(' ') || null,
  ...kindOf(user),
  exp: EXPIRES,
})

// The user as a profile of Stack Auth.
const profileOf = (user) => ({
  id: subjectOf(user),
  primary_email: user.email || null,
  primary_email_verified: user.emailVerified ?? null,
  display_name: user.name || null,
  profile_image_url: user.imageUrl || null,
  selected_team_id: user.teamId || null,
  ...kindOf(user),
})

// The user as a profile of Better Auth, which is what a session credential has.
const sessionProfileOf = (user) => ({
  id: user.id,
  email: user.email || null,
  emailVerified: user.emailVerified ?? null,
  name: user.name || null,
  image: user.imageUrl || null,
  isAnonymous: kindOf(user).is_anonymous,
})

// Flags that are neither true nor false leave a kind unknown.
const kindOf = ({ kind = 'normal' }) =>
  kind === '' ? { is_anonymous: 0, is_restricted: 0 } : { is_anonymous: kind === 'anonymous', is_restricted: kind === 'restricted' || kind === 'anonymous' }

module.exports = { FakeClient }
