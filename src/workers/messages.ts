/** What goes over the line between the process above the workers and a worker. */
import type { HashedBatch, Place } from '../ledger/leaf.ts'
import type { TenantAccount } from '../pipeline/account.ts'
import type { GatewayStatus } from '../status.ts'
import type { PartHealth } from '../telemetry/health.ts'
import type { MetricsDump } from '../telemetry/metrics.ts'

/** The text of each file that a configuration is made of, by its absolute path: all workers read the same. */
export type Texts = ReadonlyMap<string, string>

/** `start`: everything that a worker has to know. Answered with its endpoints. */
export interface StartOrder {
  readonly number: number
  readonly workers: number
  readonly dataDir: string
  readonly files: readonly string[]
  readonly texts: Texts
  /** Names this run of the gateway, in its own log. */
  readonly instance: string
  readonly settled: readonly (readonly [tenant: string, account: TenantAccount])[]
  readonly left: readonly number[]
}
export interface WorkerEndpoints {
  readonly grpc?: string
  readonly http?: string
}

/** `reload`: the next configuration. Answered when it is in force; else the one before goes on. */
export interface ReloadOrder {
  readonly texts: Texts
}
/** `stop`: answered with how many records are left in queues. */
export interface StopOrder {
  readonly deadlineMs: number
}

/** `report`, a note from time to time and the answer when asked for: how a worker is. */
export interface Report {
  readonly status: Omit<GatewayStatus, 'total' | 'tenants'>
  /** Those whose account changed since the last report. */
  readonly tenants: readonly (readonly [tenant: string, account: TenantAccount])[]
  readonly health: Readonly<Record<string, PartHealth>>
  /** In some reports only: they are many. */
  readonly metrics?: MetricsDump
}
export interface ReportOrder {
  readonly withMetrics: boolean
}

/** `share`, a note both ways: what a worker did that counts at all of them. */
export interface Shared {
  readonly from: number
  /** What tenants were let in with. */
  readonly spent: readonly (readonly [tenant: string, records: number, bytes: number])[]
  /** Authentications that failed, by receiver and address. */
  readonly failed: readonly (readonly [receiver: string, address: string, times: number])[]
  /** Records that wait in its queues, by tenant; only where a limit asks for it. */
  readonly queued?: ReadonlyMap<string, number>
}
/** `seen` from a worker, `follow` to it, both notes: bytes of processors' common state, by pipeline and id. */
export type SharedState = readonly (readonly [processor: string, bytes: Uint8Array])[]

/** `witness` from a worker: answered when the batch stands in the ledger. */
export interface Witnessed {
  readonly batch: HashedBatch
  readonly place: Place
}

/** `setAside`: a call of `SetAside`. */
export interface SetAsideOrder {
  readonly method: string
  readonly given: unknown
}
