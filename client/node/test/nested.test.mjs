import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fastify from 'neonauthd/fastify'
import * as fetching from 'neonauthd/fetch'
import * as middleware from 'neonauthd/middleware'
import { FakeClient } from 'neonauthd/testing'

const clientOf = (token, id) => {
  const client = new FakeClient()
  client.accept(token, { id })
  return client
}
const OUTER = { client: clientOf('good', 'ada') }
const INNER = { client: clientOf('admin', 'root'), optional: true }

// Each lets a request through both guards, or one alone, and tells who is asking then.
const shapes = {
  async middleware(guards, headers) {
    const req = { method: 'GET', url: '/', rawHeaders: headers.flat() }
    for (const one of guards(middleware)) await one(req, {}, assert.ifError)
    return middleware.from(req)
  },
  async upgrade(guards, headers) {
    const req = { method: 'GET', url: '/', rawHeaders: headers.flat() }
    const socket = { on() {}, off() {} }
    for (const one of guards(middleware)) await one.upgrade(() => {})(req, socket, Buffer.alloc(0))
    return middleware.from(req)
  },
  async fastify(guards, headers) {
    const request = { method: 'GET', raw: { url: '/', rawHeaders: headers.flat() } }
    for (const one of guards(fastify)) assert.equal(await one(request, {}), undefined)
    return fastify.from(request)
  },
  async fetch(guards, headers) {
    const request = new Request('http://site.example/', { headers })
    for (const one of guards(fetching)) assert.equal(await one(request), undefined)
    return fetching.from(request)
  },
}

for (const [name, ask] of Object.entries(shapes)) {
  test(`${name}: of two guards the inner one says who is asking, also that nobody is`, async () => {
    const guards = ({ guard, cookie }) => [guard(OUTER), guard({ ...INNER, token: cookie('admin') })]
    const token = ['Authorization', 'Bearer good']
    assert.equal((await ask((from) => guards(from).slice(0, 1), [token]))?.subject, 'ada')
    assert.equal(await ask(guards, [token]), undefined)
    assert.equal((await ask(guards, [token, ['Cookie', 'admin=admin']]))?.subject, 'root')
  })
}
