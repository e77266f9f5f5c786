/**
 * Whose turn it is, where several want the same: deficit round robin.
 *
 * Each flow may take as much as its quantum when its turn comes, and keeps what it did not use while it has more to
 * take; so over time each gets the same amount, not the same number of turns, whatever its pieces cost. A flow that has
 * nothing to take saves nothing up. Pure; the caller knows what waits.
 */
export class Turns<Key> {
  readonly #quantum: number
  /** In order of their turns; the first one has it. */
  readonly #credit = new Map<Key, number>()
  #current: Key | undefined

  /** `quantum`: what a flow may take in one turn; in the unit of the costs. */
  constructor(quantum: number) {
    this.#quantum = quantum
  }

  /** Picks one of the flows that have something to take, and charges it. `costs`: what the next piece of each costs. */
  pick(costs: ReadonlyMap<Key, number>): Key | undefined {
    if (costs.size === 0) return undefined
    for (const key of this.#credit.keys()) if (!costs.has(key)) this.#credit.delete(key)
    for (const key of costs.keys()) if (!this.#credit.has(key)) this.#credit.set(key, 0)
    for (;;) {
      const current = this.#current
      if (current !== undefined && this.#credit.has(current)) {
        const left = this.#credit.get(current)! - costs.get(current)!
        if (left >= 0) {
          this.#credit.set(current, left)
          return current
        }
        this.#toTheEnd(current)
      }
      const next = this.#credit.keys().next().value!
      this.#current = next
      this.#credit.set(next, this.#credit.get(next)! + this.#quantum)
    }
  }

  #toTheEnd(key: Key): void {
    const credit = this.#credit.get(key)!
    this.#credit.delete(key)
    this.#credit.set(key, credit)
  }
}
