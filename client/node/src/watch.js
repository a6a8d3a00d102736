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

// The causes for which a watch ends.
const UNUSED = 'nobody asks anything any more'
const NO_VERB = 'the daemon does not know the verb'
const LOST = 'the connection ended, or what came is no line of a watch'

// Watch is the connection on which the daemon reports what must be forgotten.
class Watch {
  #socket
  #memory
  #clock
  #ended
  #lines = new Lines(MAX_WATCH_LINE)
  #untold = false // an event came that no SEEN has confirmed yet
  #over = false
  #lookups = 0 // number of lookups at the last check
  #asked = 0 // when the last SEEN before the last check was sent
  #stopLooking

  // ended is called with the cause when the watch has ended.
  constructor(socket, memory, clock, ended) {
    this.#socket = socket
    this.#memory = memory
    this.#clock = clock
    this.#ended = ended
    socket.unref()
    socket.on('data', (chunk) => this.#receive(chunk))
    for (const event of ['end', 'error', 'close']) socket.on(event, () => this.#end(LOST))
    memory.ask(clock.now())
    socket.write('WATCH\n')
    this.#lookLater(FIRST_IDLE_TIME)
  }

  // renew asks the daemon to extend the lease, if it is time.
  renew(now) { if (!this.#memory.owed && now.mono - this.#memory.asked >= RENEW_AFTER) this.#tell(now) }

  // end ends the watch because it is not needed any more.
  end() { this.#end(UNUSED) }

  #receive(chunk) {
    for (const line of this.#lines.in(chunk)) {
      const wrong = this.#heard(line)
      if (wrong) return this.#end(wrong)
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

  // heard handles a line of the daemon. It returns the cause if the watch must
  // end.
  #heard(line) {
    const reply = line && replyIn(line)
    if (reply?.status === 'ERR' && reply.word === 'unknown-verb' && !this.#memory.up) return NO_VERB
    if (reply?.status !== 'OK' || reply.rest !== '') return LOST
    const [forget, lease, rev] = ['forget', 'lease', 'rev'].map((name) => reply.fields.get(name))
    if ((forget === undefined) === (lease === undefined)) return LOST
    return (lease === undefined ? this.#forgotten(rev, forget) : this.#granted(rev, lease)) ? undefined : LOST
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

  #lookLater(span) {
    this.#lookups = this.#memory.lookups
    this.#asked = this.#memory.asked
    this.#stopLooking = this.#clock.wait(span, () => this.#look())
  }

  // look ends the watch if there was no lookup since the last check, or if the
  // daemon has not answered the SEEN since then.
  #look() {
    if (this.#memory.lookups === this.#lookups) this.#end(UNUSED)
    else if (this.#memory.owed && this.#memory.asked === this.#asked) this.#end(LOST)
    else this.#lookLater(IDLE_TIME)
  }

  #end(why) {
    if (this.#over) return
    this.#over = true
    const { up, hits } = this.#memory
    this.#memory.end() // before anything else: no answer may be served without a watch
    this.#stopLooking()
    if (up && why === UNUSED) {
      // The daemon need not wait for the lease to end.
      this.#socket.end(`${hits > 0 ? this.#seen() : ''}QUIT\n`, () => this.#socket.destroy())
      this.#clock.wait(RENEW_AFTER, () => this.#socket.destroy())
    } else {
      this.#socket.destroy()
    }
    this.#ended(why)
  }
}

module.exports = { NO_VERB, UNUSED, Watch }
