'use strict'

// The user that an accepted token belongs to, with the same members for every
// preset and level. The definition is User in client/user.go of the Go module;
// the cases in client/testdata/user test every language.

const ODD = Symbol('neither true nor false')

// userOf returns the user of an answer. object is the claims or the profile of
// the answer; token is the claims of its token, undefined if it has none. A
// profile has no session and no scopes, and has no class of user if members are
// withheld from it.
function userOf({ subject, principal }, object, token) {
  // An opaque access token has no claims but those that its introspection
  // returned.
  const claims = token ?? (flag(object.active) === true && text(object.client_id) !== '' ? object : {})
  // The flag of one address says nothing about another one.
  const primary = 'primary_email' in object || 'primary_email_verified' in object
  const flags = primary ? [object.primary_email_verified] : [object.email_verified, object.emailVerified]
  return Object.freeze({
    // A program that looks up a user by the id must not find one by the id of a team.
    id: isUser(principal) || principal === 'machine' ? subject : '',
    email: text(primary ? object.primary_email : object.email),
    emailVerified: flags.map(flag).find((one) => one === true || one === false) ?? null,
    name: first(object.display_name, object.name),
    imageUrl: first(object.profile_image_url, object.image, object.picture),
    teamId: principal === 'team' ? subject : first(object.selected_team_id, object.selected_team?.id, object.o?.id),
    sessionId: first(claims.refresh_token_id, claims.refreshTokenId, claims.sid),
    kind: isUser(principal) ? classOf(object, claims) : kindOfOther(principal),
    scopes: Object.freeze(text(claims.scope).split(' ').filter(Boolean)),
  })
}

// An older daemon does not send the principal, and knows only users.
const isUser = (principal) => principal === '' || principal === 'user'

// A client does not accept other principals, so this case is only for answers
// made by hand.
const kindOfOther = (principal) => (principal === 'machine' || principal === 'team' ? principal : '')

// classOf decides by the flags. The flags of the object are newer than those of
// the token's claims, so they count first; the audience counts where neither
// has the flag. A flag that cannot be read leaves the kind unknown, unless
// another flag decides it.
function classOf(object, claims) {
  const known = (...values) => values.map(flag).find((one) => one !== undefined)
  const anonymous = known(object.is_anonymous, object.isAnonymous, claims.is_anonymous, claims.isAnonymous) ?? text(claims.aud).endsWith(':anon')
  const restricted = known(object.is_restricted, claims.is_restricted) ?? text(claims.aud).endsWith(':restricted')
  if (anonymous === true) return 'anonymous'
  if (anonymous === ODD || restricted === ODD) return ''
  return restricted ? 'restricted' : 'normal'
}

// flag reads true and false, also in quotes, as some issuers send them;
// undefined: the member is absent.
function flag(value) {
  if (value === true || value === 'true') return true
  if (value === false || value === 'false') return false
  return value === undefined || value === null ? undefined : ODD
}

// text returns a string in which unpaired surrogates are replaced, as other
// languages must do.
const text = (value) => (typeof value === 'string' ? value.toWellFormed() : '')

const first = (...values) => values.map(text).find((one) => one !== '') ?? ''

// payloadOf returns the claims part of a token, decoded. It returns undefined
// unless the token has three parts, like every token whose claims the daemon
// verifies. It is a copy: a substring would keep the whole token in memory.
function payloadOf(token) {
  const parts = token.split('.')
  if (parts.length !== 3) return undefined
  const payload = Buffer.from(parts[1], 'base64url')
  // The decoder skips characters that it does not know, but the payload of a token has none.
  return payload.toString('base64url') === parts[1] ? payload.toString() : undefined
}

// claimsIn parses a payload; undefined: there is none, or it is not an object.
function claimsIn(payload) {
  try {
    return payload && objectIn(payload)
  } catch {
    return undefined
  }
}

// objectIn parses a JSON object; undefined: the text is another JSON value.
function objectIn(json) {
  const value = JSON.parse(json)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
}

module.exports = { userOf, payloadOf, claimsIn, objectIn }
