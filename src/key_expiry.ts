/**
 * The nightly end of keys of a gateway that makes its own: soon after midnight (UTC), once every store has run its
 * retention for the day and told which tenants are on legal hold. A store that is away keeps all keys.
 */
import type { Log } from './contract.ts'
import { KeyError } from './errors.ts'
import { destroyExpired } from './keys/expiry.ts'

export interface KeyExpiryOptions {
  /** The keys folder. */
  readonly dir: string
  readonly nowMs: () => number
  readonly log: Log
}

/** A tenant on hold in a store; null: all of them. */
export interface HeldTenant {
  readonly tenant: string | null
}

const dayMs = 86_400_000
const dayOf = (ms: number): number => Math.floor(ms / dayMs)

export class KeyExpiry {
  readonly #options: KeyExpiryOptions
  readonly #stores = new Map<string, { day: number; holds: readonly HeldTenant[] }>()
  #lastDay: number | undefined
  #running: Promise<void> | undefined

  constructor(options: KeyExpiryOptions) {
    this.#options = options
  }

  /** A store has run its retention for today. */
  storeRan(store: string, holds: readonly HeldTenant[]): void {
    this.#stores.set(store, { day: dayOf(this.#options.nowMs()), holds })
  }

  /** Call it often: it runs once a day. `stores` are those that must have run. Never rejects. */
  async look(stores: readonly string[]): Promise<void> {
    const day = dayOf(this.#options.nowMs())
    if (day === this.#lastDay || stores.some((id) => this.#stores.get(id)?.day !== day)) return
    this.#running ??= this.#run(day, stores).finally(() => {
      this.#running = undefined
    })
    await this.#running
  }

  async #run(day: number, stores: readonly string[]): Promise<void> {
    const { dir, nowMs, log } = this.#options
    const holds = stores.flatMap((id) => this.#stores.get(id)!.holds)
    const isHeld = (tenant: string): boolean => holds.some((hold) => hold.tenant === null || hold.tenant === tenant)
    try {
      const run = { dir, nowMs: nowMs(), reason: 'retention is over', who: 'gateway', isHeld }
      const { destroyed, held, heldBack } = await destroyExpired(run)
      this.#lastDay = day
      if (destroyed.length > 0) log.info('keys.destroyed', { keys: destroyed.length })
      if (held.length > 0) log.info('keys.on_hold', { keys: held.length })
      if (heldBack) {
        const fix = "If the clock is right: douane keys destroy --expired --reason 'retention is over' --yes"
        log.warn('keys.expiry_held_back', { reason: 'the clock is more than a day ahead of the last run', fix })
      }
    } catch (error) {
      const told = error instanceof KeyError ? error : new KeyError('expired keys could not be destroyed')
      log.error('keys.expiry_failed', { reason: told.message, fix: told.fix ?? '' })
    }
  }
}
