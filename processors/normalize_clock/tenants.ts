/**
 * How long delivery takes at best, learnt per tenant from its sources whose clocks are right: no tenant's records can
 * depend on another's clocks. Directly sent and relayed batches apart. Medians: a third of them may lie.
 */
const RING = 64
const NEEDED = 5

/** What is assumed before anything is learnt, direct and relayed: nanoseconds. */
const priors = [
  { floor: 60e6, spread: 500e6, excess: 600e6 },
  { floor: 25e6, spread: 250e6, excess: 400e6 },
] as const

export type FloorShown = readonly [floor: number, spread: number, excess: number]

class Floor {
  floor: number
  /** The 95th percentile above the floor. */
  spread: number
  /** How far an average batch is below the best ones. */
  excess: number
  #floors: Float32Array | undefined
  #excesses: Float32Array | undefined
  #count = 0

  constructor({ floor, spread, excess }: (typeof priors)[number]) {
    this.floor = floor
    this.spread = spread
    this.excess = excess
  }

  /** As several workers know it together. */
  follow([floor, spread, excess]: FloorShown): void {
    this.floor = floor
    this.spread = spread
    this.excess = excess
  }
  get shown(): FloorShown {
    return [this.floor, this.spread, this.excess]
  }

  /** A source with a right clock delivers at best in `floor`, and on average `excess` later. */
  learn(floor: number, excess: number): void {
    this.#floors ??= new Float32Array(RING)
    this.#excesses ??= new Float32Array(RING)
    this.#floors[this.#count % RING] = floor
    this.#excesses[this.#count % RING] = excess
    this.#count++
    if (this.#count < NEEDED) return
    const length = Math.min(this.#count, RING)
    const floors = this.#floors.slice(0, length).sort()
    const excesses = this.#excesses.slice(0, length).sort()
    this.floor = bounded(floors[length >> 1]!, 0, 1e9)
    this.spread = bounded(floors[Math.floor(length * 0.95)]! - this.floor, 20e6, 2.5e9)
    this.excess = bounded(excesses[length >> 1]!, 50e6, 10e9)
  }
}

const bounded = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max)

export class Tenant {
  readonly name: string
  readonly index: number
  /** Sources of this tenant that have turned out to be on time. */
  healthy = 0
  readonly #floors = [new Floor(priors[0]), new Floor(priors[1])] as const
  constructor(name: string, index: number) {
    this.name = name
    this.index = index
  }
  floor(isDirect: boolean): Floor {
    return this.#floors[isDirect ? 1 : 0]
  }
}

/** All tenants heard of. Beyond the bound they share one: its sources are then told apart by key only. */
export class Tenants {
  readonly all: Tenant[] = []
  readonly #byName = new Map<string, Tenant>()
  readonly #max: number
  constructor(max: number) {
    this.#max = max
  }
  of(name: string): Tenant {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    if (this.all.length >= this.#max) return this.all[this.#max - 1]!
    const tenant = new Tenant(name, this.all.length)
    this.all.push(tenant)
    this.#byName.set(name, tenant)
    return tenant
  }
}
