/**
 * What goes into a destination, and what is told about it on the way.
 *
 * A parcel is what one request leaves for one destination. Parcels that wait for the same disk write become one
 * chunk; a chunk is sent as one batch, under one id that it keeps.
 */
import { DouaneError } from '../errors.ts'

/**
 * Records per tenant, for the account. The sum may be less than the number of records in the parcel: of a record that
 * is copied several times only one copy counts (residency.ts).
 */
export type TenantCounts = readonly (readonly [tenant: string, records: number])[]

/** Records of one tenant, copied for the same purposes in the same form: every copy, counted in the account or not. */
export interface Holding {
  readonly tenant: string
  readonly purposes: readonly string[]
  /** What became of content: `drop`, `encrypt`, `keep`. */
  readonly content: 'drop' | 'encrypt' | 'keep'
  readonly records: number
}

export interface Parcel {
  /** An ExportLogsServiceRequest. Read only while `offer` runs synchronously: it is copied or encrypted at once. */
  readonly body: Uint8Array
  readonly records: number
  readonly tenants: TenantCounts
  /** Whose it is, when the queue is shared out: the tenant with most of its records. Left out: nobody's. */
  readonly owner?: string
  /** Whoever offers it has asked for room (`refusal`) in the same turn: it is not asked again. */
  readonly isAdmitted?: boolean
  /** Which policy decided where these records may go. Parcels of different versions are never merged. */
  readonly policyVersion: string
  /** What it holds. Left out where nobody asks for it: neither the ledger nor a check of what waits. */
  readonly holdings?: readonly Holding[]
}

/** A batch that a destination took. */
export interface Delivered {
  readonly id: string
  readonly body: Uint8Array
  readonly records: number
  /** Of these, how many the destination refused. */
  readonly refused: number
  readonly policyVersion: string
  /** Of a part of a request the counts are upper bounds. */
  readonly holdings: readonly Holding[]
}
/** Told of each batch that a destination took, before the queue forgets it. Rejects: then it is sent again. */
export type Witness = (batch: Delivered) => Promise<void>
/** Whether what waits may still go to this destination under today's policy. */
export type Permit = (policyVersion: string, holdings: readonly Holding[] | undefined, body: Uint8Array) => boolean

/**
 * Why a parcel was not taken. `full`: the queue is at its bound. `share`: its tenant has taken what one may of it.
 * `failing`: its disk cannot be written.
 * `unavailable`: no queue, and the destination cannot take it now. `rejected`: no queue, and the destination refused
 * for good; sending it again is no use.
 */
export type RefusalReason = 'full' | 'share' | 'failing' | 'unavailable' | 'rejected'

export class QueueRefusal extends DouaneError {
  readonly reason: RefusalReason
  readonly retryAfterMs: number
  constructor(destination: string, reason: RefusalReason, retryAfterMs: number) {
    super('queue', `${destination}: ${refusalText[reason]}`)
    this.name = 'QueueRefusal'
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }
}
const refusalText: Record<RefusalReason, string> = {
  full: 'the queue is full',
  share: 'the tenant has filled its share of the queue',
  failing: 'the disk of the queue cannot be written',
  unavailable: 'the destination cannot take records now',
  rejected: 'the destination refused the records',
}

/** Where a destination tells what became of records: for the account and the metrics. Must not throw. */
export interface DeliveryCounts {
  /** Found on disk at start: queued by an earlier run, not delivered yet. */
  recovered(tenants: TenantCounts): void
  /** Durable in the queue. Without a queue: just before it is sent. */
  enqueued(tenants: TenantCounts): void
  /** The destination has them; `records` is how many were in the batch, counted in the account or not. */
  stored(tenants: TenantCounts, records: number): void
  /** The destination took the batch, but refused these; they are not sent again. `reason` is the exporter's. */
  refused(tenants: TenantCounts, records: number, reason: string): void
  /** Moved to the dead letters. */
  deadLettered(tenants: TenantCounts, records: number, reason: string): void
  /** Moved from the dead letters back into the queue. */
  revived(tenants: TenantCounts): void
  /**
   * Bytes in the queue's files that cannot be read any more; they were set aside. `records`: how many are missing, and
   * of those that count in the account, whose, as far as that is known.
   */
  corrupted(records: number, bytes: number, tenants: TenantCounts): void
  /** One attempt to send ended. */
  attempted(outcome: 'accepted' | 'partial' | 'rejected' | 'too_large' | 'unavailable', tookMs: number): void
}

/** What `status`, health and metrics show of one destination. */
export interface DestinationState {
  readonly queuedBatches: number
  readonly queuedRecords: number
  readonly queuedRequests: number
  readonly queuedBytes: number
  /** In units of `sizer`. */
  readonly capacity: number
  readonly sizer: 'bytes' | 'items' | 'requests'
  /** Age of the oldest record that waits; 0 when nothing waits. */
  readonly oldestAgeMs: number
  /** Records a second, over the last ten: that came into the queue, and that the destination took. */
  readonly queuedPerSecond: number
  readonly storedPerSecond: number
  readonly inFlight: number
  /** Batches that failed at least once and wait to be sent again. */
  readonly retrying: number
  /** Attempts that failed since start. */
  readonly retries: number
  readonly breaker: 'closed' | 'open' | 'half_open'
  /** False: the exporter could not start yet; it is tried again. */
  readonly exporterStarted: boolean
  /** Since when every attempt failed, Unix milliseconds; undefined: the last one worked. */
  readonly stuckSinceMs: number | undefined
  /** Why the queue cannot be written, as a code such as ENOSPC; undefined: it can. */
  readonly diskFailing: string | undefined
  /** Why the exporter could not start yet, or why the last attempt failed. */
  readonly lastFailure: string | undefined
  readonly deadLetters: { readonly batches: number; readonly records: number; readonly bytes: number }
  readonly corruptBytes: number
}
