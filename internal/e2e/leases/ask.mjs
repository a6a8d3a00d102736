// The asking program for Node; see ask in asker_test.go.
import { readFileSync, writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

import { Client } from '../../../client/node/src/index.js'

const WINDOW = 50_000_000n // nanoseconds
const PROFILE_EVERY = 16

const [socket, path, callers, burst] = process.argv.slice(2)
const tokens = readFileSync(path, 'latin1').trim().split('\n')
const client = new Client({ socket })
let over = false
process.stdin.on('end', () => { over = true }).resume()

const outcomeOf = (answer) => (answer.outcome === 'rejected' ? answer.reason : answer.outcome)
const random = (most) => Math.floor(Math.random() * most)
const now = process.hrtime.bigint // CLOCK_MONOTONIC

class Runs {
  #open = new Map()
  lines = ''

  add(token, outcome, begin, end) {
    const old = this.#open.get(token)
    if (old?.outcome === outcome && end - old.first[0] <= WINDOW) {
      old.count++
      old.last = [begin, end]
      return
    }
    if (old) this.#tell(old)
    this.#open.set(token, { token, outcome, count: 1, first: [begin, end], last: [begin, end] })
  }

  end() {
    for (const run of this.#open.values()) this.#tell(run)
  }

  #tell({ token, outcome, count, first, last }) {
    this.lines += `${token} ${outcome} ${count} ${first.join(' ')} ${last.join(' ')}\n`
  }
}

async function askBurst(runs) {
  for (let i = 0; i < Number(burst); i++) {
    const token = random(tokens.length)
    const verb = random(PROFILE_EVERY) === 0 ? 'profile' : 'verify'
    const begin = now()
    const answer = await client[verb](tokens[token])
    runs.add(token, outcomeOf(answer), begin, now())
    if (answer.outcome === 'unknown') return
  }
}

async function caller() {
  const runs = new Runs()
  while (!over) {
    await askBurst(runs)
    await setTimeout(1)
    if (runs.lines !== '') writeSync(1, runs.lines)
    runs.lines = ''
  }
  runs.end()
  writeSync(1, runs.lines)
}

await Promise.all(Array.from({ length: Number(callers) }, caller))
await client.close()
