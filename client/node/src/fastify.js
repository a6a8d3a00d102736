'use strict'

const { valuesOf } = require('./httpauth.js')
const { Rules, TEXT, answers, bodyOf, letIn, needResource, only, userOfAnswer } = require('./rules.js')

// Fastify's own headers keep only the first value of some headers.
const valuesOfRaw = (request) => valuesOf(request.raw)

// from returns the daemon's answer for a request that was let through;
// undefined outside a guard, for a CORS preflight, and inside an optional guard
// for a request without a token.
function from(request) {
  return answers.get(request.raw)
}

// userOf returns the user of a request that was let through. It throws where from returns undefined.
const userOf = (request) => userOfAnswer(from(request))

// guard returns a hook onRequest, for one route or for addHook.
function guard(options = {}) {
  const rules = new Rules(options, valuesOfRaw)

  return async function neonauthd(request, reply) {
    if (!Array.isArray(request?.raw?.rawHeaders)) {
      throw new TypeError("neonauthd: guard() is a hook of Fastify: write app.addHook('onRequest', guard()), or app.register(plugin)")
    }
    const described = rules.described(request, request.method, targetOf)
    if (described !== undefined) return respond(reply, described)
    const { refusal, answer } = await rules.judge(request, request.method)
    if (refusal !== undefined) {
      reply.code(refusal.status).headers(rules.headers(refusal))
      if (rules.refuse === undefined) return reply.type(TEXT).send(bodyOf(refusal.status))
      return reply.send(await rules.refuse(request, reply, refusal, answer))
    }
    letIn(request.raw, answer)
    return undefined
  }
}

// metadata returns a plugin that serves the metadata of a resource; no route is
// needed.
function metadata(resource) {
  needResource(resource)
  return inContext('neonauthd-metadata', async (instance) => {
    instance.addHook('onRequest', async (request, reply) =>
      resource.describes(targetOf(request)) ? respond(reply, resource.response(request.method)) : undefined)
  })
}

const targetOf = (request) => request.raw.url

// Fastify adds a charset to the type of JSON in a string.
const respond = (reply, { status, headers, body }) => reply.code(status).headers(headers).send(Buffer.from(body))

// inContext makes a plugin work in the context where it is registered, and not
// in a new one.
const inContext = (name, plugin) =>
  Object.assign(plugin, { [Symbol.for('skip-override')]: true, [Symbol.for('fastify.display-name')]: name })

// plugin puts all routes behind the guard that are registered after it in the
// same context.
const plugin = inContext('neonauthd', async (instance, options) => {
  if (typeof instance?.addHook !== 'function') throw new TypeError('neonauthd: plugin is no hook, and not called: write app.register(plugin, options)')
  instance.addHook('onRequest', guard(options))
})

// bearer searches only the Authorization header.
const bearer = only('authorization', valuesOfRaw)

// cookie returns a search in the cookie with this name, and in no other place.
const cookie = (name) => only(`cookie:${name}`, valuesOfRaw)

module.exports = { from, userOf, guard, metadata, plugin, bearer, cookie }
