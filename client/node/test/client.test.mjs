import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, lchownSync, mkdtempSync, rmSync } from 'node:fs'
import { Socket, createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

import { Client, TimedOutError, UnreachableError, match } from 'neonauthd'
import { FakeClient } from 'neonauthd/testing'
import { ACCEPTED, fakeDaemon } from './fake.mjs'
import { until } from './time.mjs'
import wire from '../src/wire.js'

const { Wire } = wire

test('requests that are ready together go out in one write, on one connection', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  const client = new Client({ socket: fake.path })
  t.after(() => client.close())
  await client.ping().catch(() => {})
  fake.chunks.length = 0
  await Promise.all(Array.from({ length: 20 }, () => client.verify('a.b.c')))
  assert.equal(fake.chunks.length, 1)
  assert.equal(fake.connections, 1)
})

test('many callers travel on one connection', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  const client = new Client({ socket: fake.path })
  t.after(() => client.close())
  for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 1000 }, () => client.verify('a.b.c')))
  assert.equal(fake.connections, 1)
})

for (const [name, mode, owner, asked] of [
  ['of this user in a folder of all is asked', 0o1777, process.geteuid(), true],
  ['of a stranger in a folder of all is not asked', 0o1777, 65534, false],
  ['of this user where all can replace it is not asked', 0o777, process.geteuid(), false],
  ['of another user in a folder of its own is asked', 0o755, 65534, true],
]) {
  test(`a socket ${name}`, { skip: process.geteuid() !== 0 && 'only root can give a socket to another user' }, async (t) => {
    const fake = await fakeDaemon(t, () => 'OK')
    lchownSync(fake.path, owner, owner)
    chmodSync(dirname(fake.path), mode)
    const client = new Client({ socket: fake.path })
    t.after(() => client.close())
    if (asked) await client.ping()
    else await assert.rejects(client.ping(), { name: 'UnreachableError', message: /keep the daemon's socket in a folder/ })
    assert.equal(fake.requests.length > 0, asked)
  })
}

test('an abstract socket is not asked', async (t) => {
  const client = new Client({ socket: '\0neonauthd' })
  t.after(() => client.close())
  await assert.rejects(client.ping(), { name: 'UnreachableError', message: /abstract/ })
})

// A daemon whose queue of new connections is full until it reads a byte from its standard input.
const BUSY = `const { readSync } = require('node:fs')
const server = require('node:net').createServer((socket) => socket.on('error', () => {}).on('data', (line) => {
  if (line.includes(' ')) socket.write(line.toString().split(' ')[0] + ' NO expired\\n')
}))
server.listen({ path: process.argv[1], backlog: 1 }, () => { console.log('full'); readSync(0, Buffer.alloc(1)) })`

test('a call waits while the queue of the daemon is full, also after others have waited in vain', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'na'))
  const path = join(folder, 's')
  const daemon = spawn(process.execPath, ['-e', BUSY, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const sockets = []
  t.after(() => {
    daemon.kill()
    for (const socket of sockets) socket.destroy()
    rmSync(folder, { recursive: true })
  })
  await once(daemon.stdout, 'data')
  for (let full = false; !full;) {
    sockets.push(createConnection(path))
    await once(sockets.at(-1), 'connect').catch(({ code }) => { full = code === 'EAGAIN' })
  }
  const client = new Client({ socket: path })
  t.after(() => client.close())
  const later = globalThis.setTimeout
  let waiting = 0
  t.mock.method(globalThis, 'setTimeout', (run, span) => {
    waiting++
    return later(() => { waiting--; run() }, span)
  })
  for (const deadline of [1, 5, 10]) {
    assert.equal((await client.verify('a.b.c', { deadline })).error.kind, 'timeout')
    await until(() => waiting === 0) // the last attempt to connect is made
    for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate) // and fails
  }
  const late = client.verify('a.b.c', { deadline: 20_000 })
  daemon.stdin.write('x')
  assert.equal((await late).reason, 'expired')
})

