/**
 * What a gateway does otherwise when it is one worker of several: the process above the workers lends it what there is
 * only one of, and tells it what the others did. How they talk to each other: src/workers/.
 */
import type { RunningLedger } from './ledger/running.ts'
import type { TenantAccount } from './pipeline/account.ts'
import type { LimitsElsewhere } from './pipeline/tenant_limits.ts'

export interface WorkerPart {
  /** From 1. */
  readonly number: number
  /** What the worker before it, which ended, had settled: the account goes on from there. */
  readonly settled: readonly (readonly [tenant: string, account: TenantAccount])[]
  readonly ledger: Pick<RunningLedger, 'apply' | 'witness' | 'close'>
  readonly limits: LimitsElsewhere
  /** An authentication that failed, and counts against its address at every worker. */
  authFailed(receiver: string, address: string): void
  /** Workers that are no more, whose queues this one takes over. */
  readonly left: readonly number[]
  readonly quarantineBytesMax: number
}
