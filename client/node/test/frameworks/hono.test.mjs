import assert from 'node:assert/strict'
import { test } from 'node:test'

import { from, guard, metadata } from 'neonauthd/fetch'
import { exchange, linesOf, playCases, playResources } from '../cases.mjs'
import { ORIGIN, checkCORS, fakeClient, framework, listening } from './frameworks.mjs'

const { Hono } = framework('hono')
const { cors } = framework('hono/cors')
const { createAdaptorServer } = framework('@hono/node-server')

// As the README shows it.
function middleware(options) {
  const protect = guard(options)
  return async (c, next) => (await protect(c.req.raw)) ?? (await next())
}

playCases('hono', async (t, options, one) => {
  const app = new Hono()
  app.use(middleware(options))
  app.all('*', (c) => c.text('', 200, { User: from(c.req.raw)?.subject ?? 'nobody' }))
  return exchange(await listening(t, createAdaptorServer({ fetch: app.fetch })), linesOf(one))
}, { joined: true })

playResources('hono', {
  serve: (resource) => new Hono().use(async (c, next) => metadata(resource)(c.req.raw) ?? (await next())),
  protect: (options) => new Hono().use(middleware(options)),
  ask: async (_t, app, method, path) => {
    const response = await app.request(path, { method })
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
  },
})

test('hono: a guard may stand before a path', async () => {
  const app = new Hono()
  app.use('/account/*', middleware({ client: fakeClient(), team: 'team-1', allow: () => true, realm: 'shop', optional: true }))
  app.get('/account/me', (c) => c.text(from(c.req.raw)?.user.id ?? 'nobody'))
  app.get('/', (c) => c.text(String(from(c.req.raw))))
  const get = async (path, headers) => {
    const response = await app.request(path, { headers })
    return [response.status, await response.text()]
  }
  const ada = { Authorization: 'Bearer ada' }
  assert.deepEqual([await get('/account/me'), await get('/account/me', ada), await get('/', ada)], [[200, 'nobody'], [403, 'Forbidden\n'], [200, 'undefined']])
})

test('hono: refusals have CORS headers where cors() stands before the guard', async (t) => {
  const app = new Hono()
  app.use(cors({ origin: ORIGIN }))
  app.use('/account', middleware({ client: fakeClient(), onUnknown: () => {} }))
  app.get('/account', (c) => c.text(from(c.req.raw).user.id))
  await checkCORS(t, await listening(t, createAdaptorServer({ fetch: app.fetch })), '/account')
})
