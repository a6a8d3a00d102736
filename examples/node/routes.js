// What the service answers. service.js serves it; routes.test.js tests it without a daemon.
import { guard, userOf } from 'neonauthd/middleware'

// routes returns a handler for node:http that asks the client about tokens.
export function routes(client) {
  const account = guard({ client, realm: 'example' }).wrap((req, res) => {
    const { id, email } = userOf(req)
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify({ user: id, email }) + '\n')
  })
  return (req, res) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.writeHead(405, { Allow: 'GET, HEAD' }).end('Method Not Allowed\n')
    } else if (req.url === '/account') {
      account(req, res)
    } else {
      res.statusCode = req.url === '/' ? 200 : 404
      res.end(req.url === '/' ? 'this page is for everybody\n' : 'Not Found\n')
    }
  }
}
