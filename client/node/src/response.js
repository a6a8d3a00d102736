'use strict'

// The common part of the guards for frameworks with the Request and Response of
// the Fetch API.

const { TEXT, bodyOf } = require('./rules.js')

// valuesOf is for requests of the Fetch API, which join repeated headers into
// one value.
function valuesOf(request) {
  return (name) => {
    const value = request.headers.get(name)
    return value === null ? [] : [value]
  }
}

const targetOf = (request) => new URL(request.url).pathname

// judge applies the rules to a request; given is the request as the framework
// passes it to the application. It resolves to the response that refuses the
// request or, if the request may go through, to the daemon's answer, if the
// daemon was asked.
async function judge(rules, given, request) {
  const metadata = rules.described(given, request.method, () => targetOf(request))
  if (metadata !== undefined) return { response: respond(metadata) }
  const { refusal, answer } = await rules.judge(given, request.method)
  if (refusal === undefined) return { answer }
  return { response: responseOf(await (rules.refuse ?? plainRefusal)(given, refusal, answer), refusal.status, rules.headers(refusal)) }
}

// described returns the response to a request for the metadata of the resource;
// undefined: the request is for something else.
const described = (resource, request) => (resource.describes(targetOf(request)) ? respond(resource.response(request.method)) : undefined)

const respond = ({ status, headers, body }) => new Response(body || null, { status, headers })

const plainRefusal = (_given, { status }) => new Response(bodyOf(status), { status, headers: { 'Content-Type': TEXT } })

// responseOf returns the application's response with the status and the headers
// of the refusal. It makes a new response, because some have immutable headers.
function responseOf(given, status, headers) {
  const response = new Response(given.body, { status, headers: given.headers })
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
  return response
}

module.exports = { described, judge, valuesOf }
