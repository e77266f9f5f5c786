/**
 * The account: what became of every record that came in, per tenant.
 *
 *   received = stored + dropped + rejected + quarantined + dead-lettered + lost + in flight
 *
 * A record that is copied to several destinations counts once, with its first copy (residency.ts). What is refused
 * with 429 or 503 was not received: its sender has it still. Records that an earlier run left in a queue are received
 * again in this run's account, as in flight. Lost is what lay in a queue's file that cannot be read any more.
 */
import { limits } from '../limits.ts'
import type { DeliveryCounts, TenantCounts } from './parcel.ts'

export interface TenantAccount {
  received: number
  stored: number
  dropped: number
  rejected: number
  quarantined: number
  deadLettered: number
  /** Damaged on the disk after it was acknowledged. */
  lost: number
  /** Taken in, and not yet durable in a queue. */
  entering: number
  /** Durable in a queue, and not yet delivered. */
  queued: number
}

const fresh = (): TenantAccount => ({
  received: 0,
  stored: 0,
  dropped: 0,
  rejected: 0,
  quarantined: 0,
  deadLettered: 0,
  lost: 0,
  entering: 0,
  queued: 0,
})

export class Account {
  readonly #tenants = new Map<string, TenantAccount>()

  /** The account of a tenant; beyond `accountTenantsMax` tenants, that of all others together, named `''`. */
  of(tenant: string): TenantAccount {
    let account = this.#tenants.get(tenant)
    if (account === undefined) {
      if (this.#tenants.size >= limits.accountTenantsMax && tenant !== '') return this.of('')
      account = fresh()
      this.#tenants.set(tenant, account)
    }
    return account
  }

  /**
   * Goes on where a worker ended: with what it had settled. What waited then is found in its queues again, and its
   * quarantine too.
   */
  resume(settled: Iterable<readonly [tenant: string, account: TenantAccount]>): void {
    for (const [tenant, { stored, dropped, rejected, deadLettered, lost }] of settled) {
      const account = this.of(tenant)
      account.received += stored + dropped + rejected + deadLettered + lost
      account.stored += stored
      account.dropped += dropped
      account.rejected += rejected
      account.deadLettered += deadLettered
      account.lost += lost
    }
  }

  /** All tenants, in no order. */
  all(): Iterable<readonly [tenant: string, account: TenantAccount]> {
    return this.#tenants
  }

  /** All tenants, by name; `''` is nobody that the gateway knows. */
  tenants(): [tenant: string, account: TenantAccount][] {
    return [...this.#tenants].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  total(): TenantAccount {
    const sum = fresh()
    for (const [, account] of this.#tenants) {
      for (const key of Object.keys(sum) as (keyof TenantAccount)[]) sum[key] += account[key]
    }
    return sum
  }

  /** A parcel of a request that is not counted as a whole, since a fault ended it. */
  receive(tenants: TenantCounts): void {
    for (const [tenant, records] of tenants) this.of(tenant).received += records
  }
  /** A parcel is on its way into a queue. */
  enter(tenants: TenantCounts): void {
    for (const [tenant, records] of tenants) this.of(tenant).entering += records
  }
  /** It was refused: the sender keeps it. A parcel that arrived is told by its destination (`enqueued`). */
  entered(tenants: TenantCounts, isRefused: boolean): void {
    if (!isRefused) return
    for (const [tenant, records] of tenants) {
      const account = this.of(tenant)
      account.entering -= records
      account.received -= records
    }
  }

  /** An earlier try of the same request had brought this parcel already. */
  hadAlready(tenants: TenantCounts): void {
    for (const [tenant, records] of tenants) this.of(tenant).received -= records
  }

  /** What an earlier run left in quarantine is received again, as what it left in its queues is. */
  quarantineFound(tenants: TenantCounts): void {
    for (const [tenant, records] of tenants) {
      const account = this.of(tenant)
      account.received += records
      account.quarantined += records
    }
  }
  /** Let out of quarantine: the chain has received it anew. */
  quarantineReleased(tenants: TenantCounts): void {
    for (const [tenant, records] of tenants) {
      const account = this.of(tenant)
      account.received -= records
      account.quarantined -= records
    }
  }
  /** Deleted in quarantine, by command or for its age. */
  quarantinePurged(tenants: TenantCounts): void {
    for (const [tenant, records] of tenants) {
      const account = this.of(tenant)
      account.quarantined -= records
      account.dropped += records
    }
  }

  /** What a destination tells of its parcels. */
  delivery(): Omit<DeliveryCounts, 'attempted'> {
    const each = (tenants: TenantCounts, change: (account: TenantAccount, records: number) => void) => {
      for (const [tenant, records] of tenants) change(this.of(tenant), records)
    }
    return {
      recovered: (tenants) =>
        each(tenants, (account, records) => {
          account.received += records
          account.queued += records
        }),
      // In one step, not when the whole request is settled: the account balances at every moment in between.
      enqueued: (tenants) =>
        each(tenants, (account, records) => {
          account.entering -= records
          account.queued += records
        }),
      stored: (tenants) =>
        each(tenants, (account, records) => {
          account.queued -= records
          account.stored += records
        }),
      refused: (tenants) =>
        each(tenants, (account, records) => {
          account.queued -= records
          account.rejected += records
        }),
      deadLettered: (tenants) =>
        each(tenants, (account, records) => {
          account.queued -= records
          account.deadLettered += records
        }),
      corrupted: (_records, _bytes, tenants) =>
        each(tenants, (account, records) => {
          account.queued -= records
          account.lost += records
        }),
      // Dead letters of an earlier run are received again, as what it left in its queues is.
      revived: (tenants) =>
        each(tenants, (account, records) => {
          const ours = Math.min(records, account.deadLettered)
          account.deadLettered -= ours
          account.received += records - ours
          account.queued += records
        }),
    }
  }
}

/** What was left without a copy in one resource of a request. */
export interface Tally {
  received: number
  dropped: number
  rejected: number
  quarantined: number
}
