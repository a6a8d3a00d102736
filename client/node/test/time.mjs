// The time of a client under test: it stands still but for what a test lets pass.
import internal from '../src/client.js'

export class Time {
  mono = 0
  wall = Date.now()
  #timers = new Set()

  // rule has the client live by this time.
  rule(client) {
    const { keeper } = internal.internals(client)
    keeper.now = () => ({ mono: this.mono, wall: this.wall })
    keeper.wait = (span, run) => {
      const timer = { at: this.mono + span, run }
      this.#timers.add(timer)
      return () => this.#timers.delete(timer)
    }
    return keeper
  }

  // pass lets so many milliseconds pass, and what was to happen in them happen.
  pass(span) {
    const end = this.mono + span
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      this.#to(due?.at ?? end)
      if (due === undefined) return
      this.#timers.delete(due)
      due.run()
    }
  }

  #to(mono) {
    this.wall += mono - this.mono
    this.mono = mono
  }
}

// until waits for something that happens by itself.
export async function until(so) {
  for (const end = performance.now() + 10_000; !so(); await new Promise(setImmediate)) {
    if (performance.now() > end) throw new Error(`it does not get so: ${so}`)
  }
}
