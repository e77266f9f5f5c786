/**
 * What the levels of all sources have in common. Every tenant counts once, however many sources it has.
 */

import { recentMax } from './envelope.ts'
import { MINUTE, SECOND } from './instant.ts'
import { F, F_ROW, I, I_ROW, type Sources } from './sources.ts'

/** Sources looked at in one go. */
const SAMPLE = 512
const HEARD_WITHIN = 10 * MINUTE
const SOURCES_MIN = 10
const TENANTS_MIN = 5
const RIGHT_ABOVE = -2.5 * SECOND
const RIGHT_BELOW = 150e6

export interface Mode {
  /** The middle level, how much of the fleet is within a second of it, and how much of it has a right clock. */
  readonly centre: number
  /** The middle of the best levels: nearer to what is common than those of the last batches, which lack their delays. */
  readonly best: number
  readonly share: number
  readonly healthy: number
  readonly isEnough: boolean
}

export class Fleet {
  /** What delivery takes at best: levels of right clocks are so much below 0. */
  readonly floor = 25e6
  readonly #sources: Sources
  #start = 0
  constructor(sources: Sources) {
    this.#sources = sources
  }

  look(at: number): Mode {
    const sources = this.#sources
    const levels: Level[] = []
    const best: Level[] = []
    const sizes = new Map<number, number>()
    const looked = Math.min(SAMPLE, sources.count)
    for (let k = 0; k < looked; k++) {
      const row = (this.#start + k) % sources.count
      const n = sources.i32[row * I_ROW + I.Count]!
      if (n < 3 || at - sources.f64[row * F_ROW + F.LastHeard]! > HEARD_WITHIN) continue
      const tenant = sources.i32[row * I_ROW + I.Tenant]!
      sizes.set(tenant, (sizes.get(tenant) ?? 0) + 1)
      levels.push({ level: recentMax(sources, row, 3), tenant, weight: 0 })
      best.push({ level: sources.f64[row * F_ROW + F.Envelope]!, tenant, weight: 0 })
    }
    this.#start = sources.count === 0 ? 0 : (this.#start + looked) % sources.count
    if (levels.length === 0) return { centre: 0, best: 0, share: 0, healthy: 0, isEnough: false }
    for (const all of [levels, best]) {
      for (const one of all) one.weight = 1 / (sizes.get(one.tenant)! * sizes.size)
      all.sort((a, b) => a.level - b.level)
    }
    const centre = middle(levels)
    const share = weigh(levels, centre - SECOND, centre + SECOND)
    const healthy = weigh(levels, RIGHT_ABOVE, RIGHT_BELOW)
    return {
      centre,
      best: middle(best),
      share,
      healthy,
      isEnough: levels.length >= SOURCES_MIN || sizes.size >= TENANTS_MIN,
    }
  }
}

interface Level {
  readonly level: number
  readonly tenant: number
  weight: number
}
type Levels = readonly Level[]

function middle(levels: Levels): number {
  let sum = 0
  for (const { level, weight } of levels) {
    sum += weight
    if (sum >= 0.5) return level
  }
  return levels.at(-1)!.level
}

function weigh(levels: Levels, from: number, to: number): number {
  let sum = 0
  for (const { level, weight } of levels) if (level > from && level < to) sum += weight
  return sum
}
