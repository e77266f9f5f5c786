/** Lets requests through, and holds them back while a reload changes what they go through. */
export class Swap {
  #swapping: Promise<void> | undefined
  #inProgress = 0

  /** Runs a request under one generation from its beginning to its end: a reload waits for it, or it for the reload. */
  async run<Result>(request: () => Promise<Result>): Promise<Result> {
    while (this.#swapping !== undefined) await this.#swapping
    this.#inProgress++
    try {
      return await request()
    } finally {
      this.#inProgress--
    }
  }

  /**
   * Holds new requests back and runs `change`. `waits`: not before those in progress are done, since their destinations
   * may go. Else they end under the generation that they began with, and nobody waits for them.
   */
  async change(change: () => Promise<void>, waits = true): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#swapping = promise
    try {
      while (waits && this.#inProgress > 0) await new Promise((later) => setTimeout(later, 1))
      await change()
    } finally {
      this.#swapping = undefined
      resolve()
    }
  }
}
