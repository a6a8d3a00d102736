// Programs that make clients again and again and close none: for each request, or because their modules are loaded anew.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { GRANTED, calm, fakeDaemon } from './fake.mjs'
import { until } from './time.mjs'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
const require = createRequire(import.meta.url)

// loaded is the package, loaded anew.
function loaded() {
  for (const path of Object.keys(require.cache)) {
    if (path.includes('/client/node/src/')) delete require.cache[path]
  }
  const { Client, internals } = require('../src/client.js')
  const { sharedClient } = require('../src/rules.js')
  return { Client, internals, sharedClient, guard: require('neonauthd/middleware').guard }
}

// hurry makes the times short after which connections end, and returns the client.
function hurry(client, { internals }) {
  const { wire, keeper } = internals(client)
  assert.ok(wire.idleTime > 0 && wire.idleTime <= 1000)
  wire.idleTime = 5
  const wait = keeper.wait
  keeper.wait = (span, run) => wait(span / 200, run)
  return client
}

// pass has a guard judge one request.
function pass(guard) {
  return new Promise((resolve, reject) => {
    const res = { setHeader() {}, end: () => reject(new Error('it is refused')) }
    guard({ method: 'GET', headers: { authorization: 'Bearer a.b.c' }, headersDistinct: { authorization: ['Bearer a.b.c'] }, rawHeaders: ['authorization', 'Bearer a.b.c'] }, res, resolve)
  })
}

function keepSocketVariable(t) {
  const before = process.env.NEONAUTHD_SOCKET
  t.after(() => (before === undefined ? delete process.env.NEONAUTHD_SOCKET : (process.env.NEONAUTHD_SOCKET = before)))
}

// A request of each program returns what must not stay.
const PROGRAMS = {
  'a client for each request': async ({ path }, all) => {
    const client = hurry(new all.Client({ socket: path }), all)
    assert.equal((await client.verify('a.b.c')).outcome, 'accepted')
    return client
  },
  'a client and several lookups for each request': async ({ path }, all) => {
    const client = hurry(new all.Client({ socket: path }), all)
    for (let i = 0; i < 5; i++) assert.equal((await client.verify(`a.b.${i}`)).outcome, 'accepted')
    return client
  },
  'a guard for each load of its modules': async ({ path }) => {
    process.env.NEONAUTHD_SOCKET = path
    const all = loaded()
    hurry(all.sharedClient(), all)
    await pass(all.guard())
    return {} // Node itself holds what was loaded
  },
}

for (const [name, request] of Object.entries(PROGRAMS)) {
  test(`of ${name} nothing stays`, async (t) => {
    keepSocketVariable(t)
    const fake = await fakeDaemon(t, () => GRANTED, calm)
    const all = loaded()
    const clients = []
    for (let i = 0; i < 30; i++) clients.push(new WeakRef(await request(fake, all)))
    assert.equal(fake.connections, 30)
    await until(() => fake.sockets.size === 0)
    await until(() => (collect(), clients.every((client) => client.deref() === undefined)))
  })
}

test('guards that are made for each request share a client and its connections', async (t) => {
  keepSocketVariable(t)
  const fake = await fakeDaemon(t, () => GRANTED, calm)
  process.env.NEONAUTHD_SOCKET = fake.path
  const all = loaded()
  for (let i = 0; i < 30; i++) await pass(all.guard())
  t.after(() => all.sharedClient().close())
  assert.equal(fake.connections, 1)
  assert.ok(fake.told.filter((line) => line === 'WATCH').length <= 1)
})
