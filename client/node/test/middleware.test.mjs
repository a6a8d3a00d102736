import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { test } from 'node:test'

import { Client } from 'neonauthd'
import { bearer, cookie, from, guard } from 'neonauthd/middleware'
import { ACCEPTED, fakeDaemon } from './fake.mjs'

const REPLIES = {
  good: ACCEPTED,
  old: 'NO expired',
  child: 'NO class-not-allowed',
  outage: 'ERR unavailable retry-after=5',
  hush: 'ERR misconfigured',
}

async function serve(t, options = {}) {
  const fake = await fakeDaemon(t, (words) => REPLIES[words.at(-1)])
  const client = new Client({ socket: fake.path })
  const server = createServer(guard({ client, ...options }).wrap((req, res) => res.end(from(req)?.subject ?? 'nobody')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => Promise.all([client.close(), server.close()]))
  return async (headers) => {
    const req = request({ port: server.address().port, headers, agent: false }).end()
    const [res] = await once(req, 'response')
    let body = ''
    for await (const chunk of res.setEncoding('utf8')) body += chunk
    return { status: res.statusCode, headers: res.headers, body }
  }
}

for (const [name, headers, status, challenge] of [
  ['accepted', { Authorization: 'Bearer good' }, 200, undefined],
  ['accepted, whatever the case of the scheme', { Authorization: 'bEARER   good' }, 200, undefined],
  ['rejected', { Authorization: 'Bearer old' }, 401, 'Bearer error="invalid_token", error_description="expired"'],
  ['rejected for its class', { Authorization: 'Bearer child' }, 403, 'Bearer error="insufficient_scope", error_description="class-not-allowed"'],
  ['without a token', {}, 401, 'Bearer'],
  ['of another scheme', { Authorization: 'Basic good' }, 401, 'Bearer'],
  ['with blanks in the token', { Authorization: 'Bearer good good' }, 401, 'Bearer error="invalid_token", error_description="malformed"'],
]) {
  test(`a request ${name} gets ${status}`, async (t) => {
    const ask = await serve(t)
    const got = await ask(headers)
    assert.equal(got.status, status)
    assert.equal(got.headers['www-authenticate'], challenge)
    if (status === 200) assert.equal(got.body, 'user-1')
    else assert.equal(got.headers['cache-control'], 'no-store')
  })
}

test('what is unknown is 503 with Retry-After, never 401', async (t) => {
  const ask = await serve(t)
  for (const [token, after] of [['outage', '5'], ['hush', '1']]) {
    const got = await ask({ Authorization: `Bearer ${token}` })
    assert.deepEqual([got.status, got.headers['retry-after'], got.headers['www-authenticate']], [503, after, undefined])
  }
})

test('an optional guard lets a request without a token through, and no bad one', async (t) => {
  const ask = await serve(t, { optional: true })
  assert.deepEqual((await ask({})).body, 'nobody')
  assert.equal((await ask({ Authorization: 'Bearer old' })).status, 401)
})

test('allow decides what an accepted user may do', async (t) => {
  const ask = await serve(t, { allow: (_req, answer) => answer.data().admin, realm: 'the "shop"' })
  const got = await ask({ Authorization: 'Bearer good' })
  assert.equal(got.status, 403)
  assert.equal(got.headers['www-authenticate'], 'Bearer realm="the \\"shop\\"", error="insufficient_scope"')
})

test('cookie looks in that cookie, and bearer in that header, and nowhere else', async (t) => {
  const inCookie = await serve(t, { token: cookie('session') })
  assert.equal((await inCookie({ Cookie: 'a=b; session=good' })).status, 200)
  assert.equal((await inCookie({ Cookie: 'session=good; session=old' })).status, 400)
  assert.equal((await inCookie({ Cookie: 'a=b', Authorization: 'Bearer good' })).status, 401)
  const inHeader = await serve(t, { token: bearer })
  assert.equal((await inHeader({ Authorization: 'Bearer good' })).status, 200)
  assert.equal((await inHeader({ 'X-Stack-Access-Token': 'good' })).status, 401)
})

test('a search of your own may find nothing, something, and nonsense', async (t) => {
  for (const [found, status] of [[undefined, 401], ['good', 200], ['', 401], ['a b', 401]]) {
    const ask = await serve(t, { token: () => found })
    assert.equal((await ask({ Authorization: 'Bearer good' })).status, status)
  }
})

test('guards without a client share one, of the socket that is the default at the time', async (t) => {
  const before = process.env.NEONAUTHD_SOCKET
  t.after(() => {
    if (before === undefined) delete process.env.NEONAUTHD_SOCKET
    else process.env.NEONAUTHD_SOCKET = before
  })
  for (let i = 0; i < 2; i++) {
    const fake = await fakeDaemon(t, (words) => REPLIES[words.at(-1)])
    process.env.NEONAUTHD_SOCKET = fake.path
    for (const options of [{}, { client: undefined }, { optional: true }]) {
      const ask = await serve(t, { client: undefined, ...options })
      assert.equal((await ask({ Authorization: 'Bearer good' })).status, 200)
    }
    assert.equal(fake.connections, 1)
  }
})

test('refuse is told the answer, and nothing of a request that was not asked about', async (t) => {
  const ask = await serve(t, { refuse: (_req, res, status, answer) => res.writeHead(status).end(String(answer)) })
  assert.equal((await ask({ Authorization: 'Bearer old' })).body, 'rejected: expired')
  assert.equal((await ask({ Authorization: 'Bearer a, Bearer b' })).body, 'undefined')
})

test('a refusal that says no status has its own', async (t) => {
  const ask = await serve(t, { refuse: (_req, res) => res.end('sorry') })
  assert.equal((await ask({ Authorization: 'Bearer old' })).status, 401)
  assert.equal((await ask({ Authorization: 'Bearer outage' })).status, 503)
})

test('a fault of the program is 500', async (t) => {
  const warned = once(process, 'warning')
  const ask = await serve(t, { allow: () => { throw new Error('fault') } })
  assert.equal((await ask({ Authorization: 'Bearer good' })).status, 500)
  await warned
  assert.throws(() => guard({ alow: () => true }), TypeError)
  assert.throws(() => guard({ places: ['cookies'] }), TypeError)
  assert.throws(() => cookie('a b'), TypeError)
})

test('a guard that nobody waits for throws at once, and says how to hold it', async () => {
  const protect = guard({ client: { verify: async () => {}, profile: async () => {} } })
  const [req, res, socket] = [{ method: 'GET', url: '/', rawHeaders: [] }, { setHeader() {}, end() {} }, { write() {} }]
  for (const [args, advice] of [
    [[req, res], /write guard\(\)\.wrap\(handler\)/],
    [[req, res, {}], /write guard\(\)\.wrap\(handler\)/],
    [[req, socket, Buffer.alloc(0)], /write server\.on\('upgrade', guard\(\)\.upgrade\(listener\)\)/],
    [[{ req: { raw: {} } }, async () => {}], /for Hono import neonauthd\/hono/],
    [[new Request('http://a.example/')], /import neonauthd\/fetch/],
    [[], /was called without a request/],
  ]) {
    assert.throws(() => protect(...args), advice)
  }
})

// next(undefined) lets a request in, and next('route') does in Express.
for (const thrown of [undefined, null, 0, '', false, 'route', 'router', { status: 200 }]) {
  test(`a guard in which ${JSON.stringify(thrown)} is thrown lets nobody in`, async () => {
    const answer = { outcome: 'accepted', user: { kind: 'normal' } }
    const client = { verify: async () => answer, profile: async () => answer }
    const request = (token) => ({ method: 'GET', url: '/', rawHeaders: ['Authorization', `Bearer ${token}`] })
    const response = { setHeader() {}, end() {} }
    const refused = { ...client, verify: async () => ({ outcome: 'rejected', reason: 'expired' }) }
    for (const options of [
      { client, allow: () => { throw thrown } },
      { client, allow: () => Promise.reject(thrown) },
      { client, token: () => { throw thrown } },
      { client: { ...client, verify: () => Promise.reject(thrown) } },
      { client: { ...client, verify: async () => ({ outcome: 'unknown' }) }, onUnknown: () => { throw thrown } },
      { client: refused, refuse: () => { throw thrown } },
      { client: refused, refuse: () => Promise.reject(thrown) },
    ]) {
      const said = []
      await guard(options)(request('good'), response, (...args) => said.push(args))
      assert.equal(said.length, 1)
      assert.ok(said[0][0] instanceof Error, `next was called with ${String(said[0][0])}`)
    }
  })
}

test('a refusal of the program that fails halfway ends the response, and nothing else', async (t) => {
  const warned = once(process, 'warning')
  const ask = await serve(t, { refuse: async (_req, res, status) => { res.writeHead(status).write('so'); throw new Error('fault') } })
  await assert.rejects(ask({ Authorization: 'Bearer old' }), { code: 'ECONNRESET' })
  await warned
  assert.equal((await ask({ Authorization: 'Bearer good' })).status, 200)
})
