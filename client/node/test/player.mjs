// Plays a transcript: it is the daemon, and it makes the calls.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'

import { Client } from 'neonauthd'
import client from '../src/client.js'
import { facts } from './facts.mjs'
import { unescape, wordsOf } from './transcript.mjs'

const { internals } = client
const PATIENCE = 10_000 // milliseconds, for anything that is not meant to time out

export class Player {
  // keeps: the client keeps answers, by clocks that the transcript moves.
  constructor({ keeps = false } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'na'))
    this.path = join(this.folder, 's')
    this.client = new Client({ socket: this.path, keep: keeps ? undefined : 0, timeout: PATIENCE, name: 'transcript' })
    this.calls = new Map()
    this.tags = new Map()
    this.tokens = []
    this.arrivals = new Inbox()
    this.conns = new Map() // by their names
    this.conn = null // the current one
    this.now = { mono: 0, wall: Date.now() }
    const { wire, keeper } = internals(this.client)
    this.keeper = keeper
    wire.idleTime = PATIENCE
    if (keeps) {
      this.keeper.now = () => ({ ...this.now })
      const wait = this.keeper.wait
      // Nobody looks whether the watch is used: that goes by the time of the host.
      this.keeper.wait = (span, run) => (span < 1000 ? wait(span, run) : () => {})
    }
  }

  async play(steps) {
    try {
      await this.up()
      for (const step of steps) {
        try {
          await this.step(step)
        } catch (error) {
          throw new Error(`line ${step.line}: ${step.verb}: ${error.message}`, { cause: error })
        }
      }
      if (this.calls.size > 0) throw new Error('end: calls without an answer step')
      await this.quiet()
    } finally {
      this.down()
      await this.client.close()
      for (const call of this.calls.values()) call.abort.abort()
      rmSync(this.folder, { recursive: true })
    }
  }

  step({ verb, rest }) {
    switch (verb) {
      case 'needs': return undefined
      case 'call': return this.call(rest)
      case 'cancel': return this.calls.get(rest).abort.abort()
      case 'close': return this.client.close()
      case 'accept': return this.accept(rest)
      case 'on': return this.turnTo(rest)
      case 'clock': return this.move(Number(rest), Number(rest))
      case 'wall': return this.move(0, Number(rest))
      case 'until': return this.until(...rest.split(' '))
      case '>': return this.request(rest)
      case '<': return this.send(Buffer.from(`${this.withTimes(this.withTag(rest))}\n`))
      case '<<': return this.send(unescape(this.withTimes(this.withTag(rest))))
      case 'cut': return this.cut()
      case 'gone': return this.gone()
      case 'down': return this.down()
      case 'up': return this.up()
      default: return this.answer(rest)
    }
  }

  async up() {
    this.server = createServer({ allowHalfOpen: true }, (socket) => this.arrivals.put(new Peer(socket)))
    this.server.listen(this.path)
    await once(this.server, 'listening')
  }

  down() {
    this.server?.close()
    this.server = undefined
    for (const peer of [...this.conns.values(), ...this.arrivals.waiting]) peer.socket.destroy()
    this.conns.clear()
    this.conn = null
  }

  cut() {
    this.conn?.socket.destroy()
    this.conns.delete(this.conn?.name)
    this.conn = null
  }

  async accept(name) {
    this.conn = await within(this.arrivals.get(), 'no connection')
    this.conn.name = name
    this.conns.set(name, this.conn)
  }

  turnTo(name) {
    this.conn = this.conns.get(name)
    if (this.conn === undefined) throw new Error(`no connection is called ${name}`)
  }

  move(mono, wall) {
    this.now.mono += mono
    this.now.wall += wall
  }

  // until waits for something that only the client knows.
  async until(what, number) {
    const { keeper } = this
    const so = {
      watching: () => keeper.memory.up && !keeper.memory.owed,
      unwatched: () => !keeper.watching,
      still: () => keeper.refreshing === 0,
      heard: () => keeper.memory.rev === Number(number),
    }[what]
    const end = performance.now() + PATIENCE
    while (!so()) {
      if (performance.now() > end) throw new Error('it does not get so')
      await new Promise(setImmediate)
    }
  }

  async request(want) {
    const line = await within(this.conn.lines.get(), 'no request')
    if (line === null) throw new Error('the connection ended')
    const got = parts(line)
    const wanted = parts(want)
    const same =
      got.verb === wanted.verb && got.args.join(' ') === wanted.args.join(' ') && got.fields.size === wanted.fields.size &&
      [...wanted.fields].every(([name, value]) => got.fields.has(name) && (value === '*' || value === got.fields.get(name)))
    if (!same) throw new Error(`the client sent ${line.slice(0, 300)}`)
    this.tags.set(wanted.tag, got.tag === '' ? '' : `${got.tag} `)
  }

  withTag(line) {
    const [name, ...rest] = line.split(' ')
    return this.tags.has(name) ? this.tags.get(name) + rest.join(' ') : line
  }

  // withTimes puts instants in the place of what is so many seconds from now.
  withTimes(line) {
    return line.replace(/\{now\+([0-9]+)\}/g, (_, seconds) => Math.floor(this.now.wall / 1000) + Number(seconds))
  }

  async send(bytes) {
    const socket = this.conn.socket
    // A client that hangs up in the middle of a line without end does well.
    const written = new Promise((resolve) => socket.write(bytes, resolve))
    await within(Promise.race([written, this.conn.closed]), 'the client does not read')
  }

  async gone() {
    const line = await within(this.conn.lines.get(), 'the connection stays')
    if (line !== null) throw new Error(`the client sent ${line.slice(0, 300)}`)
    this.cut()
  }

  call(text) {
    const [id, method, ...rest] = text.split(' ')
    if (this.calls.has(id) || !['verify', 'profile', 'ping', 'hello'].includes(method)) throw new Error('bad call')
    const abort = new AbortController()
    const options = { signal: abort.signal }
    let token = ''
    for (const [name, value] of rest.length > 0 ? wordsOf(rest.join(' ')) : []) {
      if (name === 'token') token = value
      else if (name === 'project' || name === 'fallback') options[name] = value
      else if (name === 'deadline') options.deadline = Number(value)
      else if (name === 'on-behalf-of') options.onBehalfOf = value
      else if (name === 'max-age') options.maxAge = Number(value) * 1000
      else if (name === 'heard') options.heard = Number(value) * 1000
      else throw new Error(`no option is called ${name}`)
    }
    if (token !== '') this.tokens.push(token)
    const lookup = method === 'verify' || method === 'profile'
    const promise = lookup ? this.client[method](token, options) : this.client[method](options)
    this.calls.set(id, { abort, result: promise.then((value) => ({ value }), (error) => ({ error })) })
    // The request has left this process before the next step.
    return new Promise(setImmediate)
  }

  async answer(text) {
    const at = text.indexOf(' json=')
    const json = at < 0 ? '' : text.slice(at + 6)
    const [id, outcome, ...rest] = (at < 0 ? text : text.slice(0, at)).split(' ')
    const call = this.calls.get(id)
    if (call === undefined) throw new Error('no such call')
    const result = await within(call.result, 'the call does not return')
    this.calls.delete(id)
    const have = facts(result)
    this.discreet(result)
    if (have.outcome !== outcome) throw new Error(`got ${JSON.stringify(have).slice(0, 300)}`)
    for (const [name, want] of rest.length > 0 ? wordsOf(rest.join(' ')) : []) {
      if (have[name] !== want) throw new Error(`${name} is ${have[name]}, wanted ${want}: ${JSON.stringify(have).slice(0, 300)}`)
    }
    if (json !== '' && have.json !== json) throw new Error(`JSON is ${have.json?.slice(0, 300)}`)
  }

  // discreet checks that no way of printing a result shows a token.
  discreet({ value, error }) {
    const texts = []
    for (const one of [value, value?.error, error, this.client]) {
      texts.push(String(one), inspect(one, { depth: 9, showHidden: true }), JSON.stringify(one) ?? '')
    }
    for (const token of this.tokens) {
      if (token.length >= 5 && texts.some((text) => text.includes(token))) throw new Error('the result shows the token when printed')
    }
  }

  // quiet checks that the client did nothing that the transcript does not say.
  async quiet() {
    await new Promise(setImmediate)
    if (this.arrivals.waiting.length > 0) throw new Error('end: the client made a connection that is not in the transcript')
    for (const peer of this.conns.values()) {
      const line = peer.lines.waiting[0]
      if (typeof line === 'string') throw new Error(`end: the client sent ${line.slice(0, 300)}, which is not in the transcript`)
    }
  }
}

// Peer is one accepted connection with the request lines that have come; null is its end.
class Peer {
  constructor(socket) {
    this.socket = socket
    this.lines = new Inbox()
    let rest = ''
    socket.setEncoding('latin1')
    socket.on('data', (text) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()
      for (const line of lines) this.lines.put(line)
    })
    this.closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('end', () => this.lines.put(null))
    socket.on('error', () => this.lines.put(null))
  }
}

class Inbox {
  waiting = []
  #takers = []

  put(item) {
    const taker = this.#takers.shift()
    if (taker) taker(item)
    else this.waiting.push(item)
  }

  async get() {
    if (this.waiting.length > 0) return this.waiting.shift()
    return new Promise((resolve) => this.#takers.push(resolve))
  }
}

function parts(line) {
  const words = line.split(' ')
  const tag = words[0].startsWith('@') ? words.shift() : ''
  const verb = words.shift()
  const fields = new Map()
  while (words.length > 0 && /^[a-z0-9-]+=/.test(words[0])) {
    const [name, ...value] = words.shift().split('=')
    fields.set(name, value.join('='))
  }
  return { tag, verb, fields, args: words }
}

async function within(promise, complaint) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), PATIENCE)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
