// Where the real frameworks are: `go test ./client -run Frameworks` fetches them and says it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'

import { FakeClient } from 'neonauthd/testing'

assert.ok(process.env.NEONAUTHD_FRAMEWORKS, 'NEONAUTHD_FRAMEWORKS says where the frameworks are: `make -s frameworks` prints it')
export const framework = createRequire(`${process.env.NEONAUTHD_FRAMEWORKS}/`)

export const ORIGIN = 'https://app.example'

// fakeClient lets ada in, but not old's token, and knows nothing in an outage.
export function fakeClient() {
  const client = new FakeClient()
  client.accept('ada', { id: 'ada' })
  client.reject('old', 'expired')
  client.unknown('outage', 'unavailable', 5000)
  return client
}

// listening starts a server and returns its port.
export async function listening(t, server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return server.address().port
}

export const UPGRADE = [
  'Host: app.example', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
]

// What a page of another origin sees.
export async function checkCORS(t, port, path) {
  const ask = (method, headers) => fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { Origin: ORIGIN, ...headers } })
  for (const [token, status] of [['ada', 200], ['old', 401], ['outage', 503], [undefined, 401]]) {
    const response = await ask('GET', token === undefined ? {} : { Authorization: `Bearer ${token}` })
    assert.deepEqual([response.status, response.headers.get('access-control-allow-origin')], [status, ORIGIN])
  }
  const preflight = await ask('OPTIONS', { 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': 'authorization' })
  assert.ok(preflight.ok)
}
