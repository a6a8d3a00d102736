import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fetching from 'neonauthd/fetch'
import { bearer, cookie, from, guard, metadata, userOf } from 'neonauthd/hono'
import { FakeClient } from 'neonauthd/testing'
import { playCases, playResources, requestOf } from './cases.mjs'

// contextOf is of Hono's context what the guard uses. The real one is in frameworks/.
function contextOf(request) {
  const variables = new Map()
  return { req: { raw: request }, get: (name) => variables.get(name), set: (name, value) => variables.set(name, value) }
}

const fake = () => {
  const client = new FakeClient()
  client.accept('good', { id: 'ada' })
  client.reject('old', 'expired')
  return client
}
const withToken = (token) => contextOf(requestOf([`Authorization: Bearer ${token}`]))
const come = (c, options = {}) => guard({ client: fake(), ...options })(c, async () => {})

playCases('hono', async (_t, options, one) => {
  const c = contextOf(requestOf(one.headers, one.method))
  let user
  const response = await guard(options)(c, async () => { user = from(c)?.subject ?? 'nobody' })
  return { user, status: response?.status, headers: response && Object.fromEntries(response.headers) }
}, { bearer, cookie, joined: true })

playResources('hono', {
  serve: metadata,
  protect: guard,
  ask: async (_t, middleware, method, path) => {
    let response
    const given = await middleware(contextOf(new Request(`http://site.example${path}`, { method })), async () => { response = new Response('', { status: 404 }) })
    response ??= given
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
  },
})

test('the context has the user, and nobody where nobody is asking', async () => {
  const good = withToken('good')
  assert.equal(await come(good), undefined)
  assert.deepEqual([good.get('user').id, userOf(good).id, from(good).subject], ['ada', 'ada', 'ada'])
  // Another guard's request, or one of another context, is not let through by it.
  assert.deepEqual([from(contextOf(good.req.raw)), fetching.from(good.req.raw)], [undefined, undefined])

  const nobody = contextOf(requestOf([]))
  nobody.set('user', { id: 'somebody' }) // by another middleware
  assert.equal(await come(nobody, { optional: true }), undefined)
  assert.deepEqual([nobody.get('user'), from(nobody)], [undefined, undefined])
  assert.throws(() => userOf(nobody), /nobody is signed in here/)
})

test('a middleware before the guard may give the context another request', async () => {
  const c = withToken('good')
  await guard({ client: fake() })(c, async () => { c.req.raw = new Request(c.req.raw) })
  assert.equal(userOf(c).id, 'ada')
})

test('allow and refuse are given the context', async () => {
  const told = []
  const c = withToken('good')
  const response = await come(c, { allow: (...given) => told.push(given) < 0, refuse: (...given) => { told.push(given); return Response.json({ why: given[1].reason }) } })
  assert.deepEqual([response.status, response.headers.get('cache-control'), told.map(([one]) => one === c)], [403, 'no-store', [true, true]])
  assert.equal(from(c), undefined)
})

test('bearer and cookie look in one place', async () => {
  const c = contextOf(requestOf(['X-Stack-Access-Token: good', 'Cookie: session=good; session=good']))
  for (const [token, status] of [[bearer, 401], [cookie('other'), 401], [cookie('session'), undefined]]) {
    assert.equal((await come(c, { token }))?.status, status)
  }
})

test('a fault of the program is thrown, and lets nobody in', async () => {
  await assert.rejects(come(withToken('good'), { allow: () => { throw new Error('fault') } }), /fault/)
  await assert.rejects(come(withToken('good'), { token: () => { throw undefined } }), (error) => error === undefined)
})
