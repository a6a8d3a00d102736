import assert from 'node:assert/strict'
import { test } from 'node:test'

import { bearer, cookie, from, guard, metadata, plugin } from 'neonauthd/fastify'
import { exchange, linesOf, playCases, playResources } from '../cases.mjs'
import { ORIGIN, UPGRADE, checkCORS, fakeClient, framework } from './frameworks.mjs'

const fastify = framework('fastify')
const cors = framework('@fastify/cors')
const websocket = framework('@fastify/websocket')

async function listening(t, app) {
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  return app.server.address().port
}

playCases('fastify', async (t, options, one) => {
  const app = fastify()
  await app.register(plugin, options)
  app.all('/', (request, reply) => reply.header('User', from(request)?.subject ?? 'nobody').send())
  return exchange(await listening(t, app), linesOf(one))
}, { bearer, cookie })

playResources('fastify', {
  serve: (resource) => fastify().register(metadata(resource)),
  protect: (options) => fastify().register(plugin, options),
  ask: async (_t, app, method, url) => {
    const { statusCode, headers, body } = await app.inject({ method, url })
    return { status: statusCode, headers, body }
  },
})

test('fastify: the plugin guards what is registered in its context, and nothing else', async (t) => {
  const app = fastify()
  app.get('/', (request) => String(from(request)))
  await app.register(async (inner) => {
    await inner.register(plugin, { client: fakeClient() })
    inner.get('/account', (request) => from(request).user.id)
    await inner.register(async (deeper) => deeper.get('/deeper', (request) => from(request).user.id))
  })
  app.get('/one', { onRequest: guard({ client: fakeClient() }) }, (request) => from(request).user.id)
  app.get('/later', () => 'for everybody')
  const get = (url, headers) => app.inject({ url, headers }).then(({ statusCode, body }) => [statusCode, body])
  const ada = { authorization: 'Bearer ada' }
  for (const url of ['/account', '/deeper', '/one']) {
    assert.deepEqual([await get(url, ada), await get(url)], [[200, 'ada'], [401, 'Unauthorized\n']])
  }
  assert.deepEqual([await get('/', ada), (await get('/later'))[0]], [[200, 'undefined'], 200])
  t.after(() => app.close())
})

test('fastify: what is not found is guarded too where the plugin stands outside', async () => {
  const app = fastify()
  await app.register(plugin, { client: fakeClient() })
  assert.equal((await app.inject('/none')).statusCode, 401)
})

test('fastify: options that are none are a fault at the start', async () => {
  for (const wrong of [{ alow: () => true }, { prefix: '/account' }, { kinds: ['admin'] }]) {
    await assert.rejects(async () => await fastify().register(plugin, wrong), TypeError)
    assert.throws(() => guard(wrong), TypeError)
  }
})

test('fastify: refuse writes the body', async () => {
  const app = fastify()
  const refuse = (request, reply, refusal, answer) => {
    reply.header('X-More', '1')
    return { why: refusal.reason, url: request.url, asked: answer !== undefined }
  }
  await app.register(plugin, { client: fakeClient(), refuse })
  const got = await app.inject({ url: '/x', headers: { authorization: 'Bearer old' } })
  assert.deepEqual([got.statusCode, got.json()], [401, { why: 'expired', url: '/x', asked: true }])
  assert.deepEqual([got.headers['cache-control'], got.headers['x-more']], ['no-store', '1'])
  assert.equal((await app.inject('/x')).json().asked, false)
})

test('fastify: a fault of the program is 500, and lets nobody in', async () => {
  const app = fastify()
  await app.register(plugin, { client: fakeClient(), allow: () => { throw new Error('fault') } })
  app.get('/', () => 'in')
  assert.equal((await app.inject({ url: '/', headers: { authorization: 'Bearer ada' } })).statusCode, 500)
})

test('fastify: searches look in one place', async () => {
  for (const [token, status] of [[bearer, 401], [cookie('session'), 200], [cookie('other'), 401]]) {
    const app = fastify()
    await app.register(plugin, { client: fakeClient(), token })
    app.get('/', () => 'in')
    assert.equal((await app.inject({ url: '/', headers: { 'x-stack-access-token': 'ada', cookie: 'session=ada' } })).statusCode, status)
  }
})

test('fastify: refusals have CORS headers where @fastify/cors is registered before the guard', async (t) => {
  const app = fastify()
  await app.register(cors, { origin: ORIGIN })
  await app.register(plugin, { client: fakeClient(), onUnknown: () => {} })
  app.get('/account', (request) => from(request).user.id)
  await checkCORS(t, await listening(t, app), '/account')
})

test('fastify: an upgrade is judged like every request', async (t) => {
  const app = fastify()
  await app.register(websocket)
  await app.register(plugin, { client: fakeClient(), onUnknown: () => {} })
  app.get('/live', { websocket: true }, (session, request) => {
    session.send(`you are ${from(request)?.user.id}`)
    session.close()
  })
  app.options('/live', () => 'in')
  const port = await listening(t, app)
  const preflight = ['Origin: https://app.example', 'Access-Control-Request-Method: GET']
  for (const [method, headers, status] of [
    ['GET', [], 401], ['GET', ['Authorization: Bearer old'], 401], ['GET', ['Authorization: Bearer outage'], 503], ['OPTIONS', preflight, 401],
  ]) {
    const lines = [`${method} /live HTTP/1.1`, ...UPGRADE.map((line) => line.replace('Connection: Upgrade', 'Connection: close, Upgrade')), ...headers]
    assert.equal((await exchange(port, lines)).status, status, `${method} ${headers}`)
  }
  const { WebSocket } = framework('ws')
  const session = new WebSocket(`ws://127.0.0.1:${port}/live`, { headers: { Authorization: 'Bearer ada' } })
  const said = await new Promise((resolve, reject) => session.on('message', (data) => resolve(String(data))).on('error', reject))
  assert.equal(said, 'you are ada')
})
