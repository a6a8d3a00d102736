import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

import answer from '../src/answer.js'
import memory from '../src/memory.js'

const { Accepted } = answer
const { Entry, Memory, keyOf } = memory
const NOW = { mono: 0, wall: 0 }
const RUN = 'run'

// leased returns a memory of so many places in a generation, under a lease.
function leased(places) {
  const memory = new Memory(2 * places)
  memory.ask(NOW)
  memory.begin({ run: RUN, n: 0 })
  assert.ok(memory.grant(0, 1000))
  return memory
}

// entryOf returns an answer with a text of so many letters that depends on these things.
function entryOf(size, handles = ['one'], fields = {}) {
  const accepted = new Accepted({ age: 0, ttl: 60_000, expires: new Date(2 ** 43), json: 'x'.repeat(size), ...fields })
  return new Entry(accepted, handles, NOW)
}

const keep = (memory, n, entry, rev = 0) => memory.keep(`${n}`, entry, { run: RUN, n: rev })
const has = (memory, n) => memory.recall(`${n}`, NOW, -1) !== undefined

// kept lists which of so many answers a memory has. What is old moves up, and may push others out.
const kept = (memory, of) => Array.from({ length: of }, (_, n) => n).filter((n) => has(memory, n))

test('the memory has a limit', () => {
  const places = 4
  for (const [answers, want] of [
    [places - 1, places - 1], [places, places], [places + 1, places + 1],
    [2 * places - 1, 2 * places - 1], [2 * places, 2 * places], [2 * places + 1, places + 1],
  ]) {
    for (let n = 0; n < answers; n++) {
      const memory = leased(places)
      for (let k = 0; k < answers; k++) keep(memory, k, entryOf(100))
      assert.equal(has(memory, n), n >= answers - want, `of ${answers} answers, number ${n}`)
    }
  }
})

for (const keepOption of [1, 2, 3, 1024]) {
  test(`of a memory for ${keepOption} answers a generation has half, rounded up`, () => {
    const memory = new Memory(keepOption)
    memory.ask(NOW)
    memory.begin({ run: RUN, n: 0 })
    memory.grant(0, 1000)
    const half = Math.ceil(keepOption / 2)
    for (let n = 0; n <= 2 * half; n++) keep(memory, n, entryOf(100))
    assert.deepEqual([has(memory, 0), has(memory, half - 1), has(memory, 2 * half)], [false, false, true])
  })
}

test('an answer takes places of 4096 bytes, and twice its text in case its user is read', () => {
  const places = 4
  const most = (4096 * places - 512) / 2
  for (const [size, want] of [[1, 1], [(4096 - 512) / 2 - 1, 1], [(4096 - 512) / 2, 2], [most - 1, places], [most, places + 1]]) {
    const entry = entryOf(size)
    assert.equal(entry.places, want, `${size} letters`)
    const memory = leased(places)
    keep(memory, 0, entry)
    assert.equal(has(memory, 0), want <= places)
  }
  assert.deepEqual(['\u00e4', '\u4e2d'].map((c) => entryOf(1, [], { json: c.repeat(1791) }).places), [1, 2]) // one byte each, and two
  assert.equal(entryOf(1, [], { payload: 'x'.repeat(4096) }).places, 3)
  const memory = leased(places)
  for (const [n, size] of [1, 4000, 1].entries()) keep(memory, n, entryOf(size)) // 1, 3 and 1 places
  assert.deepEqual(kept(memory, 3), [0, 1, 2])
})

test('an answer that is replaced takes its place once', () => {
  const memory = leased(4)
  for (let n = 0; n < 100; n++) keep(memory, Math.min(n, 3), entryOf(100))
  memory.drop('3')
  keep(memory, 4, entryOf(100))
  assert.deepEqual(kept(memory, 5), [0, 1, 2, 4])
})

test('what is used at least once in a generation stays', () => {
  const memory = leased(4)
  keep(memory, 0, entryOf(100))
  for (let n = 1; n < 50; n++) {
    keep(memory, n, entryOf(100))
    if (n % 3 === 0) assert.ok(has(memory, 0), `it is gone after ${n} others`)
  }
  assert.deepEqual([has(memory, 40), has(memory, 49)], [false, true])
})

