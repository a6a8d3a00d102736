import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { bearer, cookie, from, guard, metadata } from 'neonauthd/fetch'
import { FakeClient } from 'neonauthd/testing'
import { playCases, playResources, requestOf } from './cases.mjs'

const fake = () => {
  const client = new FakeClient()
  client.accept('good', { id: 'ada' })
  client.reject('old', 'expired')
  client.unknown('outage', 'unavailable', 5000)
  return client
}
const withToken = (token) => requestOf([`Authorization: Bearer ${token}`])

playCases('fetch', async (_t, options, one) => {
  let user
  const handler = guard(options).wrap((request) => {
    user = from(request)?.subject ?? 'nobody'
    return new Response()
  })
  const response = await handler(requestOf(one.headers, one.method))
  return { user, status: response.status, headers: Object.fromEntries(response.headers) }
}, { bearer, cookie, joined: true })

playResources('fetch', {
  serve: metadata,
  protect: guard,
  ask: async (_t, answer, method, path) => {
    const response = (await answer(new Request(`http://site.example${path}`, { method }))) ?? new Response('', { status: 404 })
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
  },
})

test('a guard that is told no resource does not look at the address', async () => {
  assert.equal((await guard({ client: fake() })({ method: 'GET', headers: new Headers() })).status, 401)
})

test('a guard by itself says how a request is refused, or nothing', async () => {
  const judge = guard({ client: fake() })
  const [good, old] = [withToken('good'), withToken('old')]
  assert.equal(await judge(good), undefined)
  assert.equal(from(good).user.id, 'ada')
  const response = await judge(old)
  assert.deepEqual([response.status, await response.text(), from(old)], [401, 'Unauthorized\n', undefined])
})

test('the lines of the README for handlers without a wrapper are complete', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const code = /^\| SvelteKit, Remix \|.*\| (.*) \|$/m.exec(readme)[1].match(/`[^`]+`/g).map((span) => span.slice(1, -1)).join('\n')
  const handler = new Function('guard', 'request', `return (async () => {\n${code}\nreturn 'page'\n})()`)
  const asking = () => guard({ client: fake() })
  assert.equal(await handler(asking, withToken('good')), 'page')
  assert.equal((await handler(asking, withToken('old'))).status, 401)
})

test('what a handler takes besides the request is handed on', async () => {
  const handler = guard({ client: fake() }).wrap((request, context, more) => Response.json([from(request).subject, context, more]))
  assert.deepEqual(await (await handler(withToken('good'), { params: 1 }, 2)).json(), ['ada', { params: 1 }, 2])
})

test('a response of your own has the status and the headers of the refusal', async () => {
  const told = []
  const refuse = (request, refusal, answer) => {
    told.push([request.method, refusal.reason, answer?.outcome])
    return refusal.status === 401 ? Response.redirect('http://site.example/login') : Response.json({ why: refusal.reason }, { headers: { 'Cache-Control': 'max-age=60' } })
  }
  const judge = guard({ client: fake(), team: 'team-1', refuse, onUnknown: () => {} })
  for (const [request, status, reason, outcome] of [
    [withToken('good'), 403, 'wrong-team', 'accepted'], [withToken('old'), 401, 'expired', 'rejected'],
    [withToken('outage'), 503, 'unavailable', 'unknown'], [requestOf([]), 401, 'no-token', undefined],
  ]) {
    const response = await judge(request)
    assert.deepEqual([response.status, response.headers.get('cache-control'), told.pop()], [status, 'no-store', ['GET', reason, outcome]])
    assert.equal(response.headers.get(status === 503 ? 'retry-after' : 'www-authenticate') !== null, true)
  }
})

test('bearer and cookie look in one place', async () => {
  const request = requestOf(['X-Stack-Access-Token: good', 'Cookie: session=good; session=good'])
  const judge = (token) => guard({ client: fake(), token })(request)
  assert.equal((await judge(bearer)).status, 401)
  assert.equal((await judge(cookie('other'))).status, 401)
  assert.equal(await judge(cookie('session')), undefined)
})

test('a fault of the program is thrown, and lets nobody in', async () => {
  const handler = guard({ client: fake(), allow: () => { throw new Error('fault') } }).wrap(() => new Response())
  await assert.rejects(handler(withToken('good')), /fault/)
  assert.throws(() => guard({ alow: () => true }), TypeError)
  assert.throws(() => guard({ client: {} }), TypeError)
})
