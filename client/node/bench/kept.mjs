// What a lookup costs that is answered from memory, beside the SHA-256 of its token and a lookup over the socket, in one run
// so that a busy machine makes all of them slow: node bench/kept.mjs [rounds]
import { fork } from 'node:child_process'
import * as crypto from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Client } from 'neonauthd'

const CLAIMS = JSON.stringify({
  sub: '8f1c1a52-5f0e-4a6e-9a43-2b8a6b7f2d10', role: 'authenticated', iss: 'https://api.stack-auth.com/api/v1/projects/p', aud: 'p',
  exp: 4000000000, iat: 1764000000, email: 'ada@example.org', email_verified: true, name: 'Ada Lovelace', is_anonymous: false,
  refresh_token_id: '48b27cd9-0054-463b-9edf-77a99304f277', branch_id: 'main', selected_team_id: null, project_id: 'p',
})
const REPLY = `OK level=claims project=main sub=8f1c1a52-5f0e-4a6e-9a43-2b8a6b7f2d10 age=3 ttl=57 exp=4000000000 source=upstream ` +
  `rev=AAAAAAAAAAA.0 handles=AAAAAAAAAAA,AAAAAAAAAAE,AAAAAAAAAAI,AAAAAAAAAAM,AAAAAAAAAAQ ${CLAIMS}\n`

// A daemon that grants everything and ends nothing.
function daemon(path) {
  const words = { WATCH: 'OK lease=1000 rev=AAAAAAAAAAA.0\n', SEEN: 'OK lease=1000 rev=0\n', QUIT: 'OK\n' }
  createServer((socket) => {
    let rest = ''
    socket.setEncoding('latin1').on('error', () => {})
    socket.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      socket.write(lines.map((line) => words[line.split(' ', 1)[0]] ?? `${line.split(' ', 1)[0]} ${REPLY}`).join(''))
    })
  }).listen(path, () => process.send('up'))
}

const token = (n) => `eyJhbGciOiJFUzI1NiJ9.${'A'.repeat(740)}.${String(n).padStart(86, 'b')}` // 848 letters
const digest = (text) => crypto.hash?.('sha256', text, 'latin1') ?? crypto.createHash('sha256').update(text).digest('latin1')

// cpu is what one of so many turns takes of the processor, in microseconds.
async function cpu(turns, turn) {
  const before = process.cpuUsage()
  await turn(turns)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / turns
}

const one = (ask) => async (turns) => {
  for (let i = 0; i < turns; i++) await ask(i)
}
const many = (callers, ask) => (turns) => Promise.all(Array.from({ length: callers }, (_, n) => one((i) => ask(i + n))(turns / callers)))

async function bench(path, rounds) {
  const asking = new Client({ socket: path, keep: 0, timeout: 10_000 })
  const keeping = new Client({ socket: path, timeout: 10_000 })
  const tokens = Array.from({ length: 500 }, (_, n) => token(n))
  await keeping.verify(tokens[0])
  await new Promise((resolve) => setTimeout(resolve, 100)) // the watch is up
  for (const each of tokens) await keeping.verify(each)
  let memory = 0
  const accepted = (answer) => {
    if (answer.outcome !== 'accepted') throw new Error(String(answer))
    if (answer.source === 'cache') memory++
    return answer
  }
  const rows = {
    'sha256 of the token alone': [50_000, one((i) => digest(tokens[i % 500]))],
    'kept, one caller': [50_000, one(async (i) => accepted(await keeping.verify(tokens[i % 500])))],
    'kept, and its user read': [50_000, one(async (i) => accepted(await keeping.verify(tokens[i % 500])).user.email)],
    'kept, 64 callers': [64_000, many(64, async (i) => accepted(await keeping.verify(tokens[i % 500])))],
    'asked, one caller': [3000, one(async (i) => accepted(await asking.verify(tokens[i % 500])))],
    'asked, 64 callers': [6400, many(64, async (i) => accepted(await asking.verify(tokens[i % 500])))],
  }
  const found = Object.fromEntries(Object.keys(rows).map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [name, [turns, turn]] of Object.entries(rows)) {
      const took = await cpu(turns, turn)
      if (round > 0) found[name].push(took) // the first one warms up
      await new Promise(setImmediate) // the watch is read
    }
  }
  const median = (name) => found[name].sort((a, b) => a - b)[rounds >> 1]
  console.log(`node ${process.version}, tokens of ${tokens[0].length} letters, median of ${rounds} rounds`)
  for (const name of Object.keys(rows)) {
    const [us, ratio] = [median(name), median(name) / median('sha256 of the token alone')]
    console.log(`${name.padEnd(26)} ${us.toFixed(2).padStart(6)} us of CPU, ${ratio.toFixed(1).padStart(5)} times the sha256`)
  }
  const kept = (164_000 * (rounds + 1)) // turns of the rows that are kept
  console.log(`${((memory / kept) * 100).toFixed(2)} % of what is kept came from memory`)
  await Promise.all([asking.close(), keeping.close()])
}

if (process.argv[2] === 'daemon') {
  daemon(process.argv[3])
} else {
  const folder = mkdtempSync(join(tmpdir(), 'na'))
  const child = fork(fileURLToPath(import.meta.url), ['daemon', join(folder, 's')])
  try {
    await new Promise((resolve) => child.once('message', resolve))
    await bench(join(folder, 's'), Number(process.argv[2] ?? 9))
  } finally {
    child.kill()
    rmSync(folder, { recursive: true })
  }
}
