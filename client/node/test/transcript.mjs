// Reads transcripts; see ../../testdata/transcripts/README.md.
import { readFileSync, readdirSync } from 'node:fs'

const FOLDER = new URL('../../testdata/transcripts/', import.meta.url)
const WORDS = ['needs', 'call', 'cancel', 'close', 'accept', '>', '<', '<<', 'cut', 'gone', 'down', 'up', 'answer']

export function transcripts() {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))
  if (names.length < 25) throw new Error(`found ${names.length} transcripts, expected at least 25`)
  return names.map((name) => ({ name: name.slice(0, -4), steps: parse(readFileSync(new URL(name, FOLDER), 'utf8')) }))
}

export function parse(text) {
  const steps = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.indexOf(' ')
    const verb = space < 0 ? line : line.slice(0, space)
    if (!WORDS.includes(verb)) throw new Error(`line ${index + 1}: no step is called "${verb}"`)
    const rest = (space < 0 ? '' : line.slice(space + 1)).replace(/\{([0-9]+)\*(.)\}/gu, (_, count, one) => one.repeat(count))
    steps.push({ line: index + 1, verb, rest })
  }
  if (steps.length < 2) throw new Error('a transcript without steps shows nothing')
  return steps
}

// unescape decodes %XX to bytes and returns a Buffer.
export function unescape(text) {
  const parts = []
  for (const part of text.split(/(%[0-9A-Fa-f]{2})/)) {
    parts.push(/^%[0-9A-Fa-f]{2}$/.test(part) ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))
  }
  return Buffer.concat(parts)
}

export function wordsOf(text) {
  return text.split(' ').map((word) => {
    const [name, ...value] = word.split('=')
    return [name, unescape(value.join('=')).toString()]
  })
}
