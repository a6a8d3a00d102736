'use strict'

const { described, judge, valuesOf } = require('./response.js')
const { Rules, answers, letIn, needHandler, needResource, only, userOfAnswer } = require('./rules.js')

// from returns the daemon's answer for a request that was let through;
// undefined outside a guard, for a CORS preflight, and inside an optional guard
// for a request without a token.
function from(request) {
  needRequest(request)
  return answers.get(request)
}

// userOf returns the user of a request that was let through. It throws where from returns undefined.
const userOf = (request) => userOfAnswer(from(request))

// guard returns a function that resolves to the Response that refuses the
// request; undefined: the request may go through.
function guard(options = {}) {
  const rules = new Rules(options, valuesOf)

  async function protect(request) {
    needRequest(request)
    const { response, answer } = await judge(rules, request, request)
    letIn(request, answer)
    return response
  }
  // wrap puts a handler (request, ...) behind the guard.
  protect.wrap = (handler) => {
    needHandler(handler)
    return async (request, ...rest) => (await protect(request)) ?? handler(request, ...rest)
  }
  return protect
}

// metadata returns a function that takes a request and returns the response to
// a request for the metadata of a resource; undefined: the request is for
// something else.
function metadata(resource) {
  needResource(resource)
  return (request) => described(resource, request)
}

// needRequest throws for the context of Hono, the event of other frameworks,
// and requests of node:http.
function needRequest(request) {
  if (typeof request?.headers?.get === 'function') return
  throw new TypeError('neonauthd: neonauthd/fetch judges a Request, such as c.req.raw in Hono, for which there is neonauthd/hono; for Express and node:http import neonauthd/middleware')
}

// bearer searches only the Authorization header.
const bearer = only('authorization', valuesOf)

// cookie returns a search in the cookie with this name, and in no other place.
const cookie = (name) => only(`cookie:${name}`, valuesOf)

module.exports = { from, userOf, guard, metadata, bearer, cookie, valuesOf }
