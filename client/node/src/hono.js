'use strict'

const { described, judge, valuesOf } = require('./response.js')
const { Rules, answers, letIn, needResource, only, userOfAnswer } = require('./rules.js')

const valuesOfContext = (c) => valuesOf(c.req.raw)

// from returns the daemon's answer for a request that was let through;
// undefined outside a guard, for a CORS preflight, and inside an optional guard
// for a request without a token.
function from(c) {
  needContext(c)
  return answers.get(c)
}

// userOf returns the user of a request that was let through. It throws where from returns undefined.
const userOf = (c) => userOfAnswer(from(c))

// guard returns a middleware (c, next). After it, c.get('user') returns the
// user, or undefined.
function guard(options = {}) {
  const rules = new Rules(options, valuesOfContext)

  return async function neonauthd(c, next) {
    needContext(c)
    const { response, answer } = await judge(rules, c, c.req.raw)
    if (response !== undefined) return response
    letIn(c, answer)
    c.set('user', answer?.user)
    return await next()
  }
}

// metadata returns a middleware that serves the metadata of a resource, and
// passes every other request on.
function metadata(resource) {
  needResource(resource)
  return async (c, next) => described(resource, c.req.raw) ?? (await next())
}

// needContext throws for a Request and for the contexts of other frameworks.
function needContext(c) {
  if (typeof c?.req?.raw?.headers?.get === 'function' && typeof c.set === 'function') return
  throw new TypeError('neonauthd: neonauthd/hono judges the context of Hono: write app.use(guard()), and from(c); for a Request import neonauthd/fetch')
}

// bearer searches only the Authorization header.
const bearer = only('authorization', valuesOfContext)

// cookie returns a search in the cookie with this name, and in no other place.
const cookie = (name) => only(`cookie:${name}`, valuesOfContext)

module.exports = { from, userOf, guard, metadata, bearer, cookie }
