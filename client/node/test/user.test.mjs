import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { Client } from 'neonauthd'
import { fakeDaemon } from './fake.mjs'

const cases = JSON.parse(readFileSync(new URL('../../testdata/user/cases.json', import.meta.url), 'utf8'))
const declarations = readFileSync(new URL('../shapes.d.ts', import.meta.url), 'utf8')

test('there are cases of users', () => assert.ok(cases.length > 0))

// As the protocol spells a value that has no other bytes than these subjects.
const encoded = (text) => text.replace(/[ %]/g, (c) => (c === ' ' ? '%20' : '%25'))

for (const one of cases) {
  test(`user: ${one.name}`, async (t) => {
    const fake = await fakeDaemon(t, () => `OK level=${one.level} project=main sub=${encoded(one.subject)}${one.principal ? ` principal=${one.principal}` : ''} age=3 ttl=57 exp=4102444800 source=cache ${one.json}`)
    const client = new Client({ socket: fake.path, timeout: 10_000 })
    t.after(() => client.close())
    const payload = Buffer.from(one.claims ?? '{}').toString('base64url')
    const token = one.token ?? (one.level === 'profile' && one.claims === null ? 'session.c2lnbmF0dXJl' : `e30.${payload}.c2ln`)
    const answer = await (one.level === 'profile' ? client.profile(token) : client.verify(token))
    assert.equal(answer.outcome, 'accepted')
    assert.deepEqual({ ...answer.user }, { scopes: [], ...one.user })
    assert.equal(answer.principal, one.principal ?? '')
    assert.equal(answer.user, answer.user)
    assert.ok(Object.isFrozen(answer.user) && Object.isFrozen(answer.user.scopes))
    assert.deepEqual(answer.profile, one.level === 'profile' ? JSON.parse(one.json) : undefined)
    if (one.level === 'claims') assert.deepEqual(answer.claims, JSON.parse(one.json))
    else if (one.claims === null) assert.equal(answer.claims, undefined)
    assert.ok(!String(answer).includes(one.user.email || 'c2ln'))
  })
}

test('the claims of the token stand beside a profile', async (t) => {
  const fake = await fakeDaemon(t, () => 'OK level=profile project=main sub=u age=3 ttl=57 exp=4102444800 source=cache {"id":"u"}')
  const client = new Client({ socket: fake.path, timeout: 10_000 })
  t.after(() => client.close())
  const claims = async (payload) => (await client.profile(payload === undefined ? 'session.c2ln' : `e30.${Buffer.from(payload).toString('base64url')}.c2ln`)).claims
  assert.deepEqual(await claims('{"sub":"u","selected_team_id":"t"}'), { sub: 'u', selected_team_id: 't' })
  assert.equal(await claims(undefined), undefined)
  assert.equal(await claims('["a"]'), undefined)
  assert.equal(await claims('{'), undefined)
})

// What the upstreams send is declared, so that an editor completes it.
for (const [prefix, name] of [
  ['Stack claims', 'StackClaims'], ['Better Auth claims', 'NeonClaims'], ['Stack profile', 'StackProfile'], ['Better Auth session', 'NeonProfile'],
]) {
  test(`${name} has what is sent`, () => {
    const body = new RegExp(`^export interface ${name} \\{\\n([^]*?)^\\}`, 'm').exec(declarations)?.[1]
    const declared = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((m) => m[1])
    const sent = cases.filter((one) => one.name.startsWith(prefix) && !/future/.test(one.name))
    assert.ok(sent.length > 1)
    for (const one of sent) {
      for (const member of Object.keys(JSON.parse(one.json))) assert.ok(declared.includes(member), `${member} of "${one.name}" is not declared`)
    }
  })
}