for (const callers of [255, 256, 257]) {
  test(`of ${callers} calls at most as many are sent as the daemon works on at once, and the others next`, async (t) => {
    const fake = await fakeDaemon(t, () => null)
    const client = new Client({ socket: fake.path })
    t.after(() => client.close())
    const calls = Array.from({ length: callers }, () => client.verify('a.b.c'))
    while (fake.requests.length < Math.min(callers, 256)) await new Promise(setImmediate)
    await new Promise(setImmediate)
    assert.equal(fake.requests.length, Math.min(callers, 256))
    fake.reply = () => 'NO expired'
    for (const { tag, socket } of fake.requests.splice(0)) socket.write(`${tag} NO revoked\n`)
    const reasons = (await Promise.all(calls)).map((answer) => answer.reason)
    assert.equal(reasons.filter((reason) => reason === 'revoked').length, Math.min(callers, 256))
    assert.equal(reasons.filter((reason) => reason === 'expired').length, callers - Math.min(callers, 256))
  })
}

for (const givenUp of [64, 65]) {
  test(`${givenUp} callers who give up cost ${givenUp > 64 ? 'a connection, and nobody who waits on it' : 'no connection'}`, async (t) => {
    const fake = await fakeDaemon(t, () => null)
    const client = new Client({ socket: fake.path })
    t.after(() => client.close())
    const patient = client.verify('patient.b.c')
    const abort = new AbortController()
    const others = Array.from({ length: givenUp }, () => client.verify('a.b.c', { signal: abort.signal }))
    while (fake.requests.length <= givenUp) await new Promise(setImmediate)
    abort.abort()
    assert.ok((await Promise.all(others)).every((answer) => answer.error.kind === 'cancelled'))
    fake.reply = () => 'NO expired'
    assert.equal((await client.verify('a.b.c')).reason, 'expired')
    assert.equal(fake.connections, givenUp > 64 ? 2 : 1)
    const { tag, socket } = fake.requests[0]
    socket.write(`${tag} NO revoked\n`)
    assert.equal((await patient).reason, 'revoked')
    if (givenUp > 64 && !socket.destroyed) await once(socket, 'close')
  })
}

test('calls that wait for room have it on another connection as soon as the first one is given up', async (t) => {
  const fake = await fakeDaemon(t, (words) => (words.at(-1) === 'waiting.b.c' ? 'NO expired' : null))
  const client = new Client({ socket: fake.path, timeout: 10_000 })
  t.after(() => client.close())
  const abort = new AbortController()
  for (let i = 0; i < 256; i++) client.verify('a.b.c', i < 65 ? { signal: abort.signal } : {})
  const waiting = client.verify('waiting.b.c', { deadline: 5000 })
  while (fake.requests.length < 256) await new Promise(setImmediate)
  abort.abort()
  assert.equal((await waiting).reason, 'expired')
})

test('a connection ends by itself when nobody uses it, and not under a call', async (t) => {
  const fake = await fakeDaemon(t, () => null)
  const wire = new Wire(fake.path)
  wire.idleTime = 5
  t.after(() => wire.close())
  const begun = t.mock.method(Socket.prototype, 'setTimeout').mock // of idle times: each one that passes under a call begins another
  const ask = () => wire.ask({ verb: 'PING', token: '', args: '', span: 10_000, end: performance.now() + 10_000 })
  for (let connections = 1; connections <= 2; connections++) {
    const reply = ask()
    while (fake.requests.length === 0) await new Promise(setImmediate)
    const { tag, socket } = fake.requests.pop()
    const before = begun.callCount()
    await until(() => begun.callCount() > before)
    assert.equal(socket.readyState, 'open')
    socket.write(`${tag} OK\n`)
    assert.equal(String(await reply), 'OK')
    if (!socket.destroyed) await once(socket, 'close')
    assert.equal(fake.connections, connections)
  }
})

test('an error about the connection that is garbled makes calls unknown, and harms nobody else', async (t) => {
  const fake = await fakeDaemon(t, () => null)
  const client = new Client({ socket: fake.path })
  t.after(() => client.close())
  const answer = client.verify('a.b.c')
  while (fake.requests.length === 0) await new Promise(setImmediate)
  fake.requests[0].socket.write('ERR busy retry-after=soon\n')
  assert.equal((await answer).error.kind, 'garbled')
})

