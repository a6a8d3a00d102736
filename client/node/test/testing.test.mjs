import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Client } from 'neonauthd'
import { FakeClient } from 'neonauthd/testing'

const WHOLE = {
  id: 'ada', email: 'ada@example.org', emailVerified: true, name: 'Ada \u2603', imageUrl: 'https://example.org/ada.png', teamId: 'team-1',
  sessionId: 'session-1', kind: 'normal', scopes: ['read', 'write:all'],
}
const NOTHING = { email: '', emailVerified: null, name: '', imageUrl: '', teamId: '', sessionId: '', kind: 'normal', scopes: [] }

test('a user comes back at either level', async () => {
  for (const [said, user] of [
    [WHOLE, WHOLE], [{ id: 'u' }, { ...NOTHING, id: 'u' }],
    ...['normal', 'restricted', 'anonymous', 'machine', ''].map((kind) => [{ id: 'u', emailVerified: false, kind }, { ...NOTHING, id: 'u', emailVerified: false, kind }]),
    [{ id: '', teamId: 'team-1', kind: 'team' }, { ...NOTHING, id: '', teamId: 'team-1', kind: 'team' }],
  ]) {
    const fake = new FakeClient()
    const subject = user.id || user.teamId
    fake.accept('token', said)
    for (const level of ['claims', 'profile']) {
      const answer = await (level === 'claims' ? fake.verify('token') : fake.profile('token'))
      assert.deepEqual([answer.outcome, answer.level, answer.subject, { ...answer.user }], ['accepted', level, subject, user])
      assert.equal(answer.claims.sub, subject)
      assert.ok(answer.ttl > 0 && answer.expires > new Date() && answer.project !== '')
    }
  }
})

test('a team has a teamId and no id', () => {
  for (const user of [{ id: 'u', kind: 'team' }, { id: 'u', teamId: 'team-1', kind: 'team' }, { id: '', kind: 'team' }]) {
    assert.throws(() => new FakeClient().accept('token', user), /a team has a teamId and no id/)
  }
})

test('claims and profiles may have more', async () => {
  const fake = new FakeClient()
  fake.accept('token', { id: 'ada' }, { claims: { admin: true }, profile: { server_metadata: { plan: 'pro' } } })
  assert.equal((await fake.verify('token')).claims.admin, true)
  assert.equal((await fake.profile('token')).claims.admin, true)
  assert.deepEqual((await fake.profile('token')).profile.server_metadata, { plan: 'pro' })
})

test('each question has the answer that the test says', async () => {
  const fake = new FakeClient()
  fake.accept('ada', WHOLE)
  fake.reject('old', 'expired')
  fake.reject('bad')
  fake.unknown('outage')
  fake.unknown('busy', 'busy', 5000)
  for (const [token, says] of [
    ['ada', 'accepted'], ['old', 'rejected: expired'], ['bad', 'rejected: bad-signature'], ['outage', 'unknown: neonauthd: daemon answers unavailable'],
    ['busy', 'unknown: neonauthd: daemon answers busy, retry after 5 s'], ['', 'rejected: malformed'], ['a b', 'rejected: malformed'],
    ['x'.repeat(8193), 'rejected: malformed'],
  ]) {
    for (const method of ['verify', 'profile']) assert.ok(String(await fake[method](token)).startsWith(says), says)
  }
  const untold = await fake.verify('another')
  assert.deepEqual([untold.outcome, untold.code], ['unknown', ''])
  assert.match(untold.error.message, /the test says nothing about this token/)
  fake.reject('ada', 'revoked')
  assert.equal((await fake.profile('ada')).reason, 'revoked')
})

