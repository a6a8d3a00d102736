import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'

import { Accepted, Rejected, Unknown } from 'neonauthd'
import * as fastify from 'neonauthd/fastify'
import * as fetching from 'neonauthd/fetch'
import * as hono from 'neonauthd/hono'
import { Found, HEADERS, MAX_PLACE_NAME, Refusal, Requirements, Resource, Search, denied, invalidToken, preflight, refusalOf, unavailable, valuesOf } from 'neonauthd/httpauth'
import { bearer, cookie, from, guard, metadata, userOf } from 'neonauthd/middleware'
import { FakeClient } from 'neonauthd/testing'
import { RESOURCES, exchange, linesOf, overHTTP, playCases, playResources, told } from './cases.mjs'

playCases('node:http', async (t, options, one) => {
  const server = createServer(guard(options).wrap((req, res) => res.setHeader('User', from(req)?.subject ?? 'nobody').end()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return exchange(server.address().port, linesOf(one))
}, { bearer, cookie })

const nothing = (_req, res) => Object.assign(res, { statusCode: 404 }).end()
playResources('node:http', {
  serve: (resource) => (req, res) => metadata(resource)(req, res, () => nothing(req, res)),
  protect: (options) => guard(options).wrap(nothing),
  ask: overHTTP(createServer),
})

test('a resource says where its metadata is, and takes nothing that is wrong', () => {
  for (const one of RESOURCES.resources) {
    const resource = new Resource(told(one))
    assert.deepEqual([resource.metadataUrl, one.metadata.endsWith(resource.metadataPath)], [one.metadata, true])
  }
  for (const one of RESOURCES.wrong) assert.throws(() => new Resource(told(one)), TypeError, one.name)
  const good = { resource: 'https://a.example/mcp', authorizationServers: ['https://auth.example.com'] }
  for (const wrong of [
    undefined, {}, { ...good, resource: 7 }, { ...good, authorizationServers: 'https://auth.example.com' }, { ...good, scopes: 'read' },
    { ...good, scopes: [7] }, { ...good, name: 7 }, { ...good, name: 'half \ud83d' }, { ...good, server: 'https://auth.example.com' },
  ]) assert.throws(() => new Resource(wrong), TypeError)
  for (const wrong of ['https://a.example/mcp', good, null]) {
    assert.throws(() => guard({ resource: wrong }), TypeError)
    assert.throws(() => metadata(wrong), TypeError)
  }
})

test('a place is named right, or the error says how', () => {
  const long = 'x'.repeat(MAX_PLACE_NAME)
  for (const [place, message] of [
    ['', /is not "authorization", "sdk-header", "sdk-cookie", "session-cookie", "header:NAME" or "cookie:NAME"/],
    ['Authorization', /is not "authorization"/], ['sdk-cookies', /is not "authorization"/], ['header', /is not "authorization"/],
    ['header:', /is not a place/], ['cookie:', /is not a place/], ['header:a b', /is not a place/], ['cookie:a=b', /is not a place/],
    ['cookie:a;b', /is not a place/], ['cookie:\u00e9', /is not a place/], ['cookie:a\n', /is not a place/],
    [`header:${long}x`, /1 to 256/], [`cookie:${long}x`, /1 to 256/],
    ['header:AUTHORIZATION', /name the place "authorization" instead/], ['header:x-stack-auth', /name the place "sdk-header" instead/],
    ['cookie:stack-access', /name the place "sdk-cookie" instead/], ['header:Cookie', /"cookie:NAME" instead/],
    [7, /is not/], [`header:${long}`], [`header:${long.slice(1)}`], [`cookie:${long}`], [`cookie:${long.slice(1)}`],
    ['cookie:__Secure-neon-auth.session_token'], ["cookie:!#$%&'*+-.^_`|~"], ['session-cookie'],
  ]) {
    if (message === undefined) new Search([place])
    else assert.throws(() => new Search([place]), { name: 'TypeError', message })
  }
  for (const none of [[], undefined, 'authorization']) {
    if (none !== undefined) assert.throws(() => new Search(none), TypeError)
    else new Search(none)
  }
})

test('a search looks nowhere else, and says in which headers', () => {
  const values = valuesOf({
    rawHeaders: [
      'AUTHORIZATION', 'Bearer auth', 'X-Stack-Access-Token', 'sdk', 'X-Own', 'own',
      'Cookie', 'session=cookie; stack-access=["x","sdkcookie"]; __Secure-neon-auth.session_token=session',
    ],
  })
  for (const [place, token, vary] of [
    ['authorization', 'auth', 'Authorization'], ['sdk-header', 'sdk', 'X-Hexclave-Access-Token, X-Stack-Access-Token, X-Stack-Auth'],
    ['header:x-OWN', 'own', 'X-Own'], ['cookie:session', 'cookie', 'Cookie'], ['sdk-cookie', 'sdkcookie', 'Cookie'], ['session-cookie', 'session', 'Cookie'],
  ]) {
    const search = new Search([place, place])
    assert.deepEqual(search.find(values, true).tokens, [token])
    assert.equal(search.vary, vary)
  }
  assert.equal(new Search().vary, 'Authorization, X-Hexclave-Access-Token, X-Stack-Access-Token, X-Stack-Auth')
  assert.ok(Object.isFrozen(HEADERS))
})

test('what is no answer is no yes', () => {
  for (const answer of [undefined, null, {}, { outcome: 'fine' }, true]) {
    assert.equal(refusalOf(answer).status, 503)
  }
  const [yes, no, outage] = [Object.create(Accepted.prototype, { outcome: { value: 'accepted' } }), new Rejected('expired'), new Unknown({ kind: 'broken', message: '' })]
  assert.equal(refusalOf(yes), undefined)
  assert.deepEqual([refusalOf(no).status, refusalOf(outage).status], [401, 503])
})

test('the answer that counts names its token', async () => {
  const [yes, no, outage, barred] = [{ outcome: 'accepted' }, { outcome: 'rejected', reason: 'expired' }, { outcome: 'unknown' }, { outcome: 'rejected', reason: 'class-not-allowed' }]
  for (const [answers, token] of [
    [[], undefined], [[yes], 'a'], [[no, yes], 'b'], [[no, { ...no, reason: 'revoked' }], 'a'], [[no, barred, no], 'b'], [[barred, yes], 'b'], [[no, outage, yes], 'b'],
  ]) {
    const left = [...answers]
    const got = await new Found(['a', 'b', 'c'].slice(0, answers.length)).ask(async () => left.shift())
    assert.equal(got.token, token)
  }
})

test('Retry-After is whole seconds within its bounds', () => {
  for (const [after, want] of [[-1, '1'], [0, '1'], [1, '1'], [1000, '1'], [1001, '2'], [59_000, '59'], [60_000, '60'], [60_001, '60'], [86_400_000, '60']]) {
    assert.deepEqual(unavailable('busy', after).headers('shop'), { 'Cache-Control': 'no-store', 'Retry-After': want })
  }
})

test('challenges quote what they are given', () => {
  const challenge = (refusal, realm) => refusal.headers(realm)['WWW-Authenticate']
  assert.equal(
    challenge(invalidToken('a"b\\c\r\nd\u{1f600}'), 'the "shop"'),
    'Bearer realm="the \\"shop\\"", error="invalid_token", error_description="a\\"b\\\\c??d?"',
  )
  assert.equal(challenge(denied()), 'Bearer error="insufficient_scope"')
  assert.equal(challenge(new Refusal(401, '', 'no-token')), 'Bearer')
  assert.equal(denied('', 'a "b"').headers('', 'https://a.example/"')['WWW-Authenticate'], 'Bearer error="insufficient_scope", scope="a \\"b\\"", resource_metadata="https://a.example/\\""')
})

const REQUIREMENTS = ['emailVerified', 'team', 'kinds', 'scopes']

test('a requirement that is none is a fault of the program', () => {
  for (const wrong of [
    { emailVerified: 'yes' }, { emailVerified: null }, { team: '' }, { team: 7 }, { team: null }, { kinds: [] }, { kinds: 'normal' },
    { kinds: ['admin'] }, { kinds: [''] }, { kinds: null }, { scopes: 'read' }, { scopes: [''] }, { scopes: ['read write'] }, { scopes: [7] },
    { scopes: ['x'.repeat(129)] }, { scopes: null }, ...REQUIREMENTS.map((name) => ({ [name]: undefined })),
  ]) {
    assert.throws(() => new Requirements(wrong), TypeError)
    assert.throws(() => guard(wrong), TypeError)
  }
  assert.throws(() => new Requirements({ teams: ['a'] }), TypeError)
  assert.equal(new Requirements().unmet({ kind: 'normal' }), '')
})

test('every option is checked when the guard is made', () => {
  const names = ['client', 'lookup', 'profile', 'places', 'token', 'optional', 'allow', 'realm', 'resource', 'refuse', 'onUnknown']
  const lookups = ['project', 'deadline', 'signal', 'heard', 'onBehalfOf', 'maxAge', 'fallback']
  for (const wrong of [
    null, 7, ...names.flatMap((name) => [{ [name]: undefined }, { [name]: null }, { [name]: 7 }, { [name]: 'yes' }].slice(name === 'client' ? 1 : 0, name === 'realm' ? 3 : 4)),
    { lookup: { maxage: 1 } }, { lookup: { maxAge: 1 } }, { lookup: [] }, { allow: true }, { client: {} }, { toString: 1 }, { lookup: { heard: '5000' } },
    ...lookups.flatMap((name) => [undefined, null, [], {}].map((value) => ({ profile: true, lookup: { [name]: value } }))),
  ]) {
    for (const make of [guard, fetching.guard, fastify.guard, hono.guard]) assert.throws(() => make(wrong), TypeError, JSON.stringify(wrong))
  }
  for (const lookup of [{ heard: 999 }, { deadline: 0 }, { project: 'p'.repeat(33) }, { project: '' }]) assert.throws(() => guard({ lookup }), RangeError)
  guard({ profile: true, lookup: { maxAge: 0, fallback: 'claims', project: 'shop', heard: 5000, deadline: 500 } })
})

test('blanks are no token, however many', () => {
  const values = (name) => (name === 'cookie' ? [`session=${' '.repeat(60_000)}`] : [])
  assert.deepEqual(new Search(['cookie:session']).find(values).tokens, [])
})

test('a preflight is told by its method and one header', () => {
  const values = (name) => (name === 'access-control-request-method' ? ['GET'] : [])
  assert.deepEqual([preflight('OPTIONS', values), preflight('GET', values), preflight('OPTIONS', () => [])], [true, false, false])
})

test('what is held wrongly says how to hold it', async () => {
  const request = new Request('http://app.example/account')
  const [req, c] = [{ headers: {}, rawHeaders: [] }, { req: { raw: request } }]
  const next = () => assert.fail('it came in')
  for (const [does, says] of [
    [() => fetching.guard()(c), /judges a Request, such as c\.req\.raw.*neonauthd\/middleware/],
    [() => fetching.guard()(req, {}, next), /judges a Request/],
    ...[c, request, undefined].flatMap((given) => [
      [() => hono.guard()(given, next), /write app\.use\(guard\(\)\)/],
      [() => hono.from(given), /judges the context of Hono/],
    ]),
    [() => hono.guard({ req: { raw: request } }, next), /called with a request: write guard\(\)/],
    [() => hono.userOf({ ...c, set() {} }), /nobody is signed in here/],
    [() => fetching.guard()(undefined), /judges a Request/],
    [() => fetching.guard().wrap(next)(c), /judges a Request/],
    [() => fetching.from(c), /judges a Request/],
    [() => guard()(c, next), /import neonauthd\/fetch/],
    [() => guard()(request, {}), /import neonauthd\/fetch/],
    ...[[guard, req], [guard, c], [fetching.guard, request], [fetching.guard, c], [fastify.guard, { raw: req }]].map(([make, given]) =>
      [() => make(given, {}, next), /called with a request: write guard\(\)/]),
    [() => guard()(), /write guard\(\) once/],
    ...[guard().wrap, guard().upgrade, fetching.guard().wrap].flatMap((wrap) => [undefined, Promise.resolve(), req].map((handler) =>
      [() => wrap(handler, {}, next), /write guard\(\)\.wrap\(handler\)/])),
    [() => fastify.guard()(), /addHook\('onRequest', guard\(\)\)/],
    [() => fastify.guard()({ addHook() {} }, {}), /addHook\('onRequest', guard\(\)\)/],
    [() => fastify.guard({ addHook() {} }, {}, next), /write app\.register\(plugin, options\)/],
    [() => fastify.plugin(), /write app\.register\(plugin, options\)/],
    [() => fastify.plugin({ raw: req }, {}), /write app\.register\(plugin, options\)/],
    [() => guard({ email_verified: true }), /did you mean "emailVerified"/],
    [() => guard({ place: [] }), /did you mean "places"/],
    [() => guard({ other: 1 }), /no option "other"$/],
    ...['maxAge', 'fallback'].map((name) => [() => guard({ lookup: { [name]: 0 } }), `neonauthd: lookup has no option "${name}" without profile: true`]),
    [() => guard({ lookup: { maxage: 0 } }), 'neonauthd: lookup has no option "maxage": did you mean "maxAge"?'],
    [() => userOf(req), /nobody is signed in here/],
    [() => fetching.userOf(request), /nobody is signed in here/],
    [() => fastify.userOf({ raw: req }), /nobody is signed in here/],
  ]) await assert.rejects(async () => does(), { name: 'TypeError', message: says })
  let told
  await guard()(c, {}, (error) => { told = error })
  assert.match(told.message, /import neonauthd\/fetch/)
})

test('userOf is the user of a request that was let through, and of no other', async () => {
  const client = new FakeClient()
  client.accept('good', { id: 'ada' })
  const account = fetching.guard({ client }).wrap((request) => new Response(fetching.userOf(request).id))
  const ask = (method, headers) => account(new Request('http://app.example/account', { method, headers }))
  assert.equal(await (await ask('GET', { authorization: 'Bearer good' })).text(), 'ada')
  await assert.rejects(ask('OPTIONS', { 'access-control-request-method': 'GET' }), /preflight/)
})
