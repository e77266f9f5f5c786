/** The live account as one object: for the admin API and `douane status`. */
import { limits } from './limits.ts'
import type { Account, TenantAccount } from './pipeline/account.ts'
import type { DestinationState } from './pipeline/parcel.ts'

export interface AccountLine {
  readonly received: number
  readonly stored: number
  readonly dropped: number
  readonly rejected: number
  readonly quarantined: number
  readonly dead_lettered: number
  readonly lost: number
  readonly in_flight: number
}

/** One of several processes that share the ports. */
export interface WorkerStatus {
  readonly worker: number
  /** Null while it is being started again. */
  readonly pid: number | null
  readonly running: boolean
  readonly restarts: number
}

export interface GatewayStatus {
  readonly policy_version: string
  /** Missing where there is only one process. */
  readonly workers?: readonly WorkerStatus[]
  readonly total: AccountLine
  readonly tenants: Readonly<Record<string, AccountLine>>
  readonly destinations: Readonly<Record<string, DestinationState>>
}

export function gatewayStatus(
  account: Pick<Account, 'total' | 'tenants'>,
  destinations: readonly (readonly [id: string, state: DestinationState])[],
  policyVersion: string,
): GatewayStatus {
  return {
    policy_version: policyVersion,
    total: line(account.total()),
    tenants: Object.fromEntries(account.tenants().map(([tenant, of]) => [tenant, line(of)])),
    destinations: Object.fromEntries(destinations),
  }
}

function line(of: TenantAccount): AccountLine {
  return {
    received: of.received,
    stored: of.stored,
    dropped: of.dropped,
    rejected: of.rejected,
    quarantined: of.quarantined,
    dead_lettered: of.deadLettered,
    lost: of.lost,
    in_flight: of.entering + of.queued,
  }
}

/** Why a destination is not healthy; undefined: it is. */
export function deliveryFault(state: DestinationState, nowMs: number): string | undefined {
  const { diskFailing, stuckSinceMs, lastFailure } = state
  if (diskFailing !== undefined) return `the queue cannot be written (${diskFailing})`
  const stuckMs = stuckSinceMs === undefined ? 0 : nowMs - stuckSinceMs
  if (stuckMs <= limits.healthStuckMs) return undefined
  const why = lastFailure === undefined ? '' : `: ${lastFailure}`
  return `nothing could be delivered for ${Math.round(stuckMs / 1000)} s${why}`
}
