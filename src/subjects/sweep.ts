/**
 * Rows of erased people that arrive late: what was in a queue, a dead letter or a backup when they were erased. The
 * gateway deletes them when it starts and then each hour, for as long as it remembers the erasures (their receipts).
 */
import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import { deleteRows } from '../../exporters/postgres/people.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import type { Log } from '../contract.ts'
import { DouaneError } from '../errors.ts'
import { Erased, readReceipts } from '../keys/tombstones.ts'
import { limits } from '../limits.ts'
import { storesIn } from './request.ts'

export interface SweepParts {
  readonly dataDir: string
  /** Of several workers of a gateway the first sweeps; undefined: there is one. */
  readonly worker: number | undefined
  readonly nowMs: () => number
  readonly log: Log
}

export class ErasedSweep {
  readonly #parts: SweepParts
  #config: GatewayConfig | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  constructor(parts: SweepParts) {
    this.#parts = parts
  }

  apply(config: GatewayConfig): void {
    const { worker = 1 } = this.#parts
    if (worker !== 1) return
    this.#config = config
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#look(), limits.erasedSweepMs)
    this.#timer.unref()
    this.#look()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  #look(): void {
    this.#running ??= this.#sweep().finally(() => {
      this.#running = undefined
    })
  }

  async #sweep(): Promise<void> {
    const { dataDir, nowMs, log } = this.#parts
    for (const store of storesIn({ config: this.#config!, dataDir, regions: undefined })) {
      try {
        const refs = [...new Erased(readReceipts(join(dataDir, 'keys'))).refs]
        if (refs.length === 0) return
        const records = await withStore(store, (client, schema) => deleteRows(client, schema, refs, nowMs()))
        if (records > 0) log.info('erased_late', { store: store.id, records })
      } catch (error) {
        // A store that is away is swept the next time; reading is refused by its keys until then.
        const reason = error instanceof DouaneError ? error.message : 'unknown error'
        log.warn('erased_sweep_failed', { store: store.id, reason })
      }
    }
  }
}
