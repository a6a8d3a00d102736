import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'

import { bearer, cookie, from, guard, metadata } from 'neonauthd/middleware'
import { exchange, linesOf, overHTTP, playCases, playResources } from '../cases.mjs'
import { ORIGIN, UPGRADE, checkCORS, fakeClient, framework, listening } from './frameworks.mjs'

const express = framework('express')
const cors = framework('cors')
const { WebSocketServer } = framework('ws')

playCases('express', async (t, options, one) => {
  const app = express()
  app.use(guard(options))
  app.use((req, res) => res.set('User', from(req)?.subject ?? 'nobody').end())
  return exchange(await listening(t, createServer(app)), linesOf(one))
}, { bearer, cookie })

playResources('express', { serve: metadata, protect: guard, ask: overHTTP((handler) => createServer(express().use(handler))) })

test('express: a guard may stand before a path, or a route', async (t) => {
  const app = express()
  const protect = guard({ client: fakeClient() })
  app.use('/account', protect)
  app.get('/account', (req, res) => res.send(from(req).user.id))
  app.get('/one', protect, (req, res) => res.send(from(req).user.id))
  app.get('/', (req, res) => res.send(String(from(req))))
  const port = await listening(t, createServer(app))
  const get = (path, headers) => fetch(`http://127.0.0.1:${port}${path}`, { headers }).then(async (response) => [response.status, await response.text()])
  const ada = { Authorization: 'Bearer ada' }
  for (const path of ['/account', '/one']) {
    assert.deepEqual([await get(path, ada), (await get(path))[0]], [[200, 'ada'], 401])
  }
  assert.deepEqual([(await get('/ACCOUNT'))[0], (await get('/account/'))[0]], [401, 401]) // Express takes them for the same
  assert.deepEqual(await get('/', ada), [200, 'undefined'])
})

test('express: a fault of the program goes to its handler of errors', async (t) => {
  const app = express()
  app.use(guard({ client: fakeClient(), allow: () => { throw new Error('fault') } }))
  app.use((_req, res) => res.send('in'))
  app.use((error, _req, res, _next) => res.status(500).send(error.message))
  const response = await fetch(`http://127.0.0.1:${await listening(t, createServer(app))}/`, { headers: { Authorization: 'Bearer ada' } })
  assert.deepEqual([response.status, await response.text()], [500, 'fault'])
})

test('express: refusals have CORS headers where cors() stands before the guard', async (t) => {
  const app = express()
  app.use(cors({ origin: ORIGIN }))
  app.use('/account', guard({ client: fakeClient(), onUnknown: () => {} }))
  app.get('/account', (req, res) => res.send(from(req).user.id))
  await checkCORS(t, await listening(t, createServer(app)), '/account')
})

// ws beside an application of Express listens to the server itself, past everything that Express does.
test('express with ws: an upgrade is judged before it opens', async (t) => {
  const protect = guard({ client: fakeClient(), onUnknown: () => {} })
  const server = createServer(express().use(protect))
  const live = new WebSocketServer({ noServer: true })
  live.on('connection', (session, req) => {
    session.send(`you are ${from(req)?.user.id}`)
    session.close()
  })
  server.on('upgrade', protect.upgrade((req, socket, head) => live.handleUpgrade(req, socket, head, (session) => live.emit('connection', session, req))))
  const port = await listening(t, server)
  const preflight = ['Origin: https://app.example', 'Access-Control-Request-Method: GET']
  for (const [method, headers, status] of [
    ['GET', [], 401], ['GET', ['Authorization: Bearer old'], 401], ['GET', ['Authorization: Bearer outage'], 503],
    ['OPTIONS', preflight, 401], ['GET', ['Upgrade: h2c'], 401],
  ]) {
    assert.equal((await exchange(port, [`${method} /live HTTP/1.1`, ...UPGRADE, ...headers])).status, status)
  }
  const { WebSocket } = framework('ws')
  const session = new WebSocket(`ws://127.0.0.1:${port}/live`, { headers: { Authorization: 'Bearer ada' } })
  const said = await new Promise((resolve, reject) => session.on('message', (data) => resolve(String(data))).on('error', reject))
  assert.equal(said, 'you are ada')
})
