'use strict'

const { Rules, TEXT, answers, bodyOf, needHandler, needResource, only, userOfAnswer } = require('./rules.js')

// valuesOf is for requests of the Fetch API, which show repeated headers joined.
function valuesOf(request) {
  return (name) => {
    const value = request.headers.get(name)
    return value === null ? [] : [value]
  }
}

// from returns the Accepted under which a request was let through; undefined
// outside a guard, for a CORS preflight, and inside an optional guard for a
// request without a token.
function from(request) {
  needRequest(request)
  return answers.get(request)
}

// userOf returns the user of a request that was let through. It throws where from returns undefined.
const userOf = (request) => userOfAnswer(from(request))

// guard returns a function that resolves to the Response with which a request
// is refused; undefined: it may come in.
function guard(options = {}) {
  const rules = new Rules(options, valuesOf)

  async function judge(request) {
    needRequest(request)
    const described = rules.described(request, request.method, targetOf)
    if (described !== undefined) return respond(described)
    const { refusal, answer } = await rules.judge(request, request.method)
    if (refusal !== undefined) return responseOf(await (rules.refuse ?? plainRefusal)(request, refusal, answer), refusal.status, rules.headers(refusal))
    if (answer !== undefined) answers.set(request, answer)
    return undefined
  }
  // wrap puts a handler (request, ...) behind the guard.
  judge.wrap = (handler) => {
    needHandler(handler)
    return async (request, ...rest) => (await judge(request)) ?? handler(request, ...rest)
  }
  return judge
}

// metadata returns a function that takes a request and returns the response to one for what a resource tells of itself;
// undefined: it is for something else.
function metadata(resource) {
  needResource(resource)
  return (request) => (resource.describes(targetOf(request)) ? respond(resource.response(request.method)) : undefined)
}

// needRequest throws for the context of Hono, the event of others, and requests of node:http.
function needRequest(request) {
  if (typeof request?.headers?.get === 'function') return
  throw new TypeError('neonauthd: neonauthd/fetch judges a Request, such as c.req.raw in Hono; for Express and node:http import neonauthd/middleware')
}

const targetOf = (request) => new URL(request.url).pathname

const respond = ({ status, headers, body }) => new Response(body || null, { status, headers })

const plainRefusal = (_request, { status }) => new Response(bodyOf(status), { status, headers: { 'Content-Type': TEXT } })

// responseOf gives the application's response the status and the headers of the
// refusal. It is a new one, since those of some are immutable.
function responseOf(given, status, headers) {
  const response = new Response(given.body, { status, headers: given.headers })
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
  return response
}

// bearer finds the token in the Authorization header and in no other place.
const bearer = only('authorization', valuesOf)

// cookie returns a search for the token in the cookie of that name and in no
// other place.
const cookie = (name) => only(`cookie:${name}`, valuesOf)

module.exports = { from, userOf, guard, metadata, bearer, cookie, valuesOf }
