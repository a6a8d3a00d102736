'use strict'

const { STATUS_CODES } = require('node:http')

const { DEFAULT_RETRY_AFTER, valuesOf } = require('./httpauth.js')
const { Rules, TEXT, answers, bodyOf, fault, letIn, needHandler, needResource, only, userOfAnswer } = require('./rules.js')

// from returns the daemon's answer for a request that was let through;
// undefined outside a guard, for a CORS preflight, and inside an optional guard
// for a request without a token.
function from(req) {
  return answers.get(req)
}

// userOf returns the user of a request that was let through. It throws where from returns undefined.
const userOf = (req) => userOfAnswer(from(req))

// guard returns a middleware (req, res, next) that lets requests with an
// accepted token through and refuses the others.
function guard(options = {}) {
  const rules = new Rules(options, valuesOf)

  function middleware(req, res, next) {
    if (req === undefined) throw new TypeError('neonauthd: what guard() returns was called without a request: write guard() once, and hand on what it returns')
    if (typeof next !== 'function') throw mishandled(req, res) // at once: its caller would go on and answer the request
    return judge(req, res, next)
  }

  async function judge(req, res, next) {
    try {
      if (!Array.isArray(req?.rawHeaders)) throw mishandled(req, res)
      const described = rules.described(req, req.method, targetOf)
      if (described !== undefined) return respond(res, described)
      const { refusal, answer } = await rules.judge(req, req.method)
      if (refusal !== undefined) {
        setHeaders(res, rules.headers(refusal))
        res.statusCode = refusal.status // if refuse sets no status, Node would send 200
        const refuse = rules.refuse ?? plainRefusal
        return await refuse(req, res, refusal.status, answer, refusal)
      }
      letIn(req, answer)
      next()
    } catch (error) {
      next(errorOf(error))
    }
  }
  // wrap puts a node:http handler behind the guard.
  middleware.wrap = (handler) => {
    needHandler(handler)
    return (req, res) =>
      middleware(req, res, (error) => {
        if (error === undefined) return handler(req, res)
        fault(error)
        return res.headersSent ? res.destroy() : plainRefusal(req, res, 500)
      })
  }
  // upgrade puts a listener of a server's event "upgrade" behind the guard. A
  // listener without this wrapper takes upgrades that no guard has checked.
  middleware.upgrade = (handler) => {
    needHandler(handler)
    return (req, socket, head) => upgrade(req, socket, head, handler)
  }

  async function upgrade(req, socket, head, handler) {
    // Node has removed its listeners from the socket, and an error without a
    // listener ends the process.
    const drop = () => socket.destroy()
    socket.on('error', drop)
    const verdict = await rules.judge(req, req.method, { upgrade: true }).catch((error) => ({ error }))
    if (socket.destroyed) return undefined
    if ('error' in verdict) {
      fault(verdict.error)
      return answerSocket(socket, 500, {})
    }
    if (verdict.refusal !== undefined) return answerSocket(socket, verdict.refusal.status, rules.headers(verdict.refusal))
    letIn(req, verdict.answer)
    socket.off('error', drop)
    return handler(req, socket, head)
  }
  return middleware
}

// mishandled returns the error for a call with other arguments than those of a middleware.
function mishandled(req, res) {
  if (!Array.isArray(req?.rawHeaders)) {
    return new TypeError('neonauthd: neonauthd/middleware judges a request of node:http or Express; for Hono import neonauthd/hono, for another Request, as in Next.js, import neonauthd/fetch')
  }
  const advice = typeof res?.setHeader === 'function' ? "guard().wrap(handler) around the handler of node:http" : "server.on('upgrade', guard().upgrade(listener))"
  return new TypeError(`neonauthd: what guard() returns is a middleware (req, res, next), and was called without next: write ${advice}`)
}

// errorOf turns what was thrown into an Error. To next, undefined and null mean
// that all is well, and a framework gives other values a meaning, such as
// "route" in Express: either would let the request through.
function errorOf(thrown) {
  return thrown instanceof Error ? thrown : new Error('neonauthd: what a guard was given threw what is no Error', { cause: thrown })
}

// metadata returns a middleware that serves the metadata of a resource, and
// passes every other request to next.
function metadata(resource) {
  needResource(resource)
  return (req, res, next) => (resource.describes(targetOf(req)) ? respond(res, resource.response(req.method)) : next())
}

// Express removes the path at which the middleware is mounted from url.
const targetOf = (req) => req.originalUrl ?? req.url

function setHeaders(res, headers) {
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
}

function respond(res, { status, headers, body }) {
  res.statusCode = status
  setHeaders(res, headers)
  res.end(body)
}

function plainRefusal(_req, res, status) {
  res.statusCode = status
  res.setHeader('Content-Type', TEXT)
  res.end(bodyOf(status))
}

// answerSocket writes a whole response to a connection that was to be upgraded,
// and closes it.
function answerSocket(socket, status, headers) {
  const body = bodyOf(status)
  const lines = Object.entries({ Connection: 'close', 'Content-Type': TEXT, 'Content-Length': body.length, ...headers })
  socket.once('finish', () => socket.destroy())
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines.map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n'))
}

// bearer searches only the Authorization header.
const bearer = only('authorization', valuesOf)

// cookie returns a search in the cookie with this name, and in no other place.
const cookie = (name) => only(`cookie:${name}`, valuesOf)

module.exports = { DEFAULT_RETRY_AFTER, from, userOf, guard, metadata, bearer, cookie }
