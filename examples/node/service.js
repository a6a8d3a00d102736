// A service with one protected route. PORT=8080 node service.js
import { createServer } from 'node:http'

import { Client } from 'neonauthd'
import { from, guard } from 'neonauthd/middleware'

const client = new Client()
const account = guard({ client, realm: 'example' }).wrap((req, res) => {
  const user = from(req)
  res.setHeader('Content-Type', 'application/json')
  res.end(JSON.stringify({ user: user.subject, email: user.data().email }) + '\n')
})

const server = createServer((req, res) => {
  if (req.url === '/account') {
    account(req, res)
    return
  }
  res.statusCode = req.url === '/' ? 200 : 404
  res.end(req.url === '/' ? 'this page is for everybody\n' : 'Not Found\n')
})

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})

process.once('SIGTERM', () => server.close(() => client.close()))
