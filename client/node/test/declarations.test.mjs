// Holds the type declarations, which are written by hand, against the code. What the types mean is for types.mts.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import * as index from 'neonauthd'
import * as fastify from 'neonauthd/fastify'
import * as fetch from 'neonauthd/fetch'
import * as hono from 'neonauthd/hono'
import * as httpauth from 'neonauthd/httpauth'
import * as middleware from 'neonauthd/middleware'
import * as testing from 'neonauthd/testing'

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8')
const ENTRIES = {
  index: [index, read('../index.d.ts').replace("export * from './shapes.js'\n", () => read('../shapes.d.ts'))],
  middleware: [middleware, read('../middleware.d.ts')],
  fetch: [fetch, read('../fetch.d.ts')],
  fastify: [fastify, read('../fastify.d.ts')],
  hono: [hono, read('../hono.d.ts')],
  httpauth: [httpauth, read('../httpauth.d.ts')],
  testing: [testing, read('../testing.d.ts')],
}

const names = (text, kinds) => [...text.matchAll(new RegExp(`^export (?:${kinds}) (\\w+)`, 'gm'))].map((m) => m[1])

// members returns what a declaration's braces hold, by name; those of calls and of well-known symbols have none.
function members(text, declaration) {
  const body = new RegExp(`^export ${declaration}\\b.*\\{\\n([^]*?)^\\}`, 'm').exec(text)
  assert.ok(body, `there is no ${declaration}`)
  return [...body[1].matchAll(/^  (?:readonly )?(\w+)\??[:(<]/gm)].map((m) => m[1])
}

for (const [entry, [code, text]] of Object.entries(ENTRIES)) {
  test(`${entry}.d.ts declares what the code exports`, () => {
    // An import has every name that a require has, and the whole under these two.
    const exported = Object.keys(code).filter((name) => name !== 'default' && name !== 'module.exports')
    assert.deepEqual([...new Set(names(text, 'class|function|const'))].sort(), exported.sort())
    // Nothing is exported in a form that names does not see.
    assert.equal(names(text, 'class|function|const|type|interface').length, text.match(/^\s*export\b/gm).length)
  })

  test(`types.mts uses every name of ${entry}.d.ts`, () => {
    const program = read('types.mts')
    for (const name of names(text, 'class|function|const|type|interface')) {
      assert.ok(program.match(new RegExp(`\\b${name}\\b`, 'g'))?.length > 1, `${name} is not used`)
    }
  })
}

test('every option that is declared is known', async () => {
  const [, text] = ENTRIES.index
  const calls = members(text, 'interface CallOptions')
  const lookups = [...calls, ...members(text, 'interface VerifyOptions')]
  const profiles = [...lookups, ...members(text, 'interface ProfileOptions')]
  const rules = ['interface RequirementOptions', 'interface Rules'].flatMap((name) => members(ENTRIES.httpauth[1], name))
  for (const entry of ['middleware', 'fetch', 'fastify', 'hono']) assert.deepEqual(members(ENTRIES[entry][1], 'interface GuardOptions'), ['refuse'])
  rules.push('refuse')
  const client = new index.Client({ socket: '/nowhere' })
  const down = { kind: 'unreachable' }
  for (const [options, take] of [
    [members(text, 'interface ClientOptions'), async (given) => new index.Client(given)],
    [calls, (given) => assert.rejects(client.ping(given), down)],
    [calls, (given) => assert.rejects(client.hello(given), down)],
    [lookups, (given) => client.verify('token', given)],
    [profiles, (given) => client.profile('token', given)],
    ...[middleware, fetch, fastify, hono].map((module) => [rules.filter((name) => name !== 'client'), async (given) => assert.throws(() => module.guard(given), (error) => {
      if (/has no option/.test(error.message)) throw error
      return error instanceof TypeError // for a value of no use
    })]),
  ]) {
    assert.ok(options.length >= 2)
    for (const name of options) await take({ [name]: undefined })
    await assert.rejects(take({ other: undefined }))
  }
})
