/** How many a second, over the last seconds: a ring of whole seconds, so that it costs nothing to count. */
const seconds = 10

export class Rate {
  readonly #nowMs: () => number
  readonly #counts = new Float64Array(seconds)
  /** The second that was counted last. */
  #last = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  add(count: number): void {
    this.#turn()
    this.#counts[this.#last % seconds]! += count
  }

  /** The mean of the last ten seconds, the one that has just begun included. */
  get perSecond(): number {
    this.#turn()
    return this.#counts.reduce((sum, count) => sum + count, 0) / seconds
  }

  /** Empties the seconds that have passed since. A clock that steps back counts on where it was. */
  #turn(): void {
    const now = Math.floor(this.#nowMs() / 1000)
    for (let second = Math.max(this.#last + 1, now - seconds + 1); second <= now; second++) {
      this.#counts[second % seconds] = 0
    }
    this.#last = Math.max(this.#last, now)
  }
}
