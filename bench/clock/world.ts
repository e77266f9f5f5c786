/**
 * A world of machines whose clocks we know: makes records at true instants, stamps them with each machine's clock,
 * batches and sends them as SDKs and relays do, and says when the gateway receives what.
 *
 * Knows nothing of the estimator. All times are milliseconds since the world's start, as doubles; a machine's clock
 * shows t + offset(t).
 */
export const START = 1_780_315_200_000
export const SECONDS = 1000
export const MINUTES = 60_000
export const HOURS = 3_600_000
export const DAYS = 24 * HOURS

/** A seeded generator (xorshift128) and the distributions that networks and people have. */
export class Chance {
  #a: number
  #b = 362_436_069
  #c = 521_288_629
  #d = 88_675_123
  constructor(seed: number) {
    this.#a = (seed * 2_654_435_761) >>> 0 || 1
    for (let i = 0; i < 20; i++) this.next()
  }
  next(): number {
    const t = this.#a ^ (this.#a << 11)
    this.#a = this.#b
    this.#b = this.#c
    this.#c = this.#d
    this.#d = (this.#d ^ (this.#d >>> 19) ^ t ^ (t >>> 8)) >>> 0
    return this.#d / 2 ** 32
  }
  between(low: number, high: number): number {
    return low + (high - low) * this.next()
  }
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next())
  }
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next())
  }
  logUniform(low: number, high: number): number {
    return Math.exp(this.between(Math.log(low), Math.log(high)))
  }
  pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.next() * all.length)]!
  }
}

export interface Machine {
  readonly id: string
  readonly tenant: string
  /** What must hold of it: nothing altered; errors small; a liar may get anything. */
  readonly role: 'healthy' | 'target' | 'liar'
  readonly offset: (t: number) => number
  /** Records a second. */
  readonly rate: number
  /** The SDK's export schedule and largest batch. */
  readonly schedule: number
  readonly batchMax: number
  /** The least network delay, and its usual spread. */
  readonly network: number
  readonly jitter: number
  /** Share of exports that fail and are tried again with backoff. */
  readonly failing: number
  /** A relay passes on every so many ms; undefined: direct. */
  readonly relay?: number
  /** Held back on the way, by this much. */
  readonly hold?: (t: number) => number
  /** Intervals in which nothing is sent; the backlog goes out after them, `drain` batches a second. */
  readonly outages?: readonly (readonly [from: number, to: number])[]
  readonly drain?: number
  /** Its first record, before 0 where it has been offline since before the gateway was heard of. */
  readonly since?: number
  /** Replaced by another one, with a name of its own, every so many ms; on the same host, hence with the same clock. */
  readonly lifetime?: number
  /** Suspended: nothing happens in this interval. */
  readonly suspended?: readonly [from: number, to: number]
  /** Exports full batches only: its queue is always full. */
  readonly isSaturated?: boolean
  /** Sends a Date header, stamped at each attempt (`fresh`) or once (`frozen`). */
  readonly date?: 'fresh' | 'frozen'
  /** Share of records with a time that the application supplies, that far away. */
  readonly supplied?: { readonly share: number; readonly shift: () => number }
  readonly observed?: 'none'
  /** What the time is multiplied by, from nanoseconds. */
  readonly unit?: number
  /** Share of records without a time. */
  readonly missing?: number
}

export interface LogEvent {
  /** When it happened; NaN: its time is the application's business. */
  readonly truth: number
  readonly stamped: number
  readonly observed: number
  readonly trace: number
}
export interface Delivery {
  readonly machine: Machine
  /** Under which name it sent this. */
  readonly source: string
  received: number
  readonly date: number | undefined
  readonly events: readonly LogEvent[]
}

const QUEUE_MAX = 2048

/** Everything that a machine sends in `duration`, in the order of its receipt. */
export function deliveries(machine: Machine, duration: number, chance: Chance, traced: readonly Traced[]): Delivery[] {
  const events = happen(machine, duration, chance, traced)
  const out: Delivery[] = []
  let at = chance.between(0, machine.schedule)
  let next = 0
  let free = 0
  const phase = chance.next()
  while (next < events.length && at < duration + machine.schedule) {
    const tick = Math.max(at, free)
    // The timer starts anew after each export.
    at = Math.max(at, free) + machine.schedule + chance.exponential(4)
    const sending = afterOutage(machine, tick)
    if (sending > tick) {
      ;[next, free] = backlog(machine, events, next, sending, chance, out)
      at = Math.max(at, sending + machine.schedule)
      continue
    }
    let left = 0
    while (next + left < events.length && events[next + left]!.at <= tick) left++
    if (machine.isSaturated === true) left -= left % machine.batchMax
    if (left > QUEUE_MAX) next += left - QUEUE_MAX
    for (left = Math.min(left, QUEUE_MAX); left > 0; left -= machine.batchMax) {
      const count = Math.min(left, machine.batchMax)
      free = send(machine, events.slice(next, next + count), Math.max(tick, free), phase, chance, out)
      next += count
    }
  }
  return out
}

