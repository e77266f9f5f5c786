/** What several queues, or several workers, come to as one: sums where things add up, the worst where they do not. */
import type { DestinationState } from './pipeline/parcel.ts'
import type { AccountLine, GatewayStatus } from './status.ts'
import type { HealthStatus, PartHealth } from './telemetry/health.ts'

/** At least one. */
export function stateTogether(states: readonly DestinationState[]): DestinationState {
  if (states.length === 1) return states[0]!
  const sum = (of: (state: DestinationState) => number) => states.reduce((total, state) => total + of(state), 0)
  const first = <Value>(of: (state: DestinationState) => Value | undefined) =>
    states.map(of).find((value) => value !== undefined)
  const stuck = states.map(({ stuckSinceMs }) => stuckSinceMs).filter((ms) => ms !== undefined)
  return {
    queuedBatches: sum(({ queuedBatches }) => queuedBatches),
    queuedRecords: sum(({ queuedRecords }) => queuedRecords),
    queuedRequests: sum(({ queuedRequests }) => queuedRequests),
    queuedBytes: sum(({ queuedBytes }) => queuedBytes),
    capacity: sum(({ capacity }) => capacity),
    sizer: states[0]!.sizer,
    oldestAgeMs: Math.max(...states.map(({ oldestAgeMs }) => oldestAgeMs)),
    queuedPerSecond: sum(({ queuedPerSecond }) => queuedPerSecond),
    storedPerSecond: sum(({ storedPerSecond }) => storedPerSecond),
    inFlight: sum(({ inFlight }) => inFlight),
    retrying: sum(({ retrying }) => retrying),
    retries: sum(({ retries }) => retries),
    breaker: breakers.find((breaker) => states.some((state) => state.breaker === breaker))!,
    exporterStarted: states.every(({ exporterStarted }) => exporterStarted),
    stuckSinceMs: stuck.length === 0 ? undefined : Math.min(...stuck),
    diskFailing: first(({ diskFailing }) => diskFailing),
    lastFailure: first(({ lastFailure }) => lastFailure),
    deadLetters: {
      batches: sum(({ deadLetters }) => deadLetters.batches),
      records: sum(({ deadLetters }) => deadLetters.records),
      bytes: sum(({ deadLetters }) => deadLetters.bytes),
    },
    corruptBytes: sum(({ corruptBytes }) => corruptBytes),
  }
}
/** The worst first. */
const breakers = ['open', 'half_open', 'closed'] as const

/** At least one. */
export function statusTogether(parts: readonly GatewayStatus[]): GatewayStatus {
  const tenants: Record<string, AccountLine> = {}
  const states = new Map<string, DestinationState[]>()
  for (const part of parts) {
    for (const [tenant, line] of Object.entries(part.tenants)) tenants[tenant] = added(tenants[tenant], line)
    for (const [id, state] of Object.entries(part.destinations)) states.set(id, [...(states.get(id) ?? []), state])
  }
  return {
    policy_version: parts[0]!.policy_version,
    total: parts.map(({ total }) => total).reduce(added),
    tenants: Object.fromEntries(Object.entries(tenants).sort(([a], [b]) => (a < b ? -1 : 1))),
    destinations: Object.fromEntries([...states].map(([id, all]) => [id, stateTogether(all)])),
  }
}

function added(a: AccountLine | undefined, b: AccountLine): AccountLine {
  if (a === undefined) return b
  return {
    received: a.received + b.received,
    stored: a.stored + b.stored,
    dropped: a.dropped + b.dropped,
    rejected: a.rejected + b.rejected,
    quarantined: a.quarantined + b.quarantined,
    dead_lettered: a.dead_lettered + b.dead_lettered,
    lost: a.lost + b.lost,
    in_flight: a.in_flight + b.in_flight,
  }
}

type Parts = Readonly<Record<string, PartHealth>>

/** A part is as well as it is where it is worst. */
export function healthTogether(all: readonly Parts[]): Parts {
  const together: Record<string, PartHealth> = {}
  for (const parts of all) {
    for (const [name, part] of Object.entries(parts)) {
      const known = together[name]
      if (known === undefined || worse.indexOf(part.status) > worse.indexOf(known.status)) together[name] = part
    }
  }
  return together
}
const worse: readonly HealthStatus[] = ['ok', 'starting', 'stopping', 'failing']
