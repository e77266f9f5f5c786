/**
 * Requests take turns by sender: one that has many on their way does not hold up another that has few.
 *
 * A request is worked on in one go, from its body to the queues, and on a busy gateway many are complete at the same
 * moment. While there is time in this turn of the event loop a request is begun at once. What comes beyond that waits,
 * and is begun in turns by sender, by bytes (deficit round robin), a few milliseconds at a time, between which the
 * sockets are read.
 */
import { limits } from '../limits.ts'
import { Turns } from './turns.ts'

interface Waiting {
  readonly bytes: number
  begin(): void
}

export class IntakeTurns {
  readonly #nowMs: () => number
  readonly #turns = new Turns<string>(limits.intakeQuantumBytes)
  readonly #waiting = new Map<string, Waiting[]>()
  #sliceStartMs = 0
  #scheduled = false

  /** `nowMs`: a monotonic clock. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Begins `work` when it is the sender's turn, and gives what it gives. `bytes`: what it costs. */
  take<T>(sender: string, bytes: number, work: () => Promise<T>): Promise<T> {
    if (!this.#scheduled) {
      this.#sliceStartMs = this.#nowMs()
      this.#schedule()
    }
    if (this.#waiting.size === 0 && this.#hasTime) return work()
    return new Promise<T>((resolve, reject) => {
      const begin = () => void work().then(resolve, reject)
      const waiting = this.#waiting.get(sender)
      if (waiting === undefined) this.#waiting.set(sender, [{ bytes, begin }])
      else waiting.push({ bytes, begin })
    })
  }

  get #hasTime(): boolean {
    return this.#nowMs() - this.#sliceStartMs < limits.intakeSliceMs
  }

  #schedule(): void {
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#sliceStartMs = this.#nowMs()
      do this.#beginNext()
      while (this.#waiting.size > 0 && this.#hasTime)
      if (this.#waiting.size > 0) this.#schedule()
    })
  }

  #beginNext(): void {
    const costs = new Map<string, number>()
    for (const [sender, [first]] of this.#waiting) costs.set(sender, first!.bytes)
    const sender = this.#turns.pick(costs)
    if (sender === undefined) return
    const waiting = this.#waiting.get(sender)!
    const next = waiting.shift()!
    if (waiting.length === 0) this.#waiting.delete(sender)
    next.begin()
  }
}
