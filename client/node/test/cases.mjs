// The cases of ../../testdata/httpauth, for each guard that plays them; see the README there.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'

import { Client } from 'neonauthd'
import { Resource } from 'neonauthd/httpauth'
import { FakeClient } from 'neonauthd/testing'
import { fakeDaemon } from './fake.mjs'

// The guard's options that a case has under the same name.
const OPTIONS = ['places', 'profile', 'realm', 'optional', 'team', 'kinds', 'scopes']

// playCases plays each case in a test of its own. answer(t, options, one) sends the request of a case through a guard with the
// options and resolves to { user } or { status, headers }, the headers' names in lower case. bearer and cookie are those of
// the guard's module. joined: the guard sees repeated headers joined.
export function playCases(what, answer, { bearer, cookie, joined = false }) {
  const tokenOf = ({ token }) => (token === 'bearer' ? bearer : token && cookie(token.replace('cookie:', '')))
  for (const file of ['cases', 'requirements', 'guards']) {
    const { daemon, cases } = JSON.parse(readFileSync(new URL(`../../testdata/httpauth/${file}.json`, import.meta.url), 'utf8'))
    test(`${what}: ${file}.json has cases`, () => assert.ok(cases.length > 0 && Object.keys(daemon).length > 0))
    for (const one of cases) test(`${what}: ${one.name}`, (t) => play(t, one, daemon, answer, { joined, token: tokenOf(one) }))
  }
}

async function play(t, one, daemon, answer, { joined, token }) {
  const asked = []
  const fake = await fakeDaemon(t, (words) => {
    asked.push(words.at(-1))
    return (daemon[words.at(-1)] ?? 'NO bad-signature').replace('LEVEL', words[0] === 'PROFILE' ? 'profile' : 'claims')
  })
  const client = new Client({ socket: fake.path, timeout: 10_000 })
  t.after(() => client.close())
  const named = [...OPTIONS.map((name) => [name, one[name]]), ['emailVerified', one.email_verified]]
  const resource = one.resource && new Resource({ resource: one.resource, authorizationServers: ['https://auth.example.com'] })
  const options = Object.fromEntries([...named, ['resource', resource], ['token', token]].filter(([, value]) => value !== undefined))
  const got = await answer(t, { client, onUnknown: () => {}, ...options }, one)
  const want = joined && one.joined !== undefined ? one.joined : one
  assert.deepEqual(asked, want.asked)
  assert.deepEqual(
    { user: got.user, status: got.user === undefined ? got.status : undefined, challenge: got.headers?.['www-authenticate'], after: got.headers?.['retry-after'] },
    { user: want.user, status: want.status, challenge: want.challenge, after: want.retry_after },
  )
  if (want.user === undefined) assert.equal(got.headers['cache-control'], 'no-store')
}

// RESOURCES are the cases of resources.json.
export const RESOURCES = JSON.parse(readFileSync(new URL('../../testdata/httpauth/resources.json', import.meta.url), 'utf8'))
assert.ok(RESOURCES.resources.length > 0 && RESOURCES.wrong.length > 0)

// told is what a guard is told of a case.
export const told = (one) => ({ resource: one.resource, authorizationServers: one.authorization_servers, scopes: one.scopes, name: one.title })

// playResources plays each case twice: with the handler of the metadata, and with a guard that is told the resource. ask(t, handler,
// method, path) sends a request to what serve(resource) or protect({ client, resource }) returns, and resolves to { status, headers, body }.
export function playResources(what, { serve, protect, ask }) {
  for (const one of RESOURCES.resources) {
    for (const [how, start, elsewhere] of [['metadata', serve, 404], ['guard', (resource) => protect({ client: new FakeClient(), resource }), 401]]) {
      test(`${what}: ${how} of ${one.name}`, async (t) => {
        const handler = start(new Resource(told(one)))
        for (const path of one.paths) {
          for (const [method, status] of [['GET', 200], ['HEAD', 200], ['OPTIONS', 204], ['POST', 405]]) {
            const got = await ask(t, handler, method, path)
            assert.deepEqual([got.status, got.body, got.headers['access-control-allow-origin']], [status, method === 'GET' ? one.document : '', '*'], `${method} ${path}`)
            if (status === 200) assert.deepEqual([got.headers['content-type'], got.headers['cache-control']], ['application/json', 'public, max-age=300'])
            if (status === 204) assert.deepEqual([got.headers['access-control-allow-methods'], got.headers['access-control-allow-headers']], ['GET, HEAD', '*'])
          }
        }
        for (const path of one.others) assert.equal((await ask(t, handler, 'GET', path)).status, elsewhere, path)
      })
    }
  }
}

// overHTTP is the ask of playResources for what starts as a server of node:http; started(handler) makes it.
export const overHTTP = (started) => async (t, handler, method, path) => {
  const server = started(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const got = await exchange(server.address().port, [`${method} ${path} HTTP/1.1`, 'Host: site.example', 'Connection: close', 'Content-Length: 0'])
  server.close()
  return { ...got, body: Buffer.from(got.body, 'latin1').toString() }
}

// requestOf is what an adapter makes of the lines: repeated headers are joined.
export function requestOf(lines, method = 'GET') {
  const headers = new Headers()
  for (const line of lines) {
    const at = line.indexOf(':')
    headers.append(line.slice(0, at), Buffer.from(line.slice(at + 1)).toString('latin1'))
  }
  return new Request('http://site.example/account', { method, headers })
}

// linesOf is the request of a case as it goes over the wire.
export const linesOf = (one) => [`${one.method ?? 'GET'} / HTTP/1.1`, 'Host: site.example', 'Connection: close', ...one.headers]

// exchange sends a request as it stands and returns the response; a handler says in the header User whom it has let in.
export async function exchange(port, lines) {
  const socket = connect(port, '127.0.0.1')
  socket.write(Buffer.from(lines.join('\r\n') + '\r\n\r\n'))
  let received = ''
  for await (const chunk of socket.setEncoding('latin1')) received += chunk
  const end = received.indexOf('\r\n\r\n')
  const [line, ...fields] = received.slice(0, end).split('\r\n')
  const headers = Object.fromEntries(fields.map((one) => [one.slice(0, one.indexOf(':')).toLowerCase(), one.slice(one.indexOf(':') + 2)]))
  return { status: Number(line.split(' ')[1]), user: headers.user, headers, body: received.slice(end + 4) }
}
