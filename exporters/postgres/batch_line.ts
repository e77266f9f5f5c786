/**
 * Batches that wait for a connection, and go together.
 *
 * While a transaction is under way, other batches arrive. The next connection that is free takes all of them, up to a
 * bound: one transaction, one wait for the disk and one COPY for each partition serve them all, and PostgreSQL's work to
 * begin a COPY is shared. A batch that comes alone goes alone, at once.
 *
 * While all connections are taken, the rows of one more group are made, and wait: a connection that becomes free has
 * something to send at once.
 */
import type { Batch, Outcome } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'

export interface Sending {
  readonly batch: Batch
  readonly signal: AbortSignal
}

/**
 * Stores these together and never rejects: one outcome for each, in their order. `connection` resolves once a connection
 * is there for them, until all have their outcome.
 */
type Store = (group: readonly Sending[], connection: () => Promise<void>) => Promise<readonly Outcome[]>

interface Waiting extends Sending {
  answer(outcome: Outcome): void
}

export class BatchLine {
  readonly #store: Store
  readonly #connections: number
  #waiting: Waiting[] = []
  /** Groups that have no outcome yet. */
  #begun = 0
  /** Those that have a connection, and those that wait for one. */
  #connected = 0
  readonly #ready: (() => void)[] = []
  #isCalled = false

  constructor(connections: number, store: Store) {
    this.#connections = connections
    this.#store = store
  }

  send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    return new Promise((answer) => {
      this.#waiting.push({ batch, signal, answer })
      this.#call()
    })
  }

  /** Goes on once all that happens right now has happened: answers bring new batches. */
  #call(): void {
    if (this.#isCalled) return
    this.#isCalled = true
    setImmediate(() => {
      this.#isCalled = false
      while (this.#begun <= this.#connections && this.#waiting.length > 0) void this.#go(this.#take())
    })
  }

  async #go(group: readonly Waiting[]): Promise<void> {
    let connected = false
    this.#begun++
    const outcomes = await this.#store(group, async () => {
      await this.#connection()
      connected = true
    })
    this.#begun--
    if (connected) this.#release()
    for (const [i, { answer }] of group.entries()) answer(outcomes[i]!)
    this.#call()
  }

  #connection(): Promise<void> {
    if (this.#connected === this.#connections) return new Promise((resolve) => this.#ready.push(resolve))
    this.#connected++
    return Promise.resolve()
  }

  /** To whoever waits longest. */
  #release(): void {
    const next = this.#ready.shift()
    if (next) next()
    else this.#connected--
  }

  #take(): Waiting[] {
    let [count, bytes] = [0, 0]
    for (const { batch } of this.#waiting) {
      bytes += batch.body.length
      if (count > 0 && (count === limits.storeTogetherMax || bytes > limits.storeTogetherBytesMax)) break
      count++
    }
    return this.#waiting.splice(0, count)
  }
}
