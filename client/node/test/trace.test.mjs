import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mock, test } from 'node:test'

import { Client } from 'neonauthd'
import { guard } from 'neonauthd/fetch'
import { FakeClient } from 'neonauthd/testing'
import { Unknown } from '../src/answer.js'
import { ReplyError } from '../src/errors.js'

const request = (token) => new Request('http://site.example/', { headers: { Authorization: `Bearer ${token}` } })

// warnings returns those that the guard has emitted since the last call.
function warnings(t) {
  const emit = t.mock.method(process, 'emitWarning', () => {})
  return () => emit.mock.calls.splice(0, emit.mock.calls.length).map(({ arguments: [text, options] }) => ({ text, ...options }))
}

test('an outage leaves one line, and then few more', async (t) => {
  const taken = []
  const emit = t.mock.method(process, 'emitWarning', (text, options) => taken.push({ text, ...options }))
  let now = 1000
  t.mock.method(performance, 'now', () => now)
  const client = new Client({ socket: '/nowhere/socket' })
  const down = { verify: () => client.verify('a.b.c', { deadline: 60_000 }), profile: () => {}, socket: client.socket }
  const judge = guard({ client: down })
  for (const [after, requests, counts] of [[0, 1, [1]], [1000, 5, []], [58_999, 1, []], [1, 1, [7]], [0, 1, []], [3_600_000, 2, [2]]]) {
    now += after
    for (let i = 0; i < requests; i++) assert.equal((await judge(request('secret-token'))).status, 503)
    const lines = taken.splice(0)
    assert.deepEqual(lines.map(({ text }) => Number(/and (\d+) request/.exec(text)[1])), counts)
    for (const { text, type, code } of lines) {
      assert.match(text, /\(socket \/nowhere\/socket\): neonauthd: daemon is not reachable/)
      assert.deepEqual([type, code, text.includes('secret')], ['NeonauthdWarning', 'NEONAUTHD_UNKNOWN', false])
    }
  }
  assert.ok(emit.mock.callCount() > 0)
})

test('only what is unknown leaves a trace', async (t) => {
  const taken = warnings(t)
  const client = new FakeClient()
  client.accept('good', { id: 'ada' })
  client.reject('old')
  const judge = guard({ client, allow: () => false })
  for (const token of ['good', 'old', 'a b']) await judge(request(token))
  const cancelled = { outcome: 'unknown', code: '', retryAfter: 0, error: { kind: 'cancelled', message: '' } }
  assert.equal((await guard({ client: { verify: () => cancelled, profile: () => cancelled } })(request('good'))).status, 503)
  assert.deepEqual(taken(), [])
})

test('onUnknown is told of each answer in place of it', async (t) => {
  const taken = warnings(t)
  const client = new FakeClient()
  client.unknown('outage', 'busy')
  const onUnknown = mock.fn()
  const judge = guard({ client, onUnknown })
  const asked = request('outage')
  for (let i = 0; i < 3; i++) await judge(asked)
  assert.equal(onUnknown.mock.callCount(), 3)
  assert.deepEqual([onUnknown.mock.calls[0].arguments[0], onUnknown.mock.calls[0].arguments[1].code], [asked, 'busy'])
  assert.deepEqual(taken(), [])
})

test('a client without a socket leaves a trace too', async (t) => {
  const taken = warnings(t)
  await guard({ client: new FakeClient() })(request('untold'))
  assert.match(taken()[0].text, /got 503: neonauthd: .*the test says nothing about this token/)
})

test('a line says that the variable is not set where the socket is the default', async (t) => {
  const before = process.env.NEONAUTHD_SOCKET
  t.after(() => {
    if (before === undefined) delete process.env.NEONAUTHD_SOCKET
    else process.env.NEONAUTHD_SOCKET = before
  })
  const taken = warnings(t)
  for (const [socket, variable, later, says] of [
    ['/run/neonauthd/neonauthd.sock', '', '', '(socket /run/neonauthd/neonauthd.sock, since NEONAUTHD_SOCKET is not set)'],
    ['/run/neonauthd/neonauthd.sock', '', '/s', '(socket /run/neonauthd/neonauthd.sock, since NEONAUTHD_SOCKET was not set when the guard was made)'],
    ['/run/neonauthd/neonauthd.sock', '/run/neonauthd/neonauthd.sock', '/s', '(socket /run/neonauthd/neonauthd.sock)'],
    ['/nowhere/socket', '', '/s', '(socket /nowhere/socket)'],
  ]) {
    process.env.NEONAUTHD_SOCKET = variable
    const client = Object.assign(new FakeClient(), { socket })
    client.unknown('outage')
    const protect = guard({ client })
    process.env.NEONAUTHD_SOCKET = later // as by dotenv, after the imports
    await protect(request('outage'))
    const { text } = taken().at(-1)
    assert.ok(text.includes(says), text)
  }
})

test('a client that returns what is no answer lets nobody in, and leaves a line', async (t) => {
  const taken = warnings(t)
  for (const wrong of [undefined, null, true, 'accepted', {}]) {
    const answer = async () => wrong
    assert.equal((await guard({ client: { verify: answer, profile: answer } })(request('asked'))).status, 503)
    assert.match(taken().at(-1).text, /the client of the guard has returned what is no answer$/)
  }
})

test('a line says what has to be mended', async (t) => {
  const taken = warnings(t)
  const hints = Object.entries(JSON.parse(readFileSync(new URL('../../testdata/traces/hints.json', import.meta.url), 'utf8')))
  assert.ok(hints.length > 0)
  for (const [code, hint] of hints) {
    const answer = async () => new Unknown(new ReplyError(code, 0, '')) // also a word of a newer daemon, which no FakeClient says
    assert.equal((await guard({ client: { verify: answer, profile: answer } })(request('asked'))).status, 503)
    const what = hint === '' ? 'cannot tell whether tokens are good' : 'does not answer what the guard asks'
    assert.equal(taken().at(-1).text, `neonauthd ${what}, and 1 request got 503: neonauthd: daemon answers ${code}${hint && `; ${hint}`}`)
  }
})
