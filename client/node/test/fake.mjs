// A daemon that answers as a test wants: answer(words) returns the reply line without its tag; null: it never comes, unless
// the test sends it. watch(words) does so for what is said on a watch; a daemon without it does not know the verb.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const ACCEPTED =
  'OK level=claims project=main sub=user-1 age=3 ttl=57 exp=4102444800 source=upstream {"sub":"user-1","email":"ada@example.org"}'
export const GRANTED = ACCEPTED.replace(' {', ' rev=AAAAAAAAAAA.0 handles=AAAAAAAAAAE {')

// A watch on which nothing ends.
export const calm = ([verb]) => ({ WATCH: 'OK lease=1000 rev=AAAAAAAAAAA.0', SEEN: 'OK lease=1000 rev=0' })[verb]

export async function fakeDaemon(t, answer, watch = () => 'ERR unknown-verb') {
  const folder = mkdtempSync(join(tmpdir(), 'na'))
  const fake = {
    path: join(folder, 's'),
    reply: answer,
    chunks: [],
    requests: [], // tagged ones
    told: [], // lines on watches
    sockets: new Set(),
    asked: new Set(), // of them, those with a tagged request
    get connections() { return this.asked.size },
  }
  const server = createServer((socket) => {
    fake.sockets.add(socket)
    let rest = ''
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('close', () => fake.sockets.delete(socket))
    socket.on('data', (chunk) => {
      fake.chunks.push(chunk)
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      for (const line of lines) {
        const words = line.split(' ')
        const tag = words[0].startsWith('@') ? words.shift() : ''
        if (tag === '') {
          fake.told.push(line)
          fake.watch = socket
          const answer = watch(words)
          if (words[0] === 'QUIT') socket.end()
          else if (answer !== null) socket.write(`${answer}\n`)
          continue
        }
        fake.asked.add(socket)
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
