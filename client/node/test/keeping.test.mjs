// What keeping does in time, beside the transcripts.
import assert from 'node:assert/strict'
import { execFile, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'

import { Client } from 'neonauthd'
import internal from '../src/client.js'
import memories from '../src/memory.js'
import watches from '../src/watch.js'
import { GRANTED, calm, fakeDaemon } from './fake.mjs'
import { Time, until } from './time.mjs'

const { Memory } = memories
const { Watch } = watches

// keeping returns a client with its keeper, by a time of its own, and a daemon whose answers it keeps.
async function keeping(t, { reply = () => GRANTED, watch = calm, ...options } = {}) {
  const fake = await fakeDaemon(t, reply, watch)
  const client = new Client({ socket: fake.path, timeout: 10_000, ...options })
  t.after(() => client.close())
  const time = new Time()
  const keeper = time.rule(client)
  return { fake, client, time, keeper, ask: (token = 'a.b.c') => client.verify(token) }
}

const settled = (keeper) => until(() => keeper.memory.up && !keeper.memory.owed)

async function watched(t, options) {
  const all = await keeping(t, options)
  assert.equal((await all.ask()).outcome, 'accepted')
  all.time.pass(1)
  await settled(all.keeper)
  return all
}

test('a watch ends some seconds after the last lookup, and until then nothing is asked twice', async (t) => {
  const { fake, time, keeper, ask } = await watched(t)
  assert.equal((await ask()).source, 'upstream') // this one is kept
  for (let i = 0; i < 40; i++) {
    time.pass(100)
    assert.equal((await ask()).source, 'cache')
    await settled(keeper)
  }
  assert.equal(fake.requests.length, 2)
  time.pass(4900)
  assert.ok(keeper.watching)
  time.pass(5200)
  assert.ok(!keeper.watching)
  await until(() => fake.told.at(-1) === 'QUIT')
  const hits = fake.told.map((line) => Number(/hits=(\d+)/.exec(line)?.[1] ?? 0))
  assert.equal(hits.reduce((sum, one) => sum + one), 40)
  await until(() => !fake.sockets.has(fake.watch))

  await ask() // opens another one
  time.pass(1)
  await settled(keeper)
  await ask()
  assert.equal(fake.requests.length, 4, 'what was kept has outlived its watch')
})

test('a caller that has given up gets no kept answer', async (t) => {
  const { client, ask } = await watched(t)
  await ask()
  const answer = await client.verify('a.b.c', { signal: AbortSignal.abort('gone') })
  assert.equal(answer.error?.kind, 'cancelled')
  assert.equal((await ask()).source, 'cache')
})

test('the watch of a single lookup ends after a second', async (t) => {
  const { fake, time } = await watched(t)
  time.pass(1000)
  await until(() => fake.told.length === 2)
  assert.deepEqual(fake.told, ['WATCH', 'QUIT'])
  await until(() => !fake.sockets.has(fake.watch))
})

test('a client that is closed before its watch is up has none', async (t) => {
  for (const turns of [0, 1, 2, 3]) {
    const { fake, client, time, keeper, ask } = await keeping(t)
    await ask()
    time.pass(1)
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    await client.close()
    time.pass(1000)
    await until(() => fake.sockets.size === 0 && !keeper.watching)
    assert.ok(fake.told.length === 0 || fake.told.at(-1) === 'QUIT', `a lease that nobody gives back: ${fake.told}`)
  }
})

test('a client that is closed under a lookup opens no watch', async (t) => {
  const { fake, client, time, keeper } = await keeping(t)
  await client.close()
  keeper.openWatch() // as the lookup does when it ends
  time.pass(1)
  assert.ok(!keeper.watching)
  assert.deepEqual(fake.told, [])
})

test('what comes on a watch after its end counts for nothing, least of all for the next watch', () => {
  const memory = new Memory(1024)
  let mono = 0
  let ends = 0
  const keeper = { memory, now: () => ({ mono, wall: mono }), wait: () => () => {}, unwatched() { ends++ } }
  const opened = () => {
    const socket = Object.assign(new EventEmitter(), { unref() {}, write() {}, end() {}, destroy() {} })
    const watch = new Watch(socket, keeper)
    return { watch, socket, hear: (line) => socket.emit('data', Buffer.from(`${line}\n`)) }
  }
  const first = opened()
  first.hear('OK lease=1000 rev=AAAAAAAAAAA.0')
  first.watch.end()
  first.hear('OK lease=1000 rev=AAAAAAAAAAA.0')
  assert.ok(!memory.up)
  const next = opened()
  next.hear('OK lease=1000 rev=AAAAAAAAAAA.0')
  mono = 500
  next.watch.renew(keeper.now())
  first.hear('OK lease=1000 rev=0')
  first.hear('OK forget=* rev=1')
  first.socket.emit('end')
  first.socket.emit('error', new Error('reset'))
  assert.ok(memory.up)
  assert.equal(ends, 1)
  assert.deepEqual([memory.owed, memory.leased.mono, memory.lease, memory.rev], [true, 0, 1000, 0])
})

test('a lease counts from before its line is sent: the process may be stopped just after', () => {
  const memory = new Memory(1024)
  let mono = 0
  const keeper = { memory, now: () => ({ mono, wall: mono }), wait: () => () => {}, unwatched() {} }
  const socket = Object.assign(new EventEmitter(), { unref() {}, write() { mono += 300 }, end() {}, destroy() {} })
  const watch = new Watch(socket, keeper)
  const hear = (line) => socket.emit('data', Buffer.from(`${line}\n`))
  hear('OK lease=1000 rev=AAAAAAAAAAA.0')
  assert.deepEqual([memory.leased.mono, mono], [0, 300])
  watch.renew(keeper.now())
  hear('OK lease=1000 rev=0')
  assert.deepEqual([memory.leased.mono, mono], [300, 600])
  hear('OK forget=* rev=1')
  hear('OK lease=1000 rev=1')
  assert.deepEqual([memory.leased.mono, mono], [600, 900])
})

test('a client that keeps nothing has no watch', async (t) => {
  const fake = await fakeDaemon(t, () => GRANTED, calm)
  const client = new Client({ socket: fake.path, keep: 0 })
  t.after(() => client.close())
  for (let i = 0; i < 3; i++) assert.equal((await client.verify('a.b.c')).source, 'upstream')
  assert.equal(internal.internals(client).keeper, undefined)
  assert.deepEqual([fake.requests.length, fake.told, fake.requests.some(({ words }) => words.includes('keep=1'))], [3, [], false])
})

test('keep is a number of answers', () => {
  for (const keep of [0, 1, 1024, undefined]) new Client({ keep })
  for (const keep of [-1, 1.5, NaN, '10', true, null]) {
    if (keep === null) new Client({ keep }) // as good as left out
    else assert.throws(() => new Client({ keep }), RangeError)
  }
})

test('a daemon that does not know WATCH is asked for it once, and never for keep', async (t) => {
  const { fake, time, keeper, ask } = await keeping(t, { watch: () => 'ERR unknown-verb' })
  for (let i = 0; i < 100; i++) {
    await ask()
    time.pass(1)
    await until(() => !keeper.watching)
  }
  assert.deepEqual([fake.requests.length, fake.told], [100, ['WATCH']])
  assert.ok(fake.requests.every(({ words }) => !words.includes('keep=1')))
})

test('a kept answer is the receiver\'s own', async (t) => {
  const { ask } = await watched(t)
  const expires = []
  for (let i = 0; i < 3; i++) {
    const answer = await ask()
    expires.push(answer.expires.getTime())
    answer.expires.setTime(0)
    const data = answer.data()
    assert.equal(data.sub, 'user-1')
    data.sub = 'user-2'
    assert.throws(() => { answer.user.id = 'user-2' }, TypeError)
    assert.throws(() => { answer.subject = 'user-2' }, TypeError)
    assert.equal(answer.user.email, 'ada@example.org')
  }
  assert.deepEqual(expires, [4102444800000, 4102444800000, 4102444800000])
})

test('only a few are asked about in the background at once, and nobody waits for that', async (t) => {
  const { fake, client, time, keeper, ask } = await watched(t, { reply: () => GRANTED.replace('ttl=57', 'ttl=2') })
  for (let n = 0; n < 100; n++) await ask(`t.${n}`)
  for (let i = 0; i < 5; i++) { // the lease goes on
    time.pass(199)
    await ask('t.50')
    await settled(keeper)
  }
  time.pass(10)
  fake.reply = () => null
  const before = fake.requests.length
  for (let n = 0; n < 100; n++) assert.equal((await ask(`t.${n}`)).source, 'cache')
  await until(() => fake.requests.length === before + 8)
  await new Promise(setImmediate)
  assert.deepEqual([fake.requests.length, keeper.refreshing], [before + 8, 8])
  await client.close()
  await until(() => keeper.refreshing === 0)
})

test('a lookup in the background has the options of the use that began it, and not its signal', async (t) => {
  const { fake, client, time, keeper } = await watched(t, { reply: () => GRANTED.replace('ttl=57', 'ttl=1') })
  const abort = new AbortController()
  const ask = (signal) => client.verify('a.b.c', { project: 'main', onBehalfOf: 'ada', deadline: 5000, signal })
  await ask(abort.signal)
  time.pass(500)
  await ask(abort.signal)
  abort.abort()
  await until(() => keeper.refreshing === 0)
  const [asked, again] = fake.requests.slice(-2).map(({ words }) => words.filter((word) => !word.startsWith('deadline=')).join(' '))
  assert.equal(again, asked)
  assert.match(again, /^VERIFY project=main for=\S+ keep=1 a.b.c$/)
  time.pass(999)
  assert.equal((await ask()).ttl, 0, 'the refreshed answer is not kept')
})

for (const [what, silent] of [['WATCH', 0], ['SEEN', 1]]) {
  test(`a watch on which ${what} is not answered is given up, and another one is had`, async (t) => {
    let lines = 0
    const { fake, time, keeper, ask } = await keeping(t, { watch: (words) => (lines++ === silent ? null : calm(words)) })
    await ask()
    time.pass(1)
    await until(() => lines === 1)
    if (silent > 0) await settled(keeper)
    const first = fake.watch
    for (let i = 0; i < 60 && fake.sockets.has(first); i++) {
      time.pass(250)
      await ask()
      await new Promise(setImmediate)
    }
    await until(() => !fake.sockets.has(first))
    assert.ok(!fake.told.includes('QUIT'), 'it was only not used')
    time.pass(1000)
    await ask()
    time.pass(1)
    await settled(keeper)
  })
}

test('a watch that hangs holds nobody up', async (t) => {
  const { fake, client, time, ask } = await keeping(t, { watch: () => null })
  await ask()
  time.pass(1)
  await until(() => fake.told.length === 1)
  for (let i = 0; i < 10; i++) assert.equal((await ask()).outcome, 'accepted')
  await client.close()
  await until(() => fake.sockets.size === 0)
})

// run runs a program in a process of its own and returns what it printed.
async function run(program, ...args) {
  const options = { cwd: new URL('..', import.meta.url), timeout: 20_000 }
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, ...args], options)
  return stdout.trim()
}

