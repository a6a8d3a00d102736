'use strict'

const { valuesOf } = require('./httpauth.js')
const { Rules, TEXT, answers, bodyOf, only } = require('./rules.js')

// Fastify's own headers keep only the first of some repeated headers.
const valuesOfRaw = (request) => valuesOf(request.raw)

// from returns the Accepted under which a request was let through; undefined
// outside a guard, for a CORS preflight, and inside an optional guard for a
// request without a token.
function from(request) {
  return answers.get(request.raw)
}

// guard returns a hook onRequest, for a route of its own or for addHook.
function guard(options = {}) {
  const rules = new Rules(options, valuesOfRaw)

  return async function neonauthd(request, reply) {
    const { refusal, answer } = await rules.judge(request, request.method)
    if (refusal !== undefined) {
      reply.code(refusal.status).headers(refusal.headers(rules.realm))
      if (rules.refuse === undefined) return reply.type(TEXT).send(bodyOf(refusal.status))
      return reply.send(await rules.refuse(request, reply, refusal, answer))
    }
    if (answer !== undefined) answers.set(request.raw, answer)
    return undefined
  }
}

// plugin puts everything behind the guard that is registered after it in the
// same context, and not in one of its own.
async function plugin(instance, options) {
  instance.addHook('onRequest', guard(options))
}
plugin[Symbol.for('skip-override')] = true
plugin[Symbol.for('fastify.display-name')] = 'neonauthd'

// bearer finds the token in the Authorization header and in no other place.
const bearer = only('authorization', valuesOfRaw)

// cookie returns a search for the token in the cookie of that name and in no
// other place.
const cookie = (name) => only(`cookie:${name}`, valuesOfRaw)

module.exports = { from, guard, plugin, bearer, cookie }
