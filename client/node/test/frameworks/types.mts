// The guards fit the types of the real frameworks: `make types` compiles this in strict mode. It is never run.
import type { Server } from 'node:http'

import express from 'express'
import fastify from 'fastify'
import { Hono, type Context } from 'hono'
import type { WebSocketServer } from 'ws'

import * as inFastify from 'neonauthd/fastify'
import * as inFetch from 'neonauthd/fetch'
import * as inHono from 'neonauthd/hono'
import type { Resource } from 'neonauthd/httpauth'
import { from, guard, metadata } from 'neonauthd/middleware'

const app = express()
app.use('/account', guard({ emailVerified: true }))
app.get('/one', guard(), (req, res) => void res.send(from(req)?.user.id))

declare const server: Server
declare const live: WebSocketServer
server.on('upgrade', guard().upgrade((req, socket, head) => live.handleUpgrade(req, socket, head, (session) => live.emit('connection', session, req))))

declare const resource: Resource
app.use(metadata(resource))
const instance = fastify()
await instance.register(inFastify.metadata(resource))
await instance.register(inFastify.plugin, { profile: true, refuse: (request, _reply, refusal) => ({ why: refusal.reason, url: request.raw.url }) })
instance.get('/account', { onRequest: inFastify.guard() }, (request) => inFastify.from(request)?.user.id)
// @ts-expect-error no such option
await instance.register(inFastify.plugin, { alow: () => true })

const hono = new Hono<{ Variables: inHono.Variables }>()
const allow = (c: Context) => c.req.method === 'GET'
hono.use('/account/*', inHono.guard({ team: 'team-1', allow, refuse: (_c, refusal) => Response.json({ why: refusal.reason }) }))
hono.use(inHono.metadata(resource))
hono.get('/account/me', (c) => c.text(c.get('user')?.id ?? inHono.userOf(c).name))
hono.get('/one', inHono.guard(), (c) => c.text(inHono.from(c)?.user.id ?? ''))
// @ts-expect-error nobody is asking for a preflight
hono.get('/two', (c) => c.text(c.get('user').id))
new Hono().use(inHono.guard()).get('/', (c) => c.text(inHono.userOf(c).id))

const protect = inFetch.guard({ team: 'team-1' })
hono.use('/account/*', async (c, next) => (await protect(c.req.raw)) ?? (await next()))

// As Next.js types a route's handler.
interface NextRequest extends Request { readonly nextUrl: URL }
type RouteHandler = (request: NextRequest, context: { params: Promise<{ id: string }> }) => Promise<Response> | Response
const GET: RouteHandler = protect.wrap(async (request: NextRequest, { params }: { params: Promise<{ id: string }> }) =>
  Response.json({ user: inFetch.from(request)?.user, path: request.nextUrl.pathname, id: (await params).id }))
export { GET }
