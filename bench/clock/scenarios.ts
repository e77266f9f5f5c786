/** Worlds to run: who is wrong, how, and what the gateway's own clock does. 20 machines in question beside 40 healthy ones. */
import { type Chance, DAYS, HOURS, type Machine, MINUTES, SECONDS } from './world.ts'

export interface Scenario {
  readonly machines: readonly Machine[]
  /** Requests a second that leave a trace on several machines. */
  readonly traces?: number
  /** What the gateway's own clock is off by. */
  readonly gateway?: (t: number) => number
  readonly hasMonotonic?: false
  readonly recoversAt?: number
}
export type World = (chance: Chance) => Scenario

/** A disciplined clock: some milliseconds off, wandering. */
function disciplined(chance: Chance): (t: number) => number {
  const mean = chance.normal() * 4
  const period = chance.between(8, 50) * MINUTES
  const phase = chance.between(0, 6.3)
  return (t) => mean + 3 * Math.sin(phase + (6.283 * t) / period)
}

function machine(chance: Chance, id: string, part: Partial<Machine> & { relayed?: boolean } = {}): Machine {
  const { relayed, ...given } = part
  return {
    id,
    tenant: 'acme',
    role: 'healthy',
    offset: disciplined(chance),
    rate: chance.logUniform(0.3, 8),
    schedule: chance.pick([1000, 1000, 5000]),
    batchMax: 512,
    network: chance.between(1, 35),
    jitter: 6,
    failing: 0.002,
    ...(relayed === true && { relay: chance.between(200, 10_000) }),
    ...given,
  }
}

type Make = (chance: Chance, i: number) => Partial<Machine> & { relayed?: boolean }

function world(make: Make, more: Omit<Scenario, 'machines'> = {}, count = 20): World {
  return (chance) => {
    const machines = Array.from({ length: 40 }, (_, i) => machine(chance, `healthy-${i}`, { relayed: i % 4 === 3 }))
    for (let i = 0; i < count; i++)
      machines.push(machine(chance, `subject-${i}`, { role: 'target', ...make(chance, i) }))
    return { machines, ...more }
  }
}
const plus = (chance: Chance, offset: (t: number) => number) => {
  const own = disciplined(chance)
  return (t: number) => own(t) + offset(t)
}
const constant = (chance: Chance, ms: number) => plus(chance, () => ms)
const of = <T>(all: readonly T[], i: number): T => all[i % all.length]!

const ahead = [0.5, 2, 30, 300, 3617].map((s) => s * SECONDS)
const behind = [3, 15, 90, 1217].map((s) => -s * SECONDS)
const lags = [45, 90, 300, 900.7].map((s) => s * SECONDS)
const zones = [1, -1, 5.5, -5, -8, 9, -0.5, -3.5, 2, -4].map((h) => h * HOURS)

const HALF = 30 * MINUTES
const during = (from: number, to: number, ms: number) => (t: number) => (t > from && t < to ? ms : 0)
const ownClock = (ms: number, more: Partial<Scenario> = {}) =>
  world(() => ({ role: 'healthy' }), { gateway: during(HALF, 50 * MINUTES, ms), recoversAt: 50 * MINUTES, ...more })

