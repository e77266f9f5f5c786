/**
 * How fast each tenant may send: records and bytes a second, and records that may wait in queues.
 *
 * A token bucket for each: it fills at the rate, up to the burst, and a request is let in while there is anything in
 * it. What the request costs may leave it in debt, which later requests wait for: so a request that is larger than the
 * burst gets in too, and the average is the rate. Constant work for each resource of a request; tenants are bounded.
 */
import { limits } from '../limits.ts'
import type { Account } from './account.ts'

export interface TenantLimit {
  readonly records_per_second?: number | undefined
  /** Default: two seconds' worth. */
  readonly records_burst?: number | undefined
  readonly bytes_per_second?: number | undefined
  readonly bytes_burst?: number | undefined
  /** Records that may wait in queues, by the account. */
  readonly queued_records?: number | undefined
}

export interface TenantLimitsConfig {
  /** For each tenant that is not named. */
  readonly per_tenant?: TenantLimit | undefined
  readonly tenants?: Readonly<Record<string, TenantLimit>> | undefined
}

export interface Throttle {
  readonly retryAfterMs: number
  readonly what: 'records_per_second' | 'bytes_per_second' | 'queued_records'
}

/** Several workers keep one limit: what one lets in costs the buckets of all. */
export interface LimitsElsewhere {
  /** Told what this worker let in. */
  spent(tenant: string, records: number, bytes: number): void
  /** Records of a tenant that wait in the queues of others. */
  queued(tenant: string): number
}

class Bucket {
  readonly #rate: number
  readonly #burst: number
  #tokens: number
  #atMs: number

  constructor(perSecond: number, burst: number | undefined, nowMs: number) {
    this.#rate = perSecond / 1000
    this.#burst = burst ?? perSecond * 2
    this.#tokens = this.#burst
    this.#atMs = nowMs
  }
  /** 0: open. Else how long until it is. */
  waitMs(nowMs: number): number {
    // A monotonic clock is asked for; should it step back, nothing is filled.
    const passedMs = Math.max(0, nowMs - this.#atMs)
    this.#tokens = Math.min(this.#burst, this.#tokens + passedMs * this.#rate)
    this.#atMs = nowMs
    return this.#tokens > 0 ? 0 : Math.max(1, Math.ceil((1 - this.#tokens) / this.#rate))
  }
  spend(cost: number): void {
    this.#tokens -= cost
  }
  isFull(nowMs: number): boolean {
    return this.#tokens + Math.max(0, nowMs - this.#atMs) * this.#rate >= this.#burst
  }
}

interface Buckets {
  readonly limit: TenantLimit
  readonly records: Bucket | undefined
  readonly bytes: Bucket | undefined
}

export class TenantLimits {
  #config: TenantLimitsConfig = {}
  #buckets = new Map<string, Buckets>()
  #sweptAtMs = Number.NEGATIVE_INFINITY
  readonly #account: Pick<Account, 'of'>
  readonly #elsewhere: LimitsElsewhere | undefined

  /** `account`: knows how many records of a tenant wait now. */
  constructor(account: Pick<Account, 'of'>, elsewhere?: LimitsElsewhere) {
    this.#account = account
    this.#elsewhere = elsewhere
  }

  /** Buckets start anew, full, where limits changed. */
  configure(config: TenantLimitsConfig = {}): void {
    this.#config = config
    for (const [tenant, { limit }] of this.#buckets) {
      if (JSON.stringify(limit) !== JSON.stringify(this.#limitOf(tenant))) this.#buckets.delete(tenant)
    }
  }

  /** Whether it counts how many records of a tenant wait. */
  get countsQueued(): boolean {
    const { per_tenant, tenants = {} } = this.#config
    return [per_tenant, ...Object.values(tenants)].some((limit) => limit?.queued_records !== undefined)
  }

  get isActive(): boolean {
    return this.#config.per_tenant !== undefined || this.#config.tenants !== undefined
  }

  /** Undefined: the tenant may send now. Spends nothing. */
  check(tenant: string, nowMs: number): Throttle | undefined {
    const of = this.#of(tenant, nowMs)
    if (of === undefined) return undefined
    const recordsMs = of.records?.waitMs(nowMs) ?? 0
    const bytesMs = of.bytes?.waitMs(nowMs) ?? 0
    if (recordsMs > 0 && recordsMs >= bytesMs) return { retryAfterMs: recordsMs, what: 'records_per_second' }
    if (bytesMs > 0) return { retryAfterMs: bytesMs, what: 'bytes_per_second' }
    if (of.limit.queued_records === undefined) return undefined
    const { entering, queued } = this.#account.of(tenant)
    if (entering + queued + (this.#elsewhere?.queued(tenant) ?? 0) < of.limit.queued_records) return undefined
    return { retryAfterMs: limits.refusedRetryMs, what: 'queued_records' }
  }

  spend(tenant: string, records: number, bytes: number, nowMs: number): void {
    this.#elsewhere?.spent(tenant, records, bytes)
    this.spentElsewhere(tenant, records, bytes, nowMs)
  }

  /** What another worker let in. */
  spentElsewhere(tenant: string, records: number, bytes: number, nowMs: number): void {
    const of = this.#of(tenant, nowMs)
    of?.records?.spend(records)
    of?.bytes?.spend(bytes)
  }

  #limitOf(tenant: string): TenantLimit | undefined {
    const { tenants = {}, per_tenant } = this.#config
    return Object.hasOwn(tenants, tenant) ? tenants[tenant] : per_tenant
  }

  #of(tenant: string, nowMs: number): Buckets | undefined {
    const known = this.#buckets.get(tenant)
    if (known !== undefined) return known
    const limit = this.#limitOf(tenant)
    if (limit === undefined) return undefined
    if (this.#buckets.size >= limits.limitedTenantsMax && tenant !== '') {
      this.#sweep(nowMs)
      // Too many that send at once: those beyond share one bucket with the nameless.
      if (this.#buckets.size >= limits.limitedTenantsMax) return this.#of('', nowMs)
    }
    const { records_per_second: records, bytes_per_second: bytes } = limit
    const made = {
      limit,
      records: records === undefined ? undefined : new Bucket(records, limit.records_burst, nowMs),
      bytes: bytes === undefined ? undefined : new Bucket(bytes, limit.bytes_burst, nowMs),
    }
    this.#buckets.set(tenant, made)
    return made
  }

  /** Full buckets are as good as none. At most once a second, since it looks at all. */
  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptAtMs < 1000) return
    this.#sweptAtMs = nowMs
    for (const [tenant, { records, bytes }] of this.#buckets) {
      if ((records?.isFull(nowMs) ?? true) && (bytes?.isFull(nowMs) ?? true)) this.#buckets.delete(tenant)
    }
  }
}
