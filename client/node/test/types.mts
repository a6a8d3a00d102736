// A program that uses every exported name, for `make types`: it has to compile in strict mode, and each line that expects
// an error has to be one. It is never run.
import type { IncomingMessage, ServerResponse } from 'node:http'

import {
  Accepted, BrokenError, CancelledError, Client, ClosedError, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_SOCKET, DEFAULT_TIMEOUT,
  GarbledError, NeonauthdError, Rejected, ReplyError, SOCKET_VARIABLE, TimedOutError, Unknown, UnreachableError, match,
} from 'neonauthd'
import type {
  Answer, Asker, CallOptions, Claims, ClientOptions, Code, Daemon, Kind, Level, NeonClaims, NeonProfile, Principal, Profile, ProfileOptions,
  Reason, RestrictedReason, Source, StackClaims, StackProfile, StackTeam, User, VerifyOptions,
} from 'neonauthd'
import * as fastify from 'neonauthd/fastify'
import * as fetching from 'neonauthd/fetch'
import * as hono from 'neonauthd/hono'
import { HEADERS, MAX_COOKIE_TOKENS, MAX_PLACE_NAME, MAX_RETRY_AFTER, METADATA_PATH, Found, Refusal, Requirements, Resource, Search } from 'neonauthd/httpauth'
import { denied, invalidToken, preflight, refusalOf, unavailable, valuesOf } from 'neonauthd/httpauth'
import type { Fault, HeaderValues, Place, RequirementOptions, ResourceOptions, Rules, TokenSearchIn } from 'neonauthd/httpauth'
import { DEFAULT_RETRY_AFTER, bearer, cookie, from, guard, metadata, userOf } from 'neonauthd/middleware'
import type { Guard, GuardOptions, TokenSearch } from 'neonauthd/middleware'
import { FakeClient } from 'neonauthd/testing'
import type { Asked, FakeUser } from 'neonauthd/testing'

declare const answer: Answer
declare const request: IncomingMessage
declare const response: ServerResponse

// expect compiles when the value's type is T or narrower.
function expect<T>(_value: T): void {}

const options: ClientOptions = { socket: DEFAULT_SOCKET, project: 'main', timeout: DEFAULT_TIMEOUT, keep: DEFAULT_KEEP, name: DEFAULT_NAME }
await using client = new Client(options)
const call: CallOptions = { deadline: 200, signal: AbortSignal.timeout(200) }
const verify: VerifyOptions = { ...call, project: 'shop', heard: 5000 }
const profile: ProfileOptions = { ...verify, maxAge: 0, fallback: 'claims' }

expect<Answer>(await client.verify('token'))
expect<Answer>(await client.verify('token', verify))
expect<Answer>(await client.profile('token', profile))
expect<void>(await client.ping(call))
const daemon: Daemon = await client.hello(call)
expect<string>(daemon.version + daemon.projects.join() + client.socket + SOCKET_VARIABLE)
expect<number>(daemon.protocol + daemon.maxLine + daemon.inFlight)
expect<void>(await client.close())

// The three outcomes, and no fourth.
function status(answer: Answer): number {
  switch (answer.outcome) {
    case 'accepted':
      expect<Accepted>(answer)
      expect<[Level, Source, string, string, string, Date]>([answer.level, answer.source, answer.project, answer.subject, answer.json, answer.expires])
      expect<number>(answer.age + answer.ttl + answer.heard)
      expect<boolean>(answer.user.scopes.includes('read'))
      expect<unknown>(answer.data().email)
      expect<string>(answer.data<{ email: string }>().email)
      return 200
    case 'rejected':
      expect<Rejected>(answer)
      expect<Reason>(answer.reason)
      return answer.reason === 'class-not-allowed' ? 403 : 401
    case 'unknown':
      expect<Unknown>(answer)
      expect<Code | ''>(answer.code)
      expect<number>(answer.retryAfter)
      expect<NeonauthdError>(answer.error)
      return 503
    default:
      expect<never>(answer)
      throw answer
  }
}
expect<number>(status(answer))

function name(answer: Answer): string {
  if (answer instanceof Accepted) return answer.subject
  if (answer instanceof Rejected) return answer.reason
  expect<Unknown>(answer)
  return why(answer.error)
}
expect<string>(name(answer))

