import assert from 'node:assert/strict'
import { test } from 'node:test'

import lines from '../src/lines.js'
import reply from '../src/reply.js'

const { Lines } = lines
const { textOf } = reply

// read returns what comes of the chunks, and how much of a line has begun.
function read(most, ...chunks) {
  const reader = new Lines(most)
  const found = []
  for (const chunk of chunks) {
    try {
      for (const line of reader.in(Buffer.from(chunk))) found.push(line.toString())
    } catch (error) {
      return [...found, error.kind]
    }
  }
  return [...found, reader.partial]
}

test('lines come out whole, however they came in', () => {
  const text = 'one\n\ntwo words\n'
  for (let size = 1; size <= text.length; size++) {
    const chunks = text.match(new RegExp(`[^]{1,${size}}`, 'g'))
    assert.deepEqual(read(100, ...chunks), ['one', '', 'two words', false])
    assert.deepEqual(read(100, ...chunks, 'r'), ['one', '', 'two words', true])
  }
})

for (const pieces of [1, 2, 3]) {
  test(`a line has a limit, its end included, in ${pieces} pieces`, () => {
    const most = 8
    for (const [length, fits] of [[most - 2, true], [most - 1, true], [most, false], [most + 1, false]]) {
      for (const end of ['', '\n']) {
        const text = 'x'.repeat(length) + end
        const cut = Math.ceil(text.length / pieces)
        const chunks = text.match(new RegExp(`[^]{1,${cut}}`, 'g'))
        const want = fits ? (end ? ['x'.repeat(length), false] : [true]) : ['garbled']
        assert.deepEqual(read(most, ...chunks), want, `${length} and ${JSON.stringify(end)}`)
      }
    }
  })
}

test('only one line of UTF-8 has a text', () => {
  for (const text of ['plain', '', '\u00e4\u{1f600}', '\x7f\u0085']) assert.equal(textOf(Buffer.from(text)), text)
  for (const line of ['a\rb', 'a\tb', '\u00e4\x00', [0x61, 0xe4]]) assert.throws(() => textOf(Buffer.from(line)), { kind: 'garbled' })
})
