// An upgrade over a real socket: it is judged like every request, and never passed on unasked.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'

import { from, guard } from 'neonauthd/middleware'
import { FakeClient } from 'neonauthd/testing'

const UPGRADE = ['Host: app.example', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']
const PREFLIGHT = ['Origin: https://app.example', 'Access-Control-Request-Method: GET']

function fake() {
  const client = new FakeClient()
  client.accept('good', { id: 'ada' })
  client.reject('old', 'expired')
  client.unknown('outage')
  return client
}

// serve starts a server whose upgrades go to a handler that answers any, and returns the port.
async function serve(t, options) {
  const protect = guard({ client: fake(), onUnknown: () => {}, ...options })
  const server = createServer(protect.wrap((_req, res) => res.end('page')))
  server.on('upgrade', protect.upgrade((req, socket, head) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.end(`you are ${from(req)?.subject ?? 'nobody'}, ${head}`)
  }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return server.address().port
}

// exchange sends a request and returns everything that comes back until the server ends it.
async function exchange(port, lines, more = '') {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.write(lines.join('\r\n') + '\r\n\r\n' + more)
  let received = ''
  for await (const chunk of socket.setEncoding('utf8')) received += chunk
  socket.destroy()
  return received
}

for (const [name, method, headers, status] of [
  ['accepted', 'GET', ['Authorization: Bearer good'], 101],
  ['without a token', 'GET', [], 401],
  ['with a bad token', 'GET', ['Authorization: Bearer old'], 401],
  ['with two tokens', 'GET', ['Authorization: Bearer good', 'X-Stack-Access-Token: old'], 400],
  ['in an outage', 'GET', ['Authorization: Bearer outage'], 503],
  ['as a preflight', 'OPTIONS', PREFLIGHT, 401],
  ['as a preflight with a token', 'OPTIONS', [...PREFLIGHT, 'Authorization: Bearer good'], 101],
  ['to h2c', 'GET', ['Upgrade: h2c'], 401],
]) {
  test(`an upgrade ${name} gets ${status}`, async (t) => {
    const port = await serve(t)
    const got = await exchange(port, [`${method} /live HTTP/1.1`, ...UPGRADE, ...headers], 'first bytes')
    assert.equal(Number(got.split(' ')[1]), status, got)
    if (status === 101) assert.ok(got.endsWith('\r\n\r\nyou are ada, first bytes'), got)
    else assert.match(got, status === 503 ? /^Retry-After: 1\r$/m : /^WWW-Authenticate: Bearer/m)
    if (status !== 101) assert.match(got, /^Content-Length: \d+\r$[^]*^Cache-Control: no-store\r$/m)
  })
}

test('a user who does not meet what is required gets the reason', async (t) => {
  const port = await serve(t, { emailVerified: true })
  const got = await exchange(port, ['GET /live HTTP/1.1', ...UPGRADE, 'Authorization: Bearer good'])
  assert.match(got, /^HTTP\/1.1 403 Forbidden\r$[^]*error_description="email-not-verified"/m)
})

test('an optional guard lets an upgrade without a token in as nobody', async (t) => {
  const port = await serve(t, { optional: true })
  assert.match(await exchange(port, ['GET /live HTTP/1.1', ...UPGRADE]), /you are nobody/)
  assert.match(await exchange(port, ['GET /live HTTP/1.1', ...UPGRADE, 'Authorization: Bearer old']), /^HTTP\/1.1 401 /)
})

test('a fault of the program is 500, and lets nobody in', async (t) => {
  const warned = once(process, 'warning')
  const port = await serve(t, { allow: () => { throw new Error('fault') } })
  assert.match(await exchange(port, ['GET /live HTTP/1.1', ...UPGRADE, 'Authorization: Bearer good']), /^HTTP\/1.1 500 /)
  await warned
})

test('a visitor who leaves while the daemon is asked does no harm', async (t) => {
  let left
  const gone = new Promise((resolve) => { left = resolve })
  const client = fake()
  const slow = { verify: async (...args) => { await gone; return client.verify(...args) }, profile: client.profile }
  const handled = t.mock.fn()
  const protect = guard({ client: slow })
  const server = createServer().on('upgrade', (req, socket, head) => {
    const over = protect.upgrade(handled)(req, socket, head)
    socket.on('close', async () => { left(); await over; server.emit('over') })
    visitor.resetAndDestroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const over = once(server, 'over')
  const visitor = connect(server.address().port, '127.0.0.1').on('error', () => {})
  visitor.write(['GET /live HTTP/1.1', ...UPGRADE, 'Authorization: Bearer good', '', ''].join('\r\n'))
  await over
  assert.equal(handled.mock.callCount(), 0)
})

test('without a listener an upgrade is a request like every other', async (t) => {
  const server = createServer(guard({ client: fake() }).wrap((_req, res) => res.end('page')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  for (const [method, headers, status] of [['GET', [], 401], ['OPTIONS', PREFLIGHT, 401], ['GET', ['Authorization: Bearer good'], 200]]) {
    const lines = [`${method} / HTTP/1.1`, ...UPGRADE.map((line) => line.replace('Connection: Upgrade', 'Connection: close, Upgrade')), ...headers]
    assert.match(await exchange(server.address().port, lines), new RegExp(`^HTTP/1.1 ${status} `))
  }
})