function why(error: NeonauthdError): string {
  if (error instanceof ReplyError) return error.code + error.text + String(error.retryAfter)
  if (error instanceof CancelledError) return String(error.cause)
  for (const kind of [BrokenError, ClosedError, GarbledError, TimedOutError, UnreachableError]) {
    if (error instanceof kind) return error.kind
  }
  expect<Kind>(error.kind)
  return error.message
}

expect<'yes' | 'no' | 503>(match(answer, { accepted: () => 'yes' as const, rejected: () => 'no' as const, unknown: () => 503 as const }))

// Who it is, and what the upstreams send.
function who(answer: Accepted): string {
  expect<User>(answer.user)
  expect<Principal | ''>(answer.principal)
  // @ts-expect-error no answer has another word
  expect<Principal>('robot')
  expect<[string, boolean | null, 'normal' | 'restricted' | 'anonymous' | 'machine' | 'team' | '']>([answer.user.email, answer.user.emailVerified, answer.user.kind])
  expect<Claims | undefined>(answer.claims)
  expect<string | null | undefined>(answer.claims?.selected_team_id)
  expect<RestrictedReason | null | undefined>(answer.claims?.restricted_reason)
  expect<string | undefined>(answer.claims?.o?.slug)
  expect<unknown>(answer.claims?.['https://example.org/x'])
  expect<Profile | undefined>(answer.profile)
  expect<boolean | undefined>(answer.profile?.primary_email_verified)
  expect<StackTeam | null | undefined>(answer.profile?.selected_team)
  const [stack, neon] = [answer.claims as StackClaims, answer.claims as unknown as NeonClaims]
  const [old, current] = [answer.profile as StackProfile, answer.profile as unknown as NeonProfile]
  return answer.user.id + stack.sub + neon.email + old.id + current.email + answer.user.imageUrl + answer.user.teamId + answer.user.sessionId
}
expect<(answer: Accepted) => string>(who)
// @ts-expect-error a session credential has no claims
expect<(answer: Accepted) => unknown>((answer) => answer.claims.sub)
// @ts-expect-error it may not be known
expect<(answer: Accepted) => boolean>((answer) => answer.user.emailVerified)
// @ts-expect-error a user does not change
expect<(answer: Accepted) => void>((answer) => { answer.user.email = 'x' })
// @ts-expect-error no such kind
expect<(answer: Accepted) => boolean>((answer) => answer.user.kind === 'admin')

// What has to be wrong.
// @ts-expect-error an outage is no denial
expect<Rejected>(answer as Unknown)
// @ts-expect-error a denial is no outage
expect<Unknown>(answer as Rejected)
// @ts-expect-error an accepted answer has no reason
expect<string>((answer as Accepted).reason)
// @ts-expect-error an outage gives no reason against the token
expect<string>((answer as Unknown).reason)
// @ts-expect-error only an accepted answer has a subject
expect<string>(answer.subject)
// @ts-expect-error nor has one that is merely not rejected
if (answer.outcome !== 'rejected') expect<string>(answer.subject)
// @ts-expect-error an answer is not a yes or a no
expect<boolean>(answer)
// @ts-expect-error await is missing, and a promise is always true
if (client.verify('token')) expect<void>(undefined)
// @ts-expect-error await is missing
match(client.verify('token'), { accepted: () => 200, rejected: () => 401, unknown: () => 503 })
// @ts-expect-error no branch for an outage
match(answer, { accepted: () => 200, rejected: () => 401 })
// @ts-expect-error there are no other outcomes
expect<boolean>(answer.outcome === 'denied')
// @ts-expect-error only the daemon makes answers
expect<Answer>(new Accepted())
// @ts-expect-error only the daemon makes answers
expect<Answer>({ outcome: 'accepted', subject: 'ada' })
// @ts-expect-error only the client makes errors
expect<Error>(new NeonauthdError('reply'))
// @ts-expect-error answers do not change
if (answer.outcome === 'accepted') answer.subject = 'ada'
// @ts-expect-error a header may be missing
void client.verify(request.headers.authorization)
// @ts-expect-error maxAge is for profiles
void client.verify('token', { maxAge: 0 })
// @ts-expect-error a number of milliseconds
void client.profile('token', { maxAge: '60s' })
// @ts-expect-error nothing below claims will do
void client.profile('token', { fallback: 'none' })
// @ts-expect-error no such option
expect<Client>(new Client({ sockets: DEFAULT_SOCKET }))

