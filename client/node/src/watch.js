'use strict'

const { GarbledError } = require('./errors.js')
const { Lines } = require('./lines.js')
const { parseReply, replyError } = require('./reply.js')
const { since } = require('./memory.js')
const { MAX_FORGET, MAX_LEASE, MAX_WATCH_LINE, countIn, handlesIn, revisionIn } = require('./words.js')

// The age of the last SEEN at which a lookup sends the next one, in
// milliseconds: four times in a lease.
const RENEW_AFTER = MAX_LEASE / 4

// How often, in milliseconds, the client checks whether there were lookups: a
// watch without a lookup between two checks ends. The first check comes
// earlier, because some programs make a client for each request.
const IDLE_TIME = 5000
const FIRST_IDLE_TIME = 1000

// How long, in milliseconds, no other watch is opened after one has ended.
const LOST_PAUSE = 1000 // the connection ended, or what came is no line of a watch
const OLD_DAEMON_PAUSE = 60_000 // the daemon does not know the verb

// Watch is the connection on which the daemon reports what must be forgotten.
class Watch {
  #socket
  #memory
  #keeper
  #lines = new Lines(MAX_WATCH_LINE)
  #untold = false // an event came that no SEEN has confirmed yet
  #over = false
  #stopLooking

  constructor(socket, keeper) {
    this.#socket = socket
    this.#memory = keeper.memory
    this.#keeper = keeper
    socket.unref()
    socket.on('data', (chunk) => this.#receive(chunk))
    for (const event of ['end', 'error']) socket.on(event, () => this.#end(LOST_PAUSE))
    this.#ask('WATCH\n', keeper.now())
    this.#lookAfter(FIRST_IDLE_TIME)
  }

  // renew asks the daemon to extend the lease, if it is time.
  renew(now) { if (!this.#memory.owed && since(now, this.#memory.asked) >= RENEW_AFTER) this.#ask(this.#seen(), now) }

  // end ends the watch because it is not needed any more. After QUIT the daemon
  // need not wait for the lease to end.
  end(pause = 0) {
    const last = this.#memory.up && this.#memory.hits > 0 ? this.#seen() : ''
    this.#end(pause, `${last}QUIT\n`)
  }

  #receive(chunk) {
    if (this.#over) return // the memory may belong to the next watch
    try {
      for (const line of this.#lines.in(chunk)) this.#hear(parseReply(line))
    } catch (error) {
      return this.#end(error.code === 'unknown-verb' && !this.#memory.up ? OLD_DAEMON_PAUSE : LOST_PAUSE)
    }
    // If several lines came together, this is one SEEN for all of them.
    if (this.#untold && !this.#memory.owed) this.#ask(this.#seen(), this.#keeper.now())
  }

  // ask sends a WATCH or a SEEN, whose answer begins or extends the lease.
  #ask(line, now) {
    this.#memory.ask(now)
    this.#socket.write(line)
  }

  #seen() {
    const { rev, hits } = this.#memory
    this.#memory.hits = 0
    this.#untold = false
    return `SEEN rev=${rev} hits=${hits}\n`
  }

  // hear handles a line of the daemon. It throws for what is no line of a watch.
  #hear(reply) {
    if (reply.status === 'ERR') throw replyError(reply)
    const [forget, lease, rev] = ['forget', 'lease', 'rev'].map((name) => reply.fields.get(name))
    const one = reply.status === 'OK' && reply.rest === '' && (forget === undefined) !== (lease === undefined)
    const inOrder = one && (lease === undefined ? this.#forgotten(rev, forget) : this.#granted(rev, lease))
    if (!inOrder) throw new GarbledError('not a line of a watch')
  }

  #granted(rev, raw) {
    const lease = countIn(raw)
    if (!(lease >= 1 && lease <= MAX_LEASE)) return false
    if (this.#memory.up) return this.#memory.grant(countIn(rev), lease)
    const first = revisionIn(rev)
    if (first === undefined) return false
    this.#memory.begin(first)
    return this.#memory.grant(first.n, lease)
  }

  #forgotten(rev, raw) {
    const handles = handlesIn(raw, MAX_FORGET)
    if (!this.#memory.up || (handles === undefined && raw !== '*')) return false
    this.#untold = true
    return this.#memory.forget({ n: countIn(rev), handles })
  }

  // lookAfter checks after that time whether the watch is to go on. It ends if
  // there was no lookup meanwhile, or if the daemon has not answered a SEEN from
  // before.
  #lookAfter(span) {
    const { lookups, asked } = this.#memory
    this.#stopLooking = this.#keeper.wait(span, () => {
      if (this.#memory.lookups === lookups) this.end()
      else if (this.#memory.owed && this.#memory.asked === asked) this.#end(LOST_PAUSE)
      else this.#lookAfter(IDLE_TIME)
    })
  }

  // end forgets everything and closes the connection, after the last words if
  // there are any.
  #end(pause, last) {
    if (this.#over) return
    this.#over = true
    this.#memory.end() // before anything else: no answer may be served without a watch
    this.#stopLooking()
    this.#socket.end(last, () => this.#socket.destroy())
    this.#keeper.wait(RENEW_AFTER, () => this.#socket.destroy())
    this.#keeper.unwatched(pause)
  }
}

module.exports = { LOST_PAUSE, OLD_DAEMON_PAUSE, Watch }
