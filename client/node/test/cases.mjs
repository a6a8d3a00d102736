// The cases of ../../testdata/httpauth, for each guard that plays them; see the README there.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'

import { Client } from 'neonauthd'
import { fakeDaemon } from './fake.mjs'

// The guard's options that a case has under the same name.
const OPTIONS = ['places', 'profile', 'realm', 'optional', 'team', 'kinds']

// playCases plays each case in a test of its own. answer(t, options, one) sends the request of a case through a guard with the
// options and resolves to { user } or { status, headers }, the headers' names in lower case. joined: the guard sees repeated
// headers joined.
export function playCases(what, answer, { joined = false } = {}) {
  for (const file of ['cases', 'requirements', 'guards']) {
    const { daemon, cases } = JSON.parse(readFileSync(new URL(`../../testdata/httpauth/${file}.json`, import.meta.url), 'utf8'))
    test(`${what}: ${file}.json has cases`, () => assert.ok(cases.length > 0 && Object.keys(daemon).length > 0))
    for (const one of cases) test(`${what}: ${one.name}`, (t) => play(t, one, daemon, answer, joined))
  }
}

async function play(t, one, daemon, answer, joined) {
  const asked = []
  const fake = await fakeDaemon(t, (words) => {
    asked.push(words.at(-1))
    return (daemon[words.at(-1)] ?? 'NO bad-signature').replace('LEVEL', words[0] === 'PROFILE' ? 'profile' : 'claims')
  })
  const client = new Client({ socket: fake.path, timeout: 10_000 })
  t.after(() => client.close())
  const options = { ...Object.fromEntries(OPTIONS.map((name) => [name, one[name]])), emailVerified: one.email_verified }
  const got = await answer(t, { client, onUnknown: () => {}, ...options }, one)
  const want = joined && one.joined !== undefined ? one.joined : one
  assert.deepEqual(asked, want.asked)
  assert.deepEqual(
    { user: got.user, status: got.user === undefined ? got.status : undefined, challenge: got.headers?.['www-authenticate'], after: got.headers?.['retry-after'] },
    { user: want.user, status: want.status, challenge: want.challenge, after: want.retry_after },
  )
  if (want.user === undefined) assert.equal(got.headers['cache-control'], 'no-store')
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