const search: TokenSearch = (req) => bearer(req) ?? cookie('session')(req)
const rules: GuardOptions = {
  client,
  lookup: profile,
  profile: true,
  places: ['sdk-cookie', 'session-cookie', 'header:X-Own', 'cookie:session'],
  token: search,
  optional: true,
  allow: async (req, answer) => req.method === 'GET' || answer.subject === 'ada',
  realm: 'shop',
  refuse: (_req, res, status, answer, refusal) => res.writeHead(status).end(answer?.outcome ?? refusal.reason),
  emailVerified: true,
  team: 'team-1',
  kinds: ['normal', 'anonymous'],
  onUnknown: (req, unknown) => console.error(req.url, unknown.error.message),
}
const protect: Guard = guard(rules)
expect<void>(await protect(request, response, (_error?: unknown) => {}))
expect<void>(await protect.wrap((req, res) => res.end(from(req)?.subject))(request, response))
expect<number>(DEFAULT_RETRY_AFTER)
expect<[User, User, User]>([userOf(request), fetching.userOf(new Request('http://app.example/')), fastify.userOf({} as fastify.RequestLike)])
expect<void>(await protect.upgrade((req, socket, head) => socket.end(from(req)?.subject + head.toString()))(request, request.socket, Buffer.from('')))

// Guards for other shapes of requests take the same rules.
const everywhere: Rules<unknown> = { client, profile: true, emailVerified: true, onUnknown: (_request, unknown) => expect<Unknown>(unknown) }
const inFetch: fetching.TokenSearch = (request) => fetching.bearer(request) ?? fetching.cookie('session')(request)
const fetchRules: fetching.GuardOptions = { ...everywhere, token: inFetch, refuse: (_request, refusal, answer) => Response.json({ why: answer?.outcome ?? refusal.reason }) }
const fetchGuard: fetching.Guard = fetching.guard(fetchRules)
const refused: Response | undefined = await fetchGuard(new Request('http://app.example/'))
expect<Response>(refused ?? new Response(fetching.from(new Request('http://app.example/'))?.user.id))
expect<HeaderValues>(fetching.valuesOf(new Request('http://app.example/')))
class Other extends Request { readonly ip = '' }
const GET = fetchGuard.wrap(async (request: Other, context: { params: Promise<{ id: string }> }) => new Response(request.ip + (await context.params).id))
expect<(request: Other, context: { params: Promise<{ id: string }> }) => Promise<Response>>(GET)
// @ts-expect-error a refusal may be none
expect<number>((await fetchGuard(new Request('http://app.example/'))).status)
// @ts-expect-error a handler has to respond
fetchGuard.wrap(() => {})

declare const c: hono.ContextLike & { get(name: 'user'): hono.Variables['user'] }
const inHono: hono.TokenSearch = (context) => hono.bearer(context) ?? hono.cookie('session')(context)
const honoRules: hono.GuardOptions = { ...everywhere, token: inHono, refuse: (_c, refusal, answer) => Response.json({ why: answer?.outcome ?? refusal.reason }) }
const honoGuard: hono.Middleware = hono.guard(honoRules)
const bare: hono.ContextLike = c
expect<Response | void>(await honoGuard(bare, async () => {}))
expect<Response | void>(await hono.metadata(new Resource({ resource: 'https://mcp.example.com', authorizationServers: [] }))(c, async () => {}))
const variables: hono.Variables = { user: c.get('user') }
expect<[User, User | undefined, string | undefined]>([hono.userOf(c), variables.user, hono.from(c)?.subject])
expect<hono.Middleware<typeof c>>(hono.guard({ allow: (given: typeof c) => given.get('user') === undefined }))

declare const app: fastify.InstanceLike
declare const like: fastify.RequestLike
declare const reply: fastify.ReplyLike
const inFastify: fastify.TokenSearch = (request) => fastify.bearer(request) ?? fastify.cookie('session')(request)
const fastifyRules: fastify.GuardOptions = { ...everywhere, token: inFastify, refuse: (_request, _reply, refusal, answer) => ({ why: answer?.outcome ?? refusal.reason }) }
expect<void>(await fastify.plugin(app, fastifyRules))
expect<(instance: fastify.InstanceLike, options: fastify.GuardOptions) => Promise<void>>(fastify.plugin)
expect<unknown>(await fastify.guard(fastifyRules)(like, reply))
const told: ResourceOptions = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://auth.example.com'], scopes: ['read'], name: 'Files' }
const resource = new Resource(told)
expect<string>(resource.metadataUrl + resource.metadataPath + METADATA_PATH)
expect<{ status: number; body: string } | false>(resource.describes('/') && resource.response(request.method))
expect<Guard>(guard({ resource, scopes: ['read'] }))
expect<void>(metadata(resource)(request, response, () => {}))
expect<Response | undefined>(fetching.metadata(resource)(new Request('http://app.example/')))
expect<void>(await fastify.metadata(resource)(app))
// @ts-expect-error what is told is no resource yet
guard({ resource: told })
expect<string | undefined>(fastify.from(like)?.user.id)
expect<[fastify.InstanceLike, fastify.RequestLike, fastify.ReplyLike]>([app, like, reply])
const own: TokenSearchIn<{ token: string }> = ({ token }) => token
expect<string | symbol | undefined>(own({ token: 'a' }))

