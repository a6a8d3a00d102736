'use strict'

const { isUtf8 } = require('node:buffer')

const LF = 10
const PLAIN = /^[ -~]*$/
const CONTROL = /[\x00-\x1f]/

// Lines cuts the bytes of a connection into lines of bounded length.
class Lines {
  #most // bytes of a line, its end included
  #parts = [] // the parts of a line whose end has not come yet
  #size = 0 // bytes in #parts

  constructor(most) { this.#most = most }

  // Whether a line has begun and its end has not come yet.
  get partial() { return this.#size > 0 }

  // in yields the lines that end in the chunk, each a Buffer without its line
  // end. For a line that is too long it yields null; after that the connection
  // must not be read any more.
  *in(chunk) {
    for (let start = 0; start < chunk.length; ) {
      const found = chunk.indexOf(LF, start)
      const end = found < 0 ? chunk.length : found + 1
      this.#parts.push(chunk.subarray(start, end))
      this.#size += end - start
      start = end
      if (this.#size > this.#most || (found < 0 && this.#size === this.#most)) yield null
      if (found < 0) return
      const line = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts)
      this.#parts = []
      this.#size = 0
      yield line.subarray(0, -1)
    }
  }
}

// textOf returns the text of a line, null if it is not one line of UTF-8.
function textOf(line) {
  const text = line.latin1Slice()
  if (PLAIN.test(text)) return text
  return CONTROL.test(text) || !isUtf8(line) ? null : line.utf8Slice()
}

module.exports = { Lines, textOf }
