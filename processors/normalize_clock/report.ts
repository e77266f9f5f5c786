/** What people see of clocks: each source with offset, uncertainty, evidence, drift, and its levels of late. */
import { limits } from '../../src/limits.ts'
import { evidenceKinds } from './evidence.ts'
import { labelOf } from './source_key.ts'
import { B, B_ROW, BUCKETS, F, F_ROW, G, G_ROW, I, I_ROW, type Sources, type State, stateNames } from './sources.ts'
import type { Tracker } from './tracker.ts'

/** One source. Times and spans in milliseconds; `offsetMs`: its clock less ours, as far as it is known. */
export interface ClockOfSource {
  /** As in the log's `clock_turned` events. */
  readonly id: string
  readonly tenant: string
  /** What names its clock: `host.id=…`. */
  readonly source: string
  readonly state: (typeof stateNames)[number]
  readonly offsetMs: number
  readonly uncertaintyMs: number
  readonly evidence: string
  readonly driftPpm: number | undefined
  readonly lastSeenUnixMs: number
  readonly batches: number
  /** Newest time less receive time: the best of each bucket of 30 s or more, oldest first. */
  readonly levelsMs: readonly number[]
}

export interface ClockReport {
  readonly gateway: { readonly behindMs: number; readonly suspect: boolean }
  readonly counts: Readonly<Record<(typeof stateNames)[number], number>>
  /** Those that are not healthy first, then by offset. */
  readonly sources: readonly ClockOfSource[]
  /** How many sources there are beyond those listed. */
  readonly more: number
}

/** The order in which states matter to who looks. */
const rank = [3, 4, 0, 1, 2] as const

export function report({ sources, tenants, gateway }: Tracker): ClockReport {
  const counts = { cold: 0, healthy: 0, fast: 0, slow: 0, late: 0 }
  const rows: number[] = []
  for (let row = 0; row < sources.count; row++) {
    if (sources.i32[row * I_ROW + I.Count] === 0) continue
    counts[stateNames[stateOf(sources, row)]!]++
    rows.push(row)
  }
  const offset = (row: number): number => Math.abs(sources.f64[row * F_ROW + F.Offset]!)
  rows.sort((a, b) => rank[stateOf(sources, a)]! - rank[stateOf(sources, b)]! || offset(b) - offset(a) || a - b)
  const shown = rows.slice(0, limits.clocksShownMax)
  return {
    gateway: { behindMs: Math.round(gateway.offset / 1e6), suspect: gateway.isSuspect },
    counts,
    sources: shown.map((row) => clockOf(sources, row, tenants.all[sources.i32[row * I_ROW + I.Tenant]!]!.name)),
    more: rows.length - shown.length,
  }
}

const stateOf = (sources: Sources, row: number): State => sources.u8[row * B_ROW + B.State] as State

function clockOf(sources: Sources, row: number, tenant: string): ClockOfSource {
  const { f64, f32, u8, i32 } = sources
  const state = stateOf(sources, row)
  const offset = f64[row * F_ROW + F.Offset]!
  const evidence = u8[row * B_ROW + B.Evidence]!
  const drift = f32[row * G_ROW + G.Drift]!
  return {
    id: sources.id(row),
    tenant,
    source: labelOf(u8[row * B_ROW + B.KeyKind]!, sources.keys[row]!),
    state: stateNames[state]!,
    offsetMs: offset / 1e6,
    uncertaintyMs: f32[row * G_ROW + G.Uncertainty]! / 1e6,
    evidence: offset === 0 || evidence === 0 ? '' : evidenceKinds[evidence - 1]!,
    driftPpm: Number.isNaN(drift) ? undefined : drift,
    lastSeenUnixMs: Math.round(f64[row * F_ROW + F.LastHeard]! / 1e6),
    batches: i32[row * I_ROW + I.Count]!,
    levelsMs: levels(sources, row),
  }
}

function levels({ f32, f64, u8 }: Sources, row: number): number[] {
  const filled = u8[row * B_ROW + B.Filled]!
  const cursor = u8[row * B_ROW + B.Cursor]!
  const anchor = f64[row * F_ROW + F.Anchor]!
  const oldestFirst = Array.from({ length: filled }, (_, i) => (cursor + 1 + i + BUCKETS - filled) & (BUCKETS - 1))
  return oldestFirst.map((bucket) => (f32[row * G_ROW + G.Top + bucket]! + anchor) / 1e6).filter(Number.isFinite)
}
