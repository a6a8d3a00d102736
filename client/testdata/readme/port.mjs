// Lets a program of a README listen on a port of its own instead of 8080, and tells which. The program knows nothing of it.
import { Server } from 'node:net'

const { listen } = Server.prototype

Server.prototype.listen = function (port, host, ...rest) {
  if (port !== 8080) throw new Error(`the READMEs speak of port 8080, and this program wants ${port}`)
  if (host !== '127.0.0.1') throw new Error(`the READMEs try their programs from the same host, and this one listens on ${host ?? 'all addresses'}`)
  this.once('listening', () => console.log(`listening on http://127.0.0.1:${this.address().port}`))
  return listen.call(this, 0, host, ...rest)
}