test('tags begin anywhere', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  const firsts = new Set()
  for (let i = 0; i < 4; i++) {
    const client = new Client({ socket: fake.path })
    await client.verify('a.b.c')
    await client.close()
    firsts.add(fake.requests.at(-1).tag)
  }
  assert.equal(firsts.size, 4)
})

test('callers in more of a hurry than the daemon cost the others no connection', async (t) => {
  const fake = await fakeDaemon(t, (words) => (words.at(-1) === 'slow.b.c' ? null : ACCEPTED))
  const client = new Client({ socket: fake.path })
  t.after(() => client.close())
  assert.equal((await client.verify('a.b.c')).outcome, 'accepted')
  for (let i = 0; i < 5; i++) {
    assert.equal((await client.verify('slow.b.c', { deadline: 10 })).error.kind, 'timeout')
    assert.equal((await client.verify('a.b.c')).outcome, 'accepted')
  }
  assert.equal(fake.connections, 1)
})

test('an idle connection does not keep the process alive', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  const program = `import { Client } from 'neonauthd'
    const answer = await new Client({ socket: process.argv[1] }).verify('a.b.c')
    console.log(answer.reason)`
  const options = { cwd: new URL('..', import.meta.url), timeout: 10_000 }
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, fake.path], options)
  assert.equal(stdout, 'expired\n')
})

test('a call under way does keep it alive, until its time is over', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  fake.sockets.add = (socket) => socket.pause() // it never answers
  const program = `import { Client } from 'neonauthd'
    const answer = await new Client({ socket: process.argv[1], timeout: 50 }).verify('a.b.c')
    console.log(answer.error.kind)`
  const options = { cwd: new URL('..', import.meta.url), timeout: 10_000 }
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, fake.path], options)
  assert.equal(stdout, 'timeout\n')
})

test('await using closes the client', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  const client = new Client({ socket: fake.path })
  await client[Symbol.asyncDispose]()
  assert.equal((await client.verify('a.b.c')).error.kind, 'closed')
})

test('a signal that is aborted already sends nothing', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  const client = new Client({ socket: fake.path })
  const answer = await client.verify('a.b.c', { signal: AbortSignal.abort('enough') })
  assert.deepEqual([answer.outcome, answer.error.kind, answer.error.name, answer.error.cause], ['unknown', 'cancelled', 'AbortError', 'enough'])
  await assert.rejects(client.ping({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  assert.equal(fake.connections, 0)
})

test('a call leaves no listener on its signal', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  const client = new Client({ socket: fake.path })
  t.after(() => client.close())
  let listeners = 0
  const { signal } = new AbortController()
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args) => { listeners++; add(...args) }
  signal.removeEventListener = (...args) => { listeners--; remove(...args) }
  await client.verify('a.b.c', { signal })
  assert.equal(listeners, 0)
})

test('a fault of the program is thrown, since it says nothing about a token', async () => {
  const client = new Client({ socket: '/nowhere' })
  for (const [token, options] of [
    [undefined, {}],
    [Promise.resolve('a.b.c'), {}],
    ['a.b.c', { maxage: 0 }],
    ['a.b.c', { fallback: 'all' }],
    ['a.b.c', { maxAge: -1 }],
    ['a.b.c', { deadline: 0 }],
    ['a.b.c', { project: '' }],
    ['a.b.c', { signal: {} }],
  ]) {
    await assert.rejects(client.profile(token, options), /TypeError|RangeError/)
  }
  await assert.rejects(client.verify('a.b.c', { maxAge: 0 }), TypeError)
  assert.throws(() => new Client({ sockets: '/x' }), TypeError)
  for (const socket of [5, true, ['/x']]) assert.throws(() => new Client({ socket }), TypeError)
  for (const timeout of [null, '5', 0]) assert.throws(() => new Client({ timeout }), /TypeError|RangeError/)
})

