import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'

import { FakeClient } from 'neonauthd/testing'

import { routes } from './routes.js'

// The service without a daemon: a fake answers in its place.
test('the account is for verified users', async (t) => {
  const fake = new FakeClient()
  fake.accept('token-of-ada', { id: 'ada', email: 'ada@example.org' })
  fake.reject('old-token', 'expired')
  fake.unknown('token-in-an-outage')
  const server = createServer(routes(fake)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  for (const [path, token, status, says] of [
    ['/', undefined, 200, 'this page is for everybody\n'],
    ['/account', 'token-of-ada', 200, '{"user":"ada","email":"ada@example.org"}\n'],
    ['/account', undefined, 401],
    ['/account', 'old-token', 401],
    ['/account', 'token-in-an-outage', 503],
  ]) {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers })
    const body = await response.text()
    assert.equal(response.status, status, `${path} with ${token}`)
    if (says !== undefined) assert.equal(body, says)
  }
  assert.equal(fake.asked.length, 3)
})
