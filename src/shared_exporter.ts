/**
 * One exporter for several queues: those that workers which are no more have left go to the same destination, over the
 * same connections. It starts with the first of them and closes with the last.
 */
import type { Batch, Exporter, Outcome } from './contract.ts'

export class SharedExporter {
  readonly #exporter: Exporter
  #starting: Promise<void> | undefined
  #users = 0

  constructor(exporter: Exporter) {
    this.#exporter = exporter
  }

  /** The exporter as one of its users sees it. */
  share(): Exporter {
    this.#users++
    return {
      start: () => this.#start(),
      send: (batch: Batch, signal: AbortSignal): Promise<Outcome> => this.#exporter.send(batch, signal),
      close: async () => {
        if (--this.#users === 0) await this.#exporter.close()
      },
    }
  }

  #start(): Promise<void> {
    this.#starting ??= (this.#exporter.start?.() ?? Promise.resolve()).catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    return this.#starting
  }
}
