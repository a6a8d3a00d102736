'use strict'

const { denied } = require('./refusal.js')

const USERS = ['normal', 'restricted', 'anonymous']
const REQUIREMENTS = ['emailVerified', 'team', 'kinds', 'scopes']
const KINDS = [...USERS, 'machine', 'team']

// The conditions that a verified user must meet. Every language has the same
// definition; the cases are in client/testdata/httpauth/requirements.json.
class Requirements {
  #emailVerified
  #team
  #kinds
  #scopes

  // Throws for every option that is not valid: a requirement that is misspelt,
  // or undefined because its variable is not set, must never become no
  // requirement.
  constructor(options = {}) {
    for (const [name, value] of Object.entries(options)) {
      if (!REQUIREMENTS.includes(name)) throw new TypeError(`neonauthd: there is no requirement "${name}"`)
      if (value === undefined || value === null) throw new TypeError(`neonauthd: ${name} is ${value}: leave the requirement out if it is not wanted`)
    }
    const { emailVerified = false, team, kinds = ['normal'], scopes = [] } = options
    if (typeof emailVerified !== 'boolean') throw new TypeError('neonauthd: emailVerified is neither true nor false')
    if (team !== undefined && (typeof team !== 'string' || team === '')) throw new TypeError('neonauthd: team is not the id of a team')
    if (!Array.isArray(kinds) || kinds.length === 0 || !kinds.every((kind) => KINDS.includes(kind))) {
      throw new TypeError('neonauthd: kinds is not a list of "normal", "restricted", "anonymous", "machine" and "team"')
    }
    if (!Array.isArray(scopes) || !scopes.every(validScope)) throw new TypeError('neonauthd: scopes is not a list of words')
    this.#emailVerified = emailVerified
    this.#team = team
    this.#kinds = [...kinds]
    this.#scopes = [...scopes]
  }

  // unmet returns the reason why a verified user does not meet the
  // requirements; '': the user meets all of them.
  unmet(user) {
    if (!this.#admits(user.kind)) return 'class-not-allowed'
    if (this.#emailVerified && (user.email === '' || user.emailVerified !== true)) return 'email-not-verified'
    if (this.#team !== undefined && user.teamId !== this.#team) return 'wrong-team'
    return this.#scopes.every((scope) => user.scopes?.includes(scope)) ? '' : 'insufficient-scope'
  }

  // refusal returns the refusal of a verified user who does not meet a
  // requirement; undefined: the user meets all of them. If scopes are missing,
  // the challenge names the required scopes.
  refusal(user) {
    const reason = this.unmet(user)
    return reason === '' ? undefined : denied(reason, reason === 'insufficient-scope' ? this.#scopes.join(' ') : '')
  }

  // A user whose kind is not known is admitted if all three kinds of users are.
  #admits(kind) {
    return kind === '' ? USERS.every((each) => this.#kinds.includes(each)) : this.#kinds.includes(kind)
  }
}

// validScope tells whether text is one scope (RFC 6749 section 3.3).
const validScope = (text) => typeof text === 'string' && /^[!#-[\]-~]{1,128}$/.test(text)

module.exports = { KINDS, REQUIREMENTS, Requirements, validScope }