// What a program does until its answers come from memory. A call may take longer than such a program. The clocks of what it keeps
// stand still, so that no lease ends while the machine is busy.
const KEEP = `import { Client } from 'neonauthd'
  import internal from './src/client.js'
  const client = new Client({ socket: process.argv.at(-1), timeout: 60_000 })
  let mono = 0
  internal.internals(client).keeper.now = () => ({ mono, wall: mono })
  let answer
  do await new Promise(setImmediate), answer = await client.verify('a.b.c')
  while (answer.source !== 'cache')
`

test('a program ends while its watch is up', async (t) => {
  const fake = await fakeDaemon(t, () => GRANTED, calm)
  assert.equal(await run(`${KEEP} console.log(answer.source)`, fake.path), 'cache')
  assert.ok(fake.told.includes('WATCH'))
})

test('a program ends while something is asked in the background', async (t) => {
  let lookups = 0
  const fake = await fakeDaemon(t, ([, ...words]) => {
    // The second answer with keep=1 is never given.
    if (words.includes('keep=1') && lookups++ > 0) return null
    return GRANTED.replace('ttl=57', 'ttl=1')
  }, calm)
  const program = `${KEEP}
    mono = 500 // half of its time
    console.log((await client.verify('a.b.c')).source)`
  assert.equal(await run(program, fake.path), 'cache')
  await until(() => lookups === 2)
})

test('a process that is forked inherits nothing, and a thread shares nothing', async (t) => {
  const fake = await fakeDaemon(t, () => GRANTED, calm)
  const client = new Client({ socket: fake.path })
  t.after(() => client.close())
  const kept = async () => (await client.verify('a.b.c')).source === 'cache'
  while (!(await kept())) await new Promise(setImmediate)
  const watches = () => fake.told.filter((line) => line === 'WATCH').length
  const mine = fake.watch
  const before = watches()
  const program = fileURLToPath(new URL('keeps.mjs', import.meta.url))

  const child = fork(program, [fake.path])
  t.after(() => child.kill('SIGKILL')) // also if the test fails: a child that lives keeps the test running
  assert.deepEqual(await once(child, 'message'), ['cache', undefined])
  const thread = new Worker(program, { argv: [fake.path] })
  t.after(() => thread.terminate())
  assert.deepEqual(await once(thread, 'message'), ['cache'])
  assert.ok(watches() >= before + 2)

  await client.close()
  await until(() => !fake.sockets.has(mine)) // nobody else holds it
  child.kill()
  await Promise.all([once(child, 'exit'), thread.terminate()])
  await until(() => fake.sockets.size === 0)
})
