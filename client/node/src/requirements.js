'use strict'

const USERS = ['normal', 'restricted', 'anonymous']
const KINDS = [...USERS, 'machine', 'team']

// What a verified user has to be besides. Each language has the same
// definition; client/testdata/httpauth/requirements.json has the cases.
class Requirements {
  #emailVerified
  #team
  #kinds

  // What is not understood is thrown: a misspelt requirement must never become none.
  constructor({ emailVerified = false, team, kinds = ['normal'] } = {}) {
    if (typeof emailVerified !== 'boolean') throw new TypeError('neonauthd: emailVerified is neither true nor false')
    if (team !== undefined && (typeof team !== 'string' || team === '')) throw new TypeError('neonauthd: team is not the id of a team')
    if (!Array.isArray(kinds) || kinds.length === 0 || !kinds.every((kind) => KINDS.includes(kind))) {
      throw new TypeError('neonauthd: kinds is not a list of "normal", "restricted", "anonymous", "machine" and "team"')
    }
    this.#emailVerified = emailVerified
    this.#team = team
    this.#kinds = [...kinds]
  }

  // unmet says which requirement a verified user does not meet; '': none.
  unmet(user) {
    if (!this.#admits(user.kind)) return 'class-not-allowed'
    if (this.#emailVerified && (user.email === '' || user.emailVerified !== true)) return 'email-not-verified'
    return this.#team !== undefined && user.teamId !== this.#team ? 'wrong-team' : ''
  }

  // A user whose kind is not known may come in where all three kinds of users may.
  #admits(kind) {
    return kind === '' ? USERS.every((each) => this.#kinds.includes(each)) : this.#kinds.includes(kind)
  }
}

module.exports = { KINDS, Requirements }
