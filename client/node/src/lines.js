'use strict'

const { GarbledError } = require('./errors.js')

const LF = 10

// Lines cuts the bytes of a connection into lines of bounded length.
class Lines {
  #most // bytes of a line, its end included
  #parts = [] // the parts of a line whose end has not come yet
  #size = 0 // bytes in #parts

  constructor(most) { this.#most = most }

  // Whether a line has begun and its end has not come yet.
  get partial() { return this.#size > 0 }

  // in yields the lines that end in the chunk, each a Buffer without its line
  // end. For a line that is too long it throws GarbledError; after that the
  // connection must not be read any more.
  *in(chunk) {
    for (let start = 0; start < chunk.length; ) {
      const found = chunk.indexOf(LF, start)
      const end = found < 0 ? chunk.length : found + 1
      this.#parts.push(chunk.subarray(start, end))
      this.#size += end - start
      start = end
      if (this.#size > this.#most || (found < 0 && this.#size === this.#most)) throw new GarbledError('line is too long')
      if (found < 0) return
      const line = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts)
      this.#parts = []
      this.#size = 0
      yield line.subarray(0, -1)
    }
  }
}

module.exports = { Lines }
