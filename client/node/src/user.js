'use strict'

// Who an accepted token belongs to, in the same words whatever preset and level
// it comes from. The definition is User in client/user.go of the Go module;
// every language plays the cases in client/testdata/user.

const ODD = Symbol('neither true nor false')

// userOf reads the user of an answer. object is the claims or the profile of the answer, token the claims of its token;
// undefined: it has none. A profile has no session, no scopes and, where members are withheld from it, no class of user.
function userOf({ subject, principal }, object, token) {
  // An opaque access token has no claims but what its introspection says.
  const claims = token ?? (flag(object.active) === true && text(object.client_id) !== '' ? object : {})
  // The flag of one address says nothing about another one.
  const primary = 'primary_email' in object || 'primary_email_verified' in object
  const flags = primary ? [object.primary_email_verified] : [object.email_verified, object.emailVerified]
  return Object.freeze({
    id: subject,
    email: text(primary ? object.primary_email : object.email),
    emailVerified: flags.map(flag).find((one) => one === true || one === false) ?? null,
    name: first(object.display_name, object.name),
    imageUrl: first(object.profile_image_url, object.image, object.picture),
    teamId: first(object.selected_team_id, object.selected_team?.id, object.o?.id),
    sessionId: first(claims.refresh_token_id, claims.refreshTokenId, claims.sid),
    kind: isUser(principal) ? classOf(object, claims) : kindOfOther(principal),
    scopes: Object.freeze(text(claims.scope).split(' ').filter(Boolean)),
  })
}

// An older daemon does not say who it is, and knows users only.
const isUser = (principal) => principal === '' || principal === 'user'

// No client lets another principal through; a user of one has no kind.
const kindOfOther = (principal) => (principal === 'machine' || principal === 'team' ? principal : '')

// classOf goes by the flags: what the object says is newer than what the token
// says, and the audience tells where neither does. A flag that cannot be read
// leaves the kind unknown, unless another one settles it.
function classOf(object, claims) {
  const known = (...values) => values.map(flag).find((one) => one !== undefined)
  const anonymous = known(object.is_anonymous, object.isAnonymous, claims.is_anonymous, claims.isAnonymous) ?? text(claims.aud).endsWith(':anon')
  const restricted = known(object.is_restricted, claims.is_restricted) ?? text(claims.aud).endsWith(':restricted')
  if (anonymous === true) return 'anonymous'
  if (anonymous === ODD || restricted === ODD) return ''
  return restricted ? 'restricted' : 'normal'
}

// flag reads true and false, and the words for them in quotes, which some
// issuers send; undefined: there is none.
function flag(value) {
  if (value === true || value === 'true') return true
  if (value === false || value === 'false') return false
  return value === undefined || value === null ? undefined : ODD
}

// text is a string with every half of a surrogate pair replaced, as other
// languages have to do.
const text = (value) => (typeof value === 'string' ? value.toWellFormed() : '')

const first = (...values) => values.map(text).find((one) => one !== '') ?? ''

// payloadOf is the claims part of a token, which the daemon has verified;
// undefined for a session credential, which has none. It is a copy: a part of
// the string would keep the whole token alive.
function payloadOf(token) {
  const parts = token.split('.')
  return parts.length === 3 ? Buffer.from(parts[1], 'base64url') : undefined
}

// claimsIn parses a payload; undefined: there is nothing.
function claimsIn(payload) {
  try {
    return payload && objectIn(payload.toString())
  } catch {
    return undefined
  }
}

// objectIn parses an object; undefined: it is none.
function objectIn(json) {
  const value = JSON.parse(json)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
}

module.exports = { userOf, payloadOf, claimsIn, objectIn }
