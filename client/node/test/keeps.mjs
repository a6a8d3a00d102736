// A program that says where its answer is from when that is its own memory, and then stays: for a process or a thread.
import { parentPort } from 'node:worker_threads'

import { Client } from 'neonauthd'

if (process.argv.length < 3) process.exit() // `node --test test/` runs every file

const client = new Client({ socket: process.argv.at(-1) })
let answer
while ((answer = await client.verify('a.b.c')).source !== 'cache') await new Promise(setImmediate)
if (parentPort === null) process.send(answer.source)
else parentPort.postMessage(answer.source)
setInterval(() => {}, 60_000)
