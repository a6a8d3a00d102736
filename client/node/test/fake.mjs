// A daemon that answers as a test wants: answer(words) returns the reply line without its tag; null: it never comes, unless
// the test sends it.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const ACCEPTED =
  'OK level=claims project=main sub=user-1 age=3 ttl=57 exp=4102444800 source=cache {"sub":"user-1","email":"ada@example.org"}'

export async function fakeDaemon(t, answer) {
  const folder = mkdtempSync(join(tmpdir(), 'na'))
  const fake = { path: join(folder, 's'), connections: 0, chunks: [], requests: [], reply: answer, sockets: new Set() }
  const server = createServer((socket) => {
    fake.connections++
    fake.sockets.add(socket)
    let rest = ''
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      fake.chunks.push(chunk)
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      for (const line of lines) {
        const [tag, ...words] = line.split(' ')
        fake.requests.push({ tag, words, socket })
        const reply = fake.reply(words)
        if (reply !== null) socket.write(`${tag} ${reply}\n`)
      }
    })
  })
  server.listen(fake.path)
  await once(server, 'listening')
  t.after(() => {
    for (const socket of fake.sockets) socket.destroy()
    server.close()
    rmSync(folder, { recursive: true })
  })
  return fake
}
