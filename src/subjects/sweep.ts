/**
 * What is still there about erased people: rows that arrive late, from a queue, a dead letter or a backup, and records in
 * quarantine. The gateway deletes them when it starts, with each new configuration, and then each hour, for as long as
 * it remembers the erasures (their receipts). Of several workers the first looks after stores, each after its quarantine.
 */
import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import { deleteRows } from '../../exporters/postgres/people.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import type { Log } from '../contract.ts'
import { DouaneError } from '../errors.ts'
import { lookupOf, subjectRoot, type TenantKeys, tenantKeys } from '../keys/subject_rows.ts'
import { Erased, readReceipts } from '../keys/tombstones.ts'
import { limits } from '../limits.ts'
import type { Quarantine } from '../pipeline/quarantine.ts'
import { withoutErased } from './quarantined.ts'
import { storesIn } from './request.ts'

export interface SweepParts {
  readonly dataDir: string
  /** Undefined: there is one. */
  readonly worker: number | undefined
  readonly quarantines: readonly Pick<Quarantine, 'rewrite'>[]
  readonly nowMs: () => number
  readonly log: Log
}

export class ErasedSweep {
  readonly #parts: SweepParts
  #config: GatewayConfig | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  /** The erasures that the quarantine was looked through for. */
  #seen = ''

  constructor(parts: SweepParts) {
    this.#parts = parts
  }

  apply(config: GatewayConfig): void {
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
    const { dataDir, worker = 1, log } = this.#parts
    try {
      const keysDir = join(dataDir, 'keys')
      const erased = new Erased(readReceipts(keysDir))
      if (erased.lookups.size > 0) await this.#quarantine(keysDir, erased)
      if (erased.refs.size > 0 && worker === 1) await this.#stores([...erased.refs])
    } catch (error) {
      log.warn('erased_sweep_failed', { reason: error instanceof DouaneError ? error.message : 'unknown error' })
    }
  }

  async #quarantine(keysDir: string, erased: Erased): Promise<void> {
    // Looked through once for each erasure: what comes later is seen by `encrypt` when it is released.
    const stamp = [...erased.lookups].join()
    if (stamp === this.#seen) return
    const root = subjectRoot(keysDir, false)
    if (!root) return
    const keys = new Map<string, TenantKeys>()
    const isErased = (tenant: string, value: string): boolean => {
      const known = keys.get(tenant) ?? tenantKeys(root, tenant)
      keys.set(tenant, known)
      return erased.lookups.has(lookupOf(known, value).toString('hex'))
    }
    for (const quarantine of this.#parts.quarantines) {
      const records = await quarantine.rewrite((parcel) => withoutErased(parcel, isErased))
      if (records > 0) this.#parts.log.info('erased_in_quarantine', { records })
    }
    this.#seen = stamp
  }

  async #stores(refs: readonly string[]): Promise<void> {
    const { dataDir, nowMs, log } = this.#parts
    for (const store of storesIn({ config: this.#config!, dataDir, regions: undefined })) {
      try {
        const records = await withStore(store, (client, schema) => deleteRows(client, schema, refs, nowMs()))
        if (records > 0) log.info('erased_late', { store: store.id, records })
      } catch (error) {
        // A store that is away is swept the next time; what is sealed cannot be read until then either.
        const reason = error instanceof DouaneError ? error.message : 'unknown error'
        log.warn('erased_sweep_failed', { store: store.id, reason })
      }
    }
  }
}