export interface Traced {
  readonly at: number
  readonly trace: number
}
interface Happened extends Traced {
  readonly event: LogEvent
}

function happen(machine: Machine, duration: number, chance: Chance, traced: readonly Traced[]): Happened[] {
  const instants: Traced[] = [...traced]
  const mean = 1000 / machine.rate
  for (let at = (machine.since ?? 0) + chance.exponential(mean); at < duration; at += chance.exponential(mean))
    instants.push({ at, trace: 0 })
  const { suspended } = machine
  if (suspended !== undefined) {
    const awake = instants.filter(({ at }) => at < suspended[0] || at > suspended[1])
    instants.splice(0, instants.length, ...awake)
  }
  instants.sort((a, b) => a.at - b.at)
  return instants.map(({ at, trace }) => ({ at, trace, event: stamp(machine, at, trace, chance) }))
}

function stamp(machine: Machine, at: number, trace: number, chance: Chance): LogEvent {
  const shown = START + at + machine.offset(at)
  const observed = machine.observed === 'none' ? 0 : shown * (machine.unit ?? 1)
  if (machine.supplied !== undefined && chance.next() < machine.supplied.share) {
    return { truth: Number.NaN, stamped: shown + machine.supplied.shift(), observed, trace }
  }
  if (machine.missing !== undefined && chance.next() < machine.missing)
    return { truth: at, stamped: 0, observed, trace }
  return { truth: at, stamped: shown * (machine.unit ?? 1), observed, trace }
}

/** The end of the outage that `at` is in, or `at`. */
function afterOutage(machine: Machine, at: number): number {
  return machine.outages?.find(([from, to]) => at >= from && at < to)?.[1] ?? at
}

/** Sends what piled up in an outage, in order, as fast as it goes. */
function backlog(
  machine: Machine,
  events: readonly Happened[],
  first: number,
  from: number,
  chance: Chance,
  out: Delivery[],
): [next: number, free: number] {
  let next = first
  let at = from
  while (next < events.length && events[next]!.at < at) {
    const part = events.slice(next, next + machine.batchMax).filter((one) => one.at < at)
    const frozen = part.at(-1)!.at + 1
    const dated = machine.date === 'frozen' ? START + frozen + machine.offset(frozen) : dateAt(machine, at)
    out.push(delivery(machine, part, at + machine.network + chance.exponential(machine.jitter), dated))
    next += part.length
    at += 1000 / (machine.drain ?? 20)
  }
  return [next, at]
}

const dateAt = (machine: Machine, at: number): number | undefined =>
  machine.date === undefined ? undefined : START + at + machine.offset(at)

const delivery = (
  machine: Machine,
  part: readonly Happened[],
  received: number,
  date: number | undefined,
): Delivery => ({
  machine,
  source: machine.lifetime === undefined ? machine.id : `${machine.id}.${Math.floor(part[0]!.at / machine.lifetime)}`,
  received,
  date: date === undefined ? undefined : Math.floor(date / 1000) * 1000,
  events: part.map(({ event }) => event),
})

/** One export with its retries. Gives when the sender is free again. */
function send(
  machine: Machine,
  part: readonly Happened[],
  at: number,
  phase: number,
  chance: Chance,
  out: Delivery[],
): number {
  let attempt = at
  for (let wait = 1000; chance.next() < machine.failing && wait < 30_000; wait *= 1.5) {
    attempt += 50 + wait * chance.between(0.8, 1.2)
  }
  const first = machine.date === 'frozen' ? at : attempt
  const delay = machine.network + Math.exp(Math.log(machine.jitter) + 0.9 * chance.normal())
  let received = attempt + delay
  if (machine.relay !== undefined) {
    const arrived = attempt + 1 + chance.exponential(2)
    received = (Math.ceil(arrived / machine.relay + phase) - phase) * machine.relay + delay
  }
  received += machine.hold?.(attempt) ?? 0
  out.push(delivery(machine, part, received, dateAt(machine, first)))
  return attempt + delay
}