test('forgetting reaches both generations', () => {
  for (const [name, forget] of Object.entries({
    'by a handle': (memory) => memory.forget({ n: 1, handles: ['nine', 'two', 'eight'] }),
    all: (memory) => memory.forget({ n: 1 }),
    'at the end': (memory) => memory.end() ?? true,
  })) {
    const memory = leased(3)
    for (let n = 0; n < 5; n++) keep(memory, n, entryOf(100, ['two', `${n}`]))
    assert.ok(forget(memory))
    assert.deepEqual(kept(memory, 5), [], name)
    if (!memory.up) memory.begin({ run: RUN, n: 1 })
    for (let n = 5; n < 11; n++) keep(memory, n, entryOf(100, ['three']), 1)
    // A use of an old one moves it up, so the first of them is looked at last.
    assert.deepEqual([10, 8, 5].map((n) => has(memory, n)), [true, true, true], `${name}: something takes a place that is not there`)
  }
})

test('a forgotten answer does not come back', () => {
  const memory = leased(1)
  keep(memory, 0, entryOf(1))
  keep(memory, 1, entryOf(1, ['two']))
  memory.forget({ n: 1, handles: ['one'] })
  assert.deepEqual([has(memory, 0), has(memory, 1), has(memory, 0)], [false, true, false])
})

// With one more the answers that were decided before the first of them are refused, whatever they depend on.
for (const events of [255, 256, 257]) {
  test(`of ${events} events those that count are remembered`, () => {
    const memory = leased(1000)
    for (let n = 1; n <= events; n++) assert.ok(memory.forget({ n, handles: [`${n}`] }))
    for (let rev = 0; rev <= events; rev++) {
      for (const handle of [1, rev, rev + 1, events, 5000]) {
        keep(memory, 'it', entryOf(1, ['other', `${handle}`]), rev)
        const ended = handle > rev && handle <= events // the handle N ends at revision N
        const known = events <= 256 || rev >= 1
        assert.equal(has(memory, 'it'), known && !ended, `decided at ${rev}, depends on ${handle}`)
        memory.drop('it')
      }
    }
  })
}

test('a revision only rises', () => {
  const memory = leased(10)
  assert.deepEqual([3, 3, 2, undefined, NaN, 4].map((n) => memory.forget({ n, handles: [] })), [true, false, false, false, false, true])
})

test('nothing is kept without a watch, of another run, or granted without having been asked for', () => {
  const memory = new Memory(10)
  keep(memory, 0, entryOf(1))
  assert.equal(memory.grant(0, 1000), false)
  memory.ask(NOW)
  memory.begin({ run: 'other', n: 0 })
  assert.equal(memory.grant(1, 1000), false)
  assert.equal(memory.grant(0, 1000), true)
  keep(memory, 1, entryOf(1))
  assert.deepEqual(kept(memory, 2), [])
})

test('the daemon\'s age was rounded down, so a max-age has to hold with a second more', () => {
  const entry = entryOf(1, [], { age: 3000 })
  for (const [span, maxAge, serves] of [
    [0, -1, true], [0, 0, false], [0, 3, false], [0, 4, true], [0.001, 4, false], [1000, 5, true], [59_999, -1, true], [60_000, -1, false],
    [59_999, 3600, true],
  ]) {
    assert.equal(entry.serves({ mono: span, wall: span }, maxAge), serves, `after ${span} ms for ${maxAge} s`)
  }
})

test('a token that has ended serves nobody, whatever the program does with the Date that it was given', () => {
  const entry = entryOf(1, [], { expires: new Date(30_000) })
  entry.answer.expires.setTime(50_000)
  assert.deepEqual([29_999, 30_000, 30_001].map((wall) => entry.serves({ mono: 0, wall }, -1)), [true, false, false])
})

test('the key of a question holds no token and nothing in clear', () => {
  const question = { verb: 'VERIFY', token: 'abc.def.ghi', project: 'main', fallback: false }
  const keys = new Set([
    keyOf(question), keyOf({ ...question, token: 'abc.def.ghj' }), keyOf({ ...question, verb: 'PROFILE' }),
    keyOf({ ...question, project: '' }), keyOf({ ...question, fallback: true }),
  ])
  assert.equal(keys.size, 5)
  assert.ok([...keys].every((key) => !/abc|def|gh/.test(key)))
  assert.equal(keyOf({ ...question, label: 'somebody', maxAge: 3, background: true }), keyOf(question))

  // Older releases of Node 20 have no crypto.hash.
  const program = `require('node:crypto').hash = undefined
    const { keyOf } = require(${JSON.stringify(new URL('../src/memory.js', import.meta.url).pathname)})
    console.log(Buffer.from(keyOf(${JSON.stringify(question)}), 'latin1').toString('hex'))`
  assert.equal(Buffer.from(execFileSync(process.execPath, ['-e', program]).toString().trim(), 'hex').latin1Slice(), keyOf(question))
})
