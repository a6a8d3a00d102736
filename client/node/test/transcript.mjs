// Reads transcripts; see ../../testdata/transcripts/README.md.
import { readFileSync, readdirSync } from 'node:fs'

const FOLDER = new URL('../../testdata/transcripts/', import.meta.url)
const KEEPING = new URL('keeping/', FOLDER)
const WORDS = [
  'needs', 'call', 'cancel', 'close', 'accept', '>', '<', '<<', 'cut', 'gone', 'down', 'up', 'answer',
  'include', 'on', 'clock', 'wall', 'until', // of keeping
]

export const transcripts = () => read(FOLDER, 25)
export const transcriptsOfKeeping = () => read(KEEPING, 50)

function read(folder, least) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.txt'))
  if (names.length < least) throw new Error(`found ${names.length} transcripts, expected at least ${least}`)
  return names.map((name) => ({ name: name.slice(0, -4), steps: parse(readFileSync(new URL(name, folder), 'utf8')) }))
}

export function parse(text) {
  const steps = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.indexOf(' ')
    const verb = space < 0 ? line : line.slice(0, space)
    if (!WORDS.includes(verb)) throw new Error(`line ${index + 1}: no step is called "${verb}"`)
    const rest = (space < 0 ? '' : line.slice(space + 1)).replace(/\{([0-9]+)\*(.)\}/gu, (_, count, one) => one.repeat(count))
    if (verb === 'include') steps.push(...parse(readFileSync(new URL(rest, KEEPING), 'utf8')))
    else steps.push({ line: index + 1, verb, rest })
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
