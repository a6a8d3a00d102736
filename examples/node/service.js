// A service with one protected route. PORT=8080 node service.js
import { createServer } from 'node:http'

import { Client } from 'neonauthd'

import { routes } from './routes.js'

const client = new Client()
const server = createServer(routes(client))

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})

process.once('SIGTERM', () => server.close(() => client.close()))
