/** The figures that each scenario must reach. Times in ms. */
export interface Result {
  readonly p50: number
  readonly p95: number
  /** Share of corrected records whose error is within the stated uncertainty. */
  readonly covered: number
  /** Share of healthy records that were altered, and how many a minute after the gateway's clock recovered. */
  readonly altered: number
  readonly alteredAfter: number
  /** New inversions per pair. */
  readonly inversions: number
  readonly alarmed: boolean
}
type Figure = (result: Result) => string[]

const always: Figure = ({ altered, covered, inversions }) => [
  ...(altered > 0 ? ['healthy records altered'] : []),
  ...(covered < 0.95 ? ['coverage below 95 %'] : []),
  ...(inversions > 1e-4 ? ['more than one inversion in 10,000'] : []),
]
const within =
  (p50: number, p95: number): Figure =>
  (result) => [
    ...always(result),
    ...(result.p50 > p50 ? [`p50 above ${p50} ms`] : []),
    ...(result.p95 > p95 ? [`p95 above ${p95} ms`] : []),
  ]
const ownClock: Figure = ({ altered, alteredAfter, alarmed }) => [
  ...(altered > 0.05 ? ['more than 5 % altered'] : []),
  ...(alteredAfter > 0 ? ['altered after it recovered'] : []),
  ...(alarmed ? [] : ['no alarm']),
]

export const figures: Readonly<Record<string, Figure>> = {
  healthy: always,
  healthy_rare: always,
  healthy_busy: always,
  late_constant: always,
  late_constant_traces: always,
  late_half_hour: always,
  late_variable: always,
  offline: always,
  offline_slow_drain: always,
  mobile_days: always,
  container_restarts: always,
  saturated: always,
  supplied_5_percent: always,
  supplied_no_observed: always,
  replayed_file: always,
  fast_direct: within(25, 60),
  fast_relayed: within(120, 450),
  fast_rare: within(100, 600),
  fast_step_fixed: within(35, 80),
  fast_offline: within(35, 80),
  fast_restarts: within(25, 60),
  drift: within(35, 80),
  drift_rare: within(2000, 5000),
  slew: within(80, 250),
  leap_smear: within(35, 80),
  zone: within(5, 15),
  dst_step: within(5, 15),
  slow_date: within(50, 350),
  slow_traces: within(30, 300),
  slow_direct: within(50, 350),
  units: within(500, 1000),
  liars_10_percent: within(25, 60),
  lying_tenant: within(25, 60),
  slow_step_direct: always,
  suspended: always,
  unset: within(50, 350),
  gateway_ahead: ownClock,
  gateway_behind: ownClock,
  gateway_ahead_no_monotonic: ownClock,
  gateway_behind_no_monotonic: ownClock,
  gateway_behind_from_start: ownClock,
  gateway_ahead_dates: ownClock,
}