const required: RequirementOptions = { emailVerified: true, team: 'team-1', kinds: ['restricted', 'machine', 'team'] }
expect<Refusal | undefined>(new Requirements({ scopes: ['read'] }).refusal({ id: 'u' } as User))
expect<'class-not-allowed' | 'email-not-verified' | 'wrong-team' | 'insufficient-scope' | ''>(new Requirements(required).unmet({ id: 'u' } as User))
// @ts-expect-error no such kind
guard({ kinds: ['admin'] })
// @ts-expect-error a list
guard({ kinds: 'normal' })
// @ts-expect-error yes or no
guard({ emailVerified: 'yes' })

// A test's client is asked like the real one.
const fake = new FakeClient()
const ada: FakeUser = { id: 'ada', email: 'ada@example.org', scopes: ['read'] }
expect<void>(fake.accept('token', ada, { claims: { admin: true }, profile: { server_metadata: {} } }))
expect<void>(fake.reject('old', 'expired'))
expect<void>(fake.unknown('outage', 'unavailable', 5000))
expect<Answer>(await fake.verify('token', { project: 'shop' }))
const asker: Asker = fake
expect<Answer>(await asker.profile('token', { maxAge: 0 }))
expect<readonly Asked[]>(fake.asked)
expect<string>(fake.asked.map(({ method, token, options }) => method + token + options.project).join())
guard({ client: fake })
// @ts-expect-error a user has an id
fake.accept('token', { email: 'ada@example.org' })
// @ts-expect-error no client at all
guard({ client: { verify: async () => true } })

// A guard of one's own.
const places: readonly Place[] = [...HEADERS, 'sdk-cookie']
const values: HeaderValues = valuesOf(request)
const found: Found = new Search(places).find(values, true)
expect<readonly string[]>(found.tokens)
expect<Fault | ''>(found.fault)
expect<Answer | undefined>((await found.ask((token) => client.verify(token))).answer)
const refusal: Refusal | undefined = preflight(request.method, values) ? undefined : found.refusal() ?? refusalOf(answer)
if (refusal !== undefined) {
  expect<400 | 401 | 403 | 503>(refusal.status)
  expect<Record<string, string>>(refusal.headers('shop'))
  expect<string>(refusal.error + refusal.reason)
  expect<number>(refusal.retryAfter + MAX_RETRY_AFTER + MAX_COOKIE_TOKENS + MAX_PLACE_NAME)
}
expect<Refusal[]>([denied(), denied('wrong-team'), invalidToken('expired'), unavailable(), new Refusal(403, '', '')])
expect<string>(new Search().vary)

// @ts-expect-error no such place
expect<Place>('cookies')
// @ts-expect-error no such place
guard({ places: ['sdk-cookies'] })
// @ts-expect-error a refusal may be none
expect<number>(refusalOf(answer).status)
// @ts-expect-error a search has to be asked with the values of headers
new Search().find(request.headers)

// The shape of Express's handlers and of its next.
interface ExpressRequest extends IncomingMessage { params: Record<string, string> }
interface ExpressResponse extends ServerResponse { json(body: unknown): this }
expect<(req: ExpressRequest, res: ExpressResponse, next: (error?: any) => void) => void>(guard())

// @ts-expect-error outside a guard, and inside an optional one, there may be no user
expect<string>(from(request).subject)
// @ts-expect-error yes or no, not what is read out of the token
guard({ allow: (_req, answer) => answer.data().admin })
// @ts-expect-error no such option
guard({ alow: () => true })
// @ts-expect-error the name of a cookie is for cookie()
guard({ token: 'session' })
