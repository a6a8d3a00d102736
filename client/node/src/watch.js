'use strict'

const { Lines } = require('./lines.js')
const { replyIn } = require('./reply.js')
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
  #clock
  #ended
  #lines = new Lines(MAX_WATCH_LINE)
  #untold = false // an event came that no SEEN has confirmed yet
  #over = false
  #stopLooking

  // ended is called when the watch has ended, with the time for which no other
  // one is to be opened.
  constructor(socket, memory, clock, ended) {
    this.#socket = socket
    this.#memory = memory
    this.#clock = clock
    this.#ended = ended
    socket.unref()
    socket.on('data', (chunk) => this.#receive(chunk))
    for (const event of ['end', 'error', 'close']) socket.on(event, () => this.#end(LOST_PAUSE))
    memory.ask(clock.now())
    socket.write('WATCH\n')
    this.#lookAfter(FIRST_IDLE_TIME)
  }

  // renew asks the daemon to extend the lease, if it is time.
  renew(now) { if (!this.#memory.owed && now.mono - this.#memory.asked >= RENEW_AFTER) this.#tell(now) }

  // end ends the watch because it is not needed any more. After QUIT the daemon
  // need not wait for the lease to end.
  end(pause = 0) {
    const last = this.#memory.up && this.#memory.hits > 0 ? this.#seen() : ''
    this.#end(pause, `${last}QUIT\n`)
  }

  #receive(chunk) {
    if (this.#over) return // the memory may belong to the next watch
    for (const line of this.#lines.in(chunk)) {
      const pause = this.#heard(line)
      if (pause !== undefined) return this.#end(pause)
    }
    // If several lines came together, this is one SEEN for all of them.
    if (this.#untold && !this.#memory.owed) this.#tell(this.#clock.now())
  }

  #tell(now) {
    this.#memory.ask(now)
    this.#socket.write(this.#seen())
  }

  #seen() {
    const { rev, hits } = this.#memory
    this.#memory.hits = 0
    this.#untold = false
    return `SEEN rev=${rev} hits=${hits}\n`
  }

  // heard handles a line of the daemon. If the watch must end, it returns the
  // time for which no other one is to be opened.
  #heard(line) {
    const reply = line && replyIn(line)
    if (reply?.status === 'ERR' && reply.word === 'unknown-verb' && !this.#memory.up) return OLD_DAEMON_PAUSE
    if (reply?.status !== 'OK' || reply.rest !== '') return LOST_PAUSE
    const [forget, lease, rev] = ['forget', 'lease', 'rev'].map((name) => reply.fields.get(name))
    if ((forget === undefined) === (lease === undefined)) return LOST_PAUSE
    return (lease === undefined ? this.#forgotten(rev, forget) : this.#granted(rev, lease)) ? undefined : LOST_PAUSE
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
    return this.#memory.forget(countIn(rev), handles)
  }

  // lookAfter checks after that time whether the watch is to go on. It ends if
  // there was no lookup meanwhile, or if the daemon has not answered a SEEN from
  // before.
  #lookAfter(span) {
    const { lookups, asked } = this.#memory
    this.#stopLooking = this.#clock.wait(span, () => {
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
    if (last === undefined) {
      this.#socket.destroy()
    } else {
      this.#socket.end(last, () => this.#socket.destroy())
      this.#clock.wait(RENEW_AFTER, () => this.#socket.destroy())
    }
    this.#ended(pause)
  }
}

module.exports = { LOST_PAUSE, OLD_DAEMON_PAUSE, Watch }
