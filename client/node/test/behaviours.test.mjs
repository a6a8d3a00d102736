// Plays ../../testdata/behaviours against the real daemon; see the README there.
// `go test ./client -run Languages` starts the system.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'

import { Client } from 'neonauthd'
import { facts } from './facts.mjs'

const FOLDER = new URL('../../testdata/behaviours/', import.meta.url)
const PATIENCE = 20_000
const DEADLINE = 10_000 // of a question whose step names none: what takes long is no fault of the client's
const skip = process.env.NEONAUTHD_SYSTEM ? false : 'there is no system: go test ./client -run Languages starts it'

const names = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))
assert.ok(names.length >= 8, `found ${names.length} behaviours, expected at least 8`)

for (const name of names) {
  test(`behaviour ${name.slice(0, -4)}`, { skip }, () => new Actor().play(readFileSync(new URL(name, FOLDER), 'utf8')))
}

test('a behaviour with another outcome fails', { skip }, () =>
  assert.rejects(new Actor().play('do mint a\nask verify a = rejected')))

class Actor {
  client = new Client()
  people = new Map()
  callers = []
  over = false

  async play(text) {
    this.socket = createConnection(process.env.NEONAUTHD_SYSTEM)
    this.replies = createInterface({ input: this.socket })[Symbol.asyncIterator]()
    try {
      await this.say('reset')
      for (const [index, line] of text.split('\n').entries()) {
        if (line === '' || line.startsWith('#')) continue
        try {
          await this.step(line)
        } catch (error) {
          throw new Error(`line ${index + 1}: ${line}: ${error.message}`, { cause: error })
        }
      }
    } finally {
      await this.finish('accepted|rejected|unknown')
      await this.client.close()
      this.socket.destroy()
    }
  }

  async step(line) {
    const space = line.indexOf(' ')
    const verb = space < 0 ? line : line.slice(0, space)
    const rest = space < 0 ? '' : line.slice(space + 1)
    switch (verb) {
      case 'do': return this.say(rest)
      case 'ask': return this.ask(rest)
      case 'until': return this.until(rest)
      case 'callers': return this.gather(rest)
      case 'served': return this.served()
      case 'finish': return this.finish(rest)
      default: throw new Error('no such step')
    }
  }

  async say(line) {
    this.socket.write(`${line}\n`)
    const { value = 'failed: the system is gone' } = await this.replies.next()
    const [status, token, subject] = value.split(' ')
    if (status !== 'ok') throw new Error(value)
    const words = line.split(' ')
    if (words[0] === 'mint') this.people.set(words[1], { token, subject })
  }

  call(method, token, options) {
    const lookup = method === 'verify' || method === 'profile'
    const promise = lookup ? this.client[method](token, options) : this.client[method](options)
    return promise.then((value) => facts({ value }), (error) => facts({ error }))
  }

  async ask(text) {
    const [question, want] = text.split(' = ')
    const [method, ...words] = question.split(' ')
    let who = {}
    const options = { deadline: DEADLINE }
    for (const word of words) {
      const [name, value] = word.split('=')
      if (value === undefined) who = this.people.get(name)
      else if (name === 'max-age') options.maxAge = Number(value) * 1000
      else if (name === 'heard') options.heard = Number(value) * 1000
      else if (name === 'deadline') options.deadline = Number(value)
      else options[name] = value
    }
    const have = await this.call(method, who.token, options)
    const [outcome, ...others] = want.split(' ')
    const wanted = [`outcome=${outcome}`, ...others]
    if (have.outcome === 'accepted') wanted.push(`subject=${who.subject}`)
    for (const word of wanted) {
      const [name, values] = word.split('=')
      if (!values.split('|').includes(have[name])) {
        throw new Error(`got ${JSON.stringify({ ...have, json: undefined })}`)
      }
    }
  }

  async until(text) {
    const end = performance.now() + PATIENCE
    for (;;) {
      try {
        return await this.ask(text)
      } catch (error) {
        if (performance.now() > end) throw error
      }
      await new Promise(setImmediate) // sockets are looked at in between
    }
  }

  async gather(text) {
    const [count, method] = text.split(' ')
    for (let i = 1; i <= Number(count); i++) await this.say(`mint ${i}`)
    this.over = false
    for (let i = 1; i <= Number(count); i++) {
      const member = { who: this.people.get(`${i}`), outcomes: new Set(), mixed: false, wake: () => {} }
      member.gone = this.loop(member, method)
      this.callers.push(member)
    }
  }

  async loop(member, method) {
    while (!this.over) {
      const have = await this.call(method, member.who.token, {})
      if (have.cause !== 'timeout') member.outcomes.add(have.outcome) // else the machine was busy
      if (have.outcome === 'accepted') {
        member.mixed ||= have.subject !== member.who.subject
        member.wake()
      }
      await new Promise(setImmediate) // as between two requests: an answer that is kept waits for nothing
    }
  }

  async served() {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('a caller is not served')), PATIENCE)
    })
    const all = Promise.all(this.callers.map((member) => new Promise((resolve) => { member.wake = resolve })))
    await Promise.race([all, late]).finally(() => clearTimeout(timer))
  }

  async finish(outcomes) {
    this.over = true
    const callers = this.callers
    this.callers = []
    for (const member of callers) {
      await member.gone
      assert.ok(!member.mixed, "a caller got another's answer")
      for (const outcome of member.outcomes) assert.ok(outcomes.split('|').includes(outcome), `a caller got ${outcome}`)
    }
  }
}
