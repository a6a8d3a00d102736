// How many lookups a second 64 concurrent callers get: NEONAUTHD_SOCKET=... node bench/callers.mjs TOKEN_FILE [callers] [seconds]
import { readFileSync } from 'node:fs'

import { Client } from 'neonauthd'

const [file, callers = '64', seconds = '5'] = process.argv.slice(2)
const token = readFileSync(file, 'utf8').trim()
const client = new Client()
const times = []
const end = performance.now() + Number(seconds) * 1000
let other = 0
const before = process.cpuUsage()

async function caller() {
  for (;;) {
    const start = performance.now()
    if (start > end) return
    const answer = await client.verify(token)
    if (answer.outcome !== 'accepted') other++
    times.push(performance.now() - start)
  }
}

await Promise.all(Array.from({ length: Number(callers) }, caller))
const { user, system } = process.cpuUsage(before)
times.sort((a, b) => a - b)
const at = (share) => Math.round(times[Math.floor(times.length * share)] * 1000)
console.log(`node: ${callers} callers, ${Math.round(times.length / seconds)} lookups/s, p50 ${at(0.5)} us, p99 ${at(0.99)} us, ${((user + system) / times.length).toFixed(1)} us of CPU each, not accepted ${other}`)
await client.close()
