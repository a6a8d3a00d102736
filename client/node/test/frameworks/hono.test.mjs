import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fetching from 'neonauthd/fetch'
import { bearer, cookie, from, guard, metadata, userOf } from 'neonauthd/hono'
import { exchange, linesOf, playCases, playResources } from '../cases.mjs'
import { ORIGIN, checkCORS, fakeClient, framework, listening } from './frameworks.mjs'

const { Hono } = framework('hono')
const { cors } = framework('hono/cors')
const { createAdaptorServer } = framework('@hono/node-server')

playCases('hono', async (t, options, one) => {
  const app = new Hono()
  app.use(guard(options))
  app.all('*', (c) => c.text('', 200, { User: from(c)?.subject ?? 'nobody' }))
  return exchange(await listening(t, createAdaptorServer({ fetch: app.fetch })), linesOf(one))
}, { bearer, cookie, joined: true })

playResources('hono', {
  serve: (resource) => new Hono().use(metadata(resource)),
  protect: (options) => new Hono().use(guard(options)),
  ask: async (_t, app, method, path) => {
    const response = await app.request(path, { method })
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
  },
})

test('hono: a guard may stand before a path', async () => {
  const app = new Hono()
  app.use('/account/*', guard({ client: fakeClient(), team: 'team-1', allow: () => true, realm: 'shop', optional: true }))
  app.get('/account/me', (c) => c.text(c.get('user')?.id ?? 'nobody'))
  app.get('/', (c) => c.text(String(from(c))))
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
  app.use('/account', guard({ client: fakeClient(), onUnknown: () => {} }))
  app.get('/account', (c) => c.text(userOf(c).id))
  await checkCORS(t, await listening(t, createAdaptorServer({ fetch: app.fetch })), '/account')
})

test('hono: a guard may stand before one handler, and before an application that is mounted', async () => {
  const app = new Hono()
  const inner = new Hono().get('/me', (c) => c.text(userOf(c).id))
  app.get('/one', guard({ client: fakeClient() }), (c) => c.text(userOf(c).id))
  app.use('/inner/*', guard({ client: fakeClient() })).route('/inner', inner)
  for (const path of ['/one', '/inner/me']) {
    assert.equal((await app.request(path)).status, 401)
    assert.equal(await (await app.request(path, { headers: { Authorization: 'Bearer ada' } })).text(), 'ada')
  }
})

test('hono: the guard of neonauthd/fetch judges c.req.raw', async () => {
  const judge = fetching.guard({ client: fakeClient() })
  const app = new Hono().use(async (c, next) => (await judge(c.req.raw)) ?? (await next())).get('/', (c) => c.text(fetching.userOf(c.req.raw).id))
  assert.deepEqual([(await app.request('/')).status, await (await app.request('/', { headers: { Authorization: 'Bearer ada' } })).text()], [401, 'ada'])
})

test('hono: a guard that is held wrongly lets nobody in, and says how to hold it', async () => {
  for (const wrong of [guard, fetching.guard(), fetching.guard]) {
    const app = new Hono()
    let told
    app.onError((error, c) => { told = error.message; return c.text('', 500) })
    app.use(wrong).get('/', (c) => c.text('in'))
    assert.equal((await app.request('/', { headers: { Authorization: 'Bearer ada' } })).status, 500)
    assert.match(told, /write guard\(\) where a middleware is wanted|neonauthd\/hono/)
  }
})
