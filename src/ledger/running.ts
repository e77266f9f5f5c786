/** The ledger of a running gateway: switched on and off by configuration, signed on a timer, told when it fails. */
import type { GatewayConfig } from '../../config/gateway_config.ts'
import type { Log } from '../contract.ts'
import { DouaneError } from '../errors.ts'
import type { Delivered } from '../pipeline/parcel.ts'
import type { Health } from '../telemetry/health.ts'
import type { HashedBatch, Place } from './leaf.ts'
import { Ledger } from './ledger.ts'

export interface RunningOptions {
  readonly folder: () => string
  readonly nowMs: () => number
  readonly health: Health
  readonly log: Log
}

/** On where a residency connector is used, unless the service says otherwise. */
export const usesLedger = ({ service, connectors }: GatewayConfig): boolean =>
  service.ledger?.enabled ?? connectors.size > 0

/** Whether parcels have to say what they hold. */
export const tellsHoldings = (config: GatewayConfig): boolean =>
  usesLedger(config) || [...config.connectors.values()].some(({ options }) => options.strict_reroute)

export class RunningLedger {
  readonly #options: RunningOptions
  #ledger: Ledger | undefined
  #timer: NodeJS.Timeout | undefined
  #isFailing = false

  constructor(options: RunningOptions) {
    this.#options = options
  }

  /** Takes a configuration in force. Rejects where the ledger cannot be opened; then the one before goes on. */
  async apply(config: GatewayConfig): Promise<void> {
    if (!usesLedger(config)) {
      await this.close()
      return
    }
    this.#ledger ??= await Ledger.open(this.#options.folder())
    clearInterval(this.#timer)
    this.#timer = setInterval(() => void this.#sign(), config.service.ledger?.checkpoint_interval ?? 60_000)
    this.#timer.unref()
  }

  /** Resolves when the batch stands in the ledger, or at once where there is none. */
  async witness(batch: Delivered, place: Place): Promise<void> {
    await this.#watched(() => this.#ledger?.add(batch, place, this.#options.nowMs()))
  }

  /** The same, for a batch whose body is elsewhere. */
  async witnessHashed(batch: HashedBatch, place: Place): Promise<void> {
    await this.#watched(() => this.#ledger?.addHashed(batch, place, this.#options.nowMs()))
  }

  /** Signs a last time. Never rejects: what cannot be signed now is signed at the next start. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    const ledger = this.#ledger
    this.#ledger = undefined
    await this.#watched(() => ledger?.close()).catch(() => undefined)
  }

  async #sign(): Promise<void> {
    await this.#watched(() => this.#ledger?.checkpointIfGrown()).catch(() => undefined)
  }

  async #watched(work: () => Promise<unknown> | undefined): Promise<void> {
    try {
      await work()
      if (this.#isFailing) this.#options.health.set('ledger', 'ok')
      this.#isFailing = false
    } catch (error) {
      const reason = error instanceof DouaneError ? error.message : 'unknown error'
      this.#isFailing = true
      this.#options.health.set('ledger', 'failing', reason)
      this.#options.log.error('ledger_failed', { reason })
      throw error
    }
  }
}
