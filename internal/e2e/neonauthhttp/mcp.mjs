// An MCP server, and a client that knows nothing of it but its address; both are those of npm's SDK.
//
//     node mcp.mjs serve                              prints its port
//     node mcp.mjs guarded HOST:PORT ISSUER           behind the guard for Node, as a protected resource
//     node mcp.mjs ask ADDRESS 'Cookie of a browser'  prints what the server said
//
// FOLDER names the node_modules with the SDK.

import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(process.env.FOLDER + '/')
const sdk = (name) => import(pathToFileURL(require.resolve('@modelcontextprotocol/sdk/' + name)).href)

async function serve() {
  const server = createServer(await answering((request) => request.headers['x-auth-user-id'] ?? 'nobody'))
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
}

async function guarded(address, issuer) {
  const { Resource } = await import('../../../client/node/src/httpauth.js')
  const { from, guard } = await import('../../../client/node/src/middleware.js')
  const resource = new Resource({ resource: `http://${address}/mcp`, authorizationServers: [issuer], scopes: ['read', 'write'] })
  const protect = guard({ resource, scopes: ['read'], lookup: { project: 'mcp' } })
  const server = createServer(protect.wrap(await answering((request) => from(request).user.id)))
  const [host, port] = address.split(':')
  server.listen(Number(port), host, () => console.log('listening'))
}

// answering handles the requests for an MCP server that tells who is asking.
async function answering(who) {
  const { McpServer } = await sdk('server/mcp.js')
  const { StreamableHTTPServerTransport } = await sdk('server/streamableHttp.js')
  return async (request, response) => {
    const mcp = new McpServer({ name: 'example', version: '1' })
    mcp.registerTool('whoami', { description: 'who is asking' }, () => ({
      content: [{ type: 'text', text: who(request) }],
    }))
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true })
    response.on('close', () => transport.close())
    await mcp.connect(transport)
    await transport.handleRequest(request, response)
  }
}

// Memory is where the client keeps what it learns, and a browser in which somebody has signed in.
class Memory {
  constructor(cookie) {
    this.cookie = cookie
  }

  redirectUrl = 'http://127.0.0.1:1/callback'
  clientMetadata = {
    client_name: 'an example',
    redirect_uris: [this.redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  }

  clientInformation = () => this.client
  saveClientInformation = (client) => void (this.client = client)
  tokens = () => this.kept
  saveTokens = (tokens) => void (this.kept = tokens)
  codeVerifier = () => this.verifier
  saveCodeVerifier = (verifier) => void (this.verifier = verifier)

  async redirectToAuthorization(url) {
    const answer = await fetch(url, { redirect: 'manual', headers: { Cookie: this.cookie } })
    const back = new URL(answer.headers.get('location') ?? 'about:blank')
    this.code = back.searchParams.get('code')
    if (!this.code) throw new Error(`${answer.status} ${back}`)
  }
}

async function ask(address, cookie) {
  const { Client } = await sdk('client/index.js')
  const { StreamableHTTPClientTransport } = await sdk('client/streamableHttp.js')
  const { UnauthorizedError } = await sdk('client/auth.js')
  const memory = new Memory(cookie)
  const connect = async () => {
    const client = new Client({ name: 'example', version: '1' })
    const transport = new StreamableHTTPClientTransport(new URL(address), { authProvider: memory })
    try {
      await client.connect(transport)
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error
      await transport.finishAuth(memory.code)
      return undefined
    }
    return client
  }
  if (await connect()) throw new Error('it came in without a token')
  const client = await connect()
  const said = await client.callTool({ name: 'whoami' })
  console.log(said.content[0].text)
  await client.close()
}

const [mode, ...rest] = process.argv.slice(2)
await { serve, guarded, ask }[mode](...rest)
