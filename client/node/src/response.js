'use strict'

// What guards have in common whose frameworks have the Request and the Response of the Fetch API.

const { TEXT, bodyOf } = require('./rules.js')

// valuesOf is for requests of the Fetch API, which show repeated headers joined.
function valuesOf(request) {
  return (name) => {
    const value = request.headers.get(name)
    return value === null ? [] : [value]
  }
}

const targetOf = (request) => new URL(request.url).pathname

// judge asks the rules about a request, which an application has as given. It resolves to the response with which that is
// answered, or to the answer under which it may come in, if the daemon was asked.
async function judge(rules, given, request) {
  const metadata = rules.described(given, request.method, () => targetOf(request))
  if (metadata !== undefined) return { response: respond(metadata) }
  const { refusal, answer } = await rules.judge(given, request.method)
  if (refusal === undefined) return { answer }
  return { response: responseOf(await (rules.refuse ?? plainRefusal)(given, refusal, answer), refusal.status, rules.headers(refusal)) }
}

// described is the response to a request for what the resource tells of itself; undefined: it is for something else.
const described = (resource, request) => (resource.describes(targetOf(request)) ? respond(resource.response(request.method)) : undefined)

const respond = ({ status, headers, body }) => new Response(body || null, { status, headers })

const plainRefusal = (_given, { status }) => new Response(bodyOf(status), { status, headers: { 'Content-Type': TEXT } })

// responseOf gives the application's response the status and the headers of the
// refusal. It is a new one, since those of some are immutable.
function responseOf(given, status, headers) {
  const response = new Response(given.body, { status, headers: given.headers })
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
  return response
}

module.exports = { described, judge, valuesOf }