test('a session credential has a profile and no claims', async () => {
  const fake = new FakeClient()
  const session = 'q0Wm-5_x.AA%2Bb%3D'
  for (const kind of ['normal', 'anonymous', '']) {
    const user = { ...NOTHING, id: 'u', email: 'ada@example.org', emailVerified: true, imageUrl: 'https://example.org/ada.png', kind }
    fake.accept(session, user)
    const answer = await fake.profile(session)
    assert.deepEqual([answer.outcome, answer.level, answer.subject, answer.claims, { ...answer.user }], ['accepted', 'profile', 'u', undefined, user])
    assert.equal(answer.profile.emailVerified, true)
    assert.equal((await fake.verify(session)).code, 'needs-profile')
  }
  fake.reject('a.b+c=', 'rejected-upstream')
  fake.unknown('a.b/c=')
  for (const [token, says] of [
    ['a.b+c=', 'rejected: rejected-upstream'], ['a.b/c=', 'unknown: neonauthd: daemon answers unavailable'], ['a.c%3D', 'unknown'], ['max-age=', 'rejected: malformed'],
  ]) {
    assert.ok(String(await fake.profile(token)).startsWith(says), token)
    assert.ok(String(await fake.verify(token)).startsWith(says), token)
  }
})

test('what is asked is counted', async () => {
  const fake = new FakeClient()
  await fake.verify('a', { project: 'shop' })
  await fake.profile('a b')
  assert.deepEqual(fake.asked, [{ method: 'verify', token: 'a', options: { project: 'shop' } }, { method: 'profile', token: 'a b', options: {} }])
  fake.asked.pop()
  assert.equal(fake.asked.length, 2)
})

test('the options that a client rejects are rejected with the same words', async (t) => {
  const client = new Client({ socket: '/nowhere/neonauthd.sock', keep: 0 })
  t.after(() => client.close())
  const fake = new FakeClient()
  fake.accept('ada', WHOLE)
  const said = async (asked) => asked.then(() => 'taken', String)
  for (const [method, options] of [
    ['verify', { projet: 'shop' }], ['verify', { heard: 5 }], ['verify', { maxAge: 0 }], ['verify', { deadline: 0 }], ['verify', { project: 7 }],
    ['verify', { project: 'a'.repeat(33) }], ['verify', { onBehalfOf: 7 }], ['verify', { signal: {} }], ['profile', { maxAge: -1 }],
    ['profile', { maxAge: '1' }], ['profile', { fallback: 'claim' }], ['profile', null],
  ]) {
    const rejected = await said(client[method]('ada', options))
    assert.match(rejected, /^(Type|Range)Error: /)
    assert.equal(await said(fake[method]('ada', options)), rejected)
  }
  assert.deepEqual(fake.asked, [])
  const right = { project: 'shop', heard: 5000, deadline: 1, onBehalfOf: 'visitor', signal: new AbortController().signal }
  assert.equal((await fake.verify('ada', right)).outcome, 'accepted')
  assert.equal((await fake.profile('ada', { ...right, maxAge: 0, fallback: 'claims' })).outcome, 'accepted')
})

test('what could not be true is a fault of the test', async () => {
  const fake = new FakeClient()
  for (const wrong of [
    () => fake.accept('ada'), () => fake.accept('ada', {}), () => fake.accept('ada', { id: '' }), () => fake.accept('ada', { id: 'ada', mail: 'x' }),
    () => fake.accept('ada', { id: 'ada', kind: 'admin' }), () => fake.accept('Bearer ada', WHOLE), () => fake.reject(''), () => fake.unknown('a,b'),
    () => fake.reject('x'.repeat(8193)), () => fake.reject('max-age='),
    ...[{ teamId: 't' }, { sessionId: 's' }, { scopes: ['read'] }, { kind: 'restricted' }, { kind: 'machine' }].map((more) => () => fake.accept('a.b=', { id: 'ada', ...more })),
  ]) assert.throws(wrong, TypeError)
  assert.throws(() => fake.reject('ada', 'expird'), /^TypeError: neonauthd: the reason is no word of the protocol: take one of malformed, .*, expired, /)
  assert.throws(() => fake.unknown('ada', 'unavailabel'), /^TypeError: neonauthd: the code is no word of the protocol: take one of .*, unavailable, /)
  assert.throws(() => fake.reject('expired', 'e30.e30.c2ln'), ({ message }) => !message.includes('e30'))
  fake.reject('x'.repeat(8192))
  await assert.rejects(fake.verify(undefined), TypeError)
})
