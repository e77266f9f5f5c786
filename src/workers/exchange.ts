/**
 * What workers tell each other a few times a second, so that a bound on a tenant or an address holds for all of them
 * together: what each let in, who failed to say who he is, how much waits. Each counts what it did itself at once, and
 * what the others did a moment later; a bucket that this leaves in debt lets nothing in until it is paid.
 */
import type { Gateway } from '../gateway.ts'
import type { LimitsElsewhere } from '../pipeline/tenant_limits.ts'
import type { Shared } from './messages.ts'

export class Exchange {
  readonly #number: number
  #spent = new Map<string, { records: number; bytes: number }>()
  #failed = new Map<string, Map<string, number>>()
  /** Of other workers, by their numbers. */
  readonly #queued = new Map<number, ReadonlyMap<string, number>>()

  constructor(number: number) {
    this.#number = number
  }

  readonly limits: LimitsElsewhere = {
    spent: (tenant, records, bytes) => {
      const sum = this.#spent.get(tenant)
      if (sum === undefined) this.#spent.set(tenant, { records, bytes })
      else {
        sum.records += records
        sum.bytes += bytes
      }
    },
    queued: (tenant) => {
      let sum = 0
      for (const waiting of this.#queued.values()) sum += waiting.get(tenant) ?? 0
      return sum
    },
  }

  authFailed(receiver: string, address: string): void {
    const addresses = this.#failed.get(receiver) ?? new Map<string, number>()
    this.#failed.set(receiver, addresses)
    addresses.set(address, (addresses.get(address) ?? 0) + 1)
  }

  /** What is to be told since the last call; undefined: nothing. */
  told({ account, parts }: Gateway): Shared | undefined {
    const { tenantLimits } = parts
    const queued = tenantLimits.countsQueued ? waitingIn(account.all()) : undefined
    const spent = tenantLimits.isActive
      ? [...this.#spent].map(([tenant, { records, bytes }]) => [tenant, records, bytes] as const)
      : []
    const failed = [...this.#failed].flatMap(([receiver, addresses]) =>
      [...addresses].map(([address, times]) => [receiver, address, times] as const),
    )
    this.#spent = new Map()
    this.#failed = new Map()
    if (spent.length + failed.length === 0 && queued === undefined) return undefined
    return { from: this.#number, spent, failed, ...(queued && { queued }) }
  }

  /** What another worker told. */
  heard({ from, spent, failed, queued }: Shared, { parts }: Gateway, nowMs: number): void {
    for (const [tenant, records, bytes] of spent) parts.tenantLimits.spentElsewhere(tenant, records, bytes, nowMs)
    for (const [receiver, address, times] of failed) parts.receivers.authFailedElsewhere(receiver, address, times)
    if (queued !== undefined) this.#queued.set(from, queued)
  }
}

function waitingIn(tenants: ReturnType<Gateway['account']['all']>): ReadonlyMap<string, number> {
  const waiting = new Map<string, number>()
  for (const [tenant, { entering, queued }] of tenants)
    if (entering + queued > 0) waiting.set(tenant, entering + queued)
  return waiting
}