export const scenarios: Readonly<Record<string, World>> = {
  // Nothing of these may be altered.
  healthy: world((_, i) => ({ role: 'healthy', relayed: i % 2 === 1 })),
  healthy_rare: world(() => ({ role: 'healthy', rate: 1 / 60, schedule: 5000 })),
  healthy_busy: world((chance) => ({ role: 'healthy', rate: 60, jitter: 20, relay: chance.pick([200, 1000]) }), {}, 4),
  late_constant: world((chance, i) => ({
    role: 'healthy',
    relayed: true,
    hold: () => of(lags, i) + chance.between(0, 400),
  })),
  late_constant_traces: world(
    (chance, i) => ({ role: 'healthy', relayed: true, hold: () => of(lags, i) + chance.between(0, 400) }),
    { traces: 2.5 },
  ),
  late_half_hour: world((chance, i) => ({
    role: 'healthy',
    relayed: true,
    hold: () => of([1800.7, 3600.7], i) * SECONDS + chance.between(0, 400),
  })),
  late_variable: world((chance) => ({
    role: 'healthy',
    relayed: true,
    hold: () => MINUTES + chance.exponential(180_000),
  })),
  offline: world(() => ({ role: 'healthy', outages: [[20 * MINUTES, 45 * MINUTES]] })),
  offline_slow_drain: world((_, i) => ({
    role: 'healthy',
    outages: [[20 * MINUTES, 26 * MINUTES]],
    rate: 4,
    batchMax: 8,
    drain: of([0.6, 0.8, 1, 2], i),
    date: of(['fresh', 'frozen', undefined] as const, i) ?? 'frozen',
  })),
  mobile_days: world(() => ({
    role: 'healthy',
    rate: 0.1,
    since: -2 * DAYS,
    outages: [[-2 * DAYS, 30 * MINUTES]],
    drain: 5,
    date: 'fresh',
  })),
  container_restarts: world((_, i) => ({ role: 'healthy', relayed: i % 2 === 1, lifetime: 6 * MINUTES })),
  saturated: world((chance) => ({
    role: 'healthy',
    rate: 20,
    batchMax: 32,
    isSaturated: true,
    hold: () => chance.between(20, 20.4) * SECONDS,
  })),
  supplied_5_percent: world((chance) => ({
    role: 'healthy',
    supplied: {
      share: 0.05,
      shift: () => chance.pick([HOURS, DAYS, 5 * MINUTES, -HOURS, -DAYS]) * chance.between(0.3, 1.7),
    },
  })),
  supplied_no_observed: world((chance) => ({
    role: 'healthy',
    observed: 'none',
    supplied: {
      share: 0.05,
      shift: () => chance.pick([HOURS, DAYS, 5 * MINUTES, -HOURS, -DAYS]) * chance.between(0.3, 1.7),
    },
  })),
  replayed_file: world((chance) => ({ role: 'healthy', hold: (t) => 2 * HOURS - t * 0.95 + chance.between(0, 50) })),
  // Fast.
  fast_direct: world((chance, i) => ({ offset: constant(chance, of(ahead, i)) })),
  fast_relayed: world((chance, i) => ({ relayed: true, offset: constant(chance, of(ahead, i)) })),
  fast_rare: world((chance, i) => ({ rate: 1 / 60, schedule: 5000, offset: constant(chance, of(ahead, i)) })),
  fast_step_fixed: world((chance, i) => ({ offset: plus(chance, during(HALF, 60 * MINUTES, of([4400, 90_000], i))) })),
  fast_offline: world((chance) => ({ offset: constant(chance, 120_000), outages: [[20 * MINUTES, 45 * MINUTES]] })),
  fast_restarts: world((chance, i) => ({ offset: constant(chance, of(ahead, i)), lifetime: 20 * MINUTES })),
  drift: world((_, i) => ({ offset: (t) => SECONDS + t * of([50, 100, 200, -50, -100], i) * 1e-6 })),
  drift_rare: world((_, i) => ({
    rate: 1 / 300,
    schedule: 5000,
    offset: (t) => 20 * SECONDS + t * of([50, 100, -50, -100], i) * 1e-6,
  })),
  slew: world((chance, i) => ({
    offset: plus(chance, (t) => 3 * SECONDS + of([-1, 1], i) * Math.min(1500, Math.max(0, t - HALF) * 500e-6)),
  })),
  leap_smear: world((chance) => ({ offset: plus(chance, (t) => 2 * SECONDS - Math.min(1000, (t / DAYS) * 1000)) })),
  // Behind.
  zone: world((chance, i) => ({ relayed: i % 2 === 1, offset: constant(chance, of(zones, i)) })),
  dst_step: world((chance, i) => ({
    relayed: i % 4 > 1,
    offset: plus(chance, (t) => (t > HALF ? of([-HOURS, HOURS], i) : 0)),
  })),
  slow_date: world((chance, i) => ({ date: 'fresh', offset: constant(chance, of(behind, i)) })),
  slow_traces: world((chance, i) => ({ relayed: i % 2 === 1, offset: constant(chance, of(behind, i)) }), {
    traces: 2.5,
  }),
  slow_direct: world((chance, i) => ({ offset: constant(chance, -of([90, 200, 421, 1217], i) * SECONDS) })),
  slow_step_direct: world((chance, i) => ({
    offset: plus(chance, (t) => (t > HALF ? -of([90, 600], i) * SECONDS : 0)),
  })),
  suspended: world((chance) => ({
    offset: plus(chance, (t) => (t > HALF ? -12 * MINUTES : 0)),
    suspended: [HALF, HALF + 12 * MINUTES],
  })),
  unset: world((chance) => {
    const since = chance.between(5, 900) * SECONDS
    return { offset: () => since - 1_780_315_200_000 }
  }),
  units: world((_, i) => ({ unit: of([1e-9, 1e-6, 1e-3, 1], i), ...(i % 4 === 3 && { missing: 0.5 }) })),
  // Many, and on purpose.
  liars_10_percent: (chance) => {
    const { machines } = world((one, i) => ({ offset: constant(one, of(ahead, i)) }))(chance)
    const liars = Array.from({ length: 6 }, (_, i) =>
      machine(chance, `liar-${i}`, { role: 'liar', offset: () => chance.between(-HOURS, HOURS) }),
    )
    return { machines: [...machines, ...liars] }
  },
  lying_tenant: (chance) => {
    const { machines } = world((one, i) => ({ offset: constant(one, of(ahead, i)) }))(chance)
    const liars = Array.from({ length: 100 }, (_, i) =>
      machine(chance, i % 2 === 0 ? `liar-${i}` : `healthy-${i % 40}`, {
        role: 'liar',
        tenant: 'mallory',
        offset: constant(chance, 3 * SECONDS),
      }),
    )
    return { machines: [...liars, ...machines], traces: 2 }
  },
  gateway_ahead: ownClock(HOURS),
  gateway_behind: ownClock(-HOURS),
  gateway_ahead_no_monotonic: ownClock(HOURS, { hasMonotonic: false }),
  gateway_behind_no_monotonic: ownClock(-HOURS, { hasMonotonic: false }),
  gateway_behind_from_start: world(() => ({ role: 'healthy' }), { gateway: () => -2000, hasMonotonic: false }),
  gateway_ahead_dates: world((_, i) => ({ role: 'healthy', date: 'fresh', relayed: i % 5 === 4 }), {
    gateway: during(HALF, 50 * MINUTES, HOURS),
    recoversAt: 50 * MINUTES,
    hasMonotonic: false,
  }),
}