test('a client that is printed names its socket', async () => {
  const client = new Client({ socket: '/nowhere/s' })
  const { inspect } = await import('node:util')
  assert.equal(`${client}`, 'neonauthd client of "/nowhere/s"')
  assert.equal(inspect(client), 'Client { socket: "/nowhere/s" }')
})

test('a call whose time is over before it begins starts no timer in the past', async (t) => {
  const client = new Wire('/nowhere/s')
  const { mock } = t.mock.method(globalThis, 'setTimeout')
  await assert.rejects(client.ask({ verb: 'PING', token: '', args: '', span: 1, end: performance.now() - 1 }), { name: 'UnreachableError' })
  assert.deepEqual(mock.calls.map(({ arguments: [, span] }) => span), [0])
})

test('many calls may share one signal without a warning', async (t) => {
  const fake = await fakeDaemon(t, () => 'NO expired')
  const program = `
    const { Client } = require('neonauthd')
    const { signal } = new AbortController()
    const client = new Client({ socket: process.argv[1] })
    for (let i = 0; i < 20; i++) client.verify('a.b.c', { signal })`
  const { stderr } = await promisify(execFile)(process.execPath, ['-e', program, fake.path], { cwd: new URL('..', import.meta.url), timeout: 10_000 })
  assert.equal(stderr, '')
})

test('a socket path that cannot be is unknown with advice', async () => {
  for (const [path, words] of [['/nowhere/s', /is neonauthd running/], [`/${'x'.repeat(200)}`, /107 bytes/]]) {
    const answer = await new Client({ socket: path }).verify('a.b.c')
    assert.ok(answer.error instanceof UnreachableError)
    assert.match(answer.error.message, words)
  }
})

test('after a failed attempt calls fail at once for a moment, with the same cause', async () => {
  const client = new Client({ socket: '/nowhere/s' })
  const answers = await Promise.all(Array.from({ length: 5000 }, () => client.verify('a.b.c')))
  assert.ok(answers.every((answer) => answer.outcome === 'unknown' && answer.error.kind === 'unreachable'))
})

test('an answer that is not awaited says so, before anybody is let in', async () => {
  const client = new Client({ socket: '/nowhere' })
  const fake = new FakeClient()
  fake.reject('old')
  for (const asked of [client, fake]) {
    for (const method of ['verify', 'profile']) {
      for (const name of ['outcome', 'user', 'subject', 'reason', 'code', 'level']) {
        assert.throws(() => asked[method]('old')[name], { name: 'TypeError', message: /write await before verify/ })
      }
      const promise = asked[method]('old')
      assert.ok(promise instanceof Promise)
      for (const awaited of [promise, promise.then((answer) => answer), Promise.all([promise]).then(([answer]) => answer)]) assert.notEqual((await awaited).outcome, 'accepted')
      await assert.rejects(asked[method](7).finally(() => {}), TypeError)
    }
  }
})

test('match wants every branch, and an answer', async (t) => {
  const fake = await fakeDaemon(t, () => ACCEPTED)
  const client = new Client({ socket: fake.path })
  t.after(() => client.close())
  const answer = await client.verify('a.b.c')
  const branches = { accepted: (a) => a.data().email, rejected: () => 'no', unknown: () => 'later' }
  assert.equal(match(answer, branches), 'ada@example.org')
  assert.throws(() => match(answer, { accepted: () => 1, rejected: () => 2 }), TypeError)
  assert.throws(() => match(client.verify('a.b.c'), branches), /await/)
})

test('an answer cannot be changed, and logs show nothing of the user', async (t) => {
  const fake = await fakeDaemon(t, () => ACCEPTED)
  const client = new Client({ socket: fake.path })
  t.after(() => client.close())
  const answer = await client.verify('a.b.c')
  assert.throws(() => { answer.subject = 'user-2' }, TypeError)
  const { inspect } = await import('node:util')
  for (const text of [String(answer), inspect(answer), inspect({ answer }), JSON.stringify({ answer })]) {
    assert.doesNotMatch(text, /user-1|ada@/)
  }
})

test('errors are told apart by class and kind', async () => {
  assert.equal(new TimedOutError(50).kind, 'timeout')
  assert.equal(new TimedOutError(50).name, 'TimedOutError')
})
