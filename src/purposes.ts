/**
 * Purposes as bits: the registry behind `Host.purposes`.
 *
 * With a residency policy only its purposes exist: a processor that names another one is refused when the gateway is
 * built, since nobody could say where its records may go. Without a policy each name that is asked for gets a bit.
 */
import type { Purposes } from './contract.ts'
import { ConfigError } from './errors.ts'
import { limits } from './limits.ts'
import { nearestName } from './nearest_name.ts'

/** `known`: the policy's purposes, in any order; left out: all names are allowed. */
export function createPurposes(known?: Iterable<string>): Purposes {
  const bits = new Map<string, number>()
  const closed = known !== undefined
  /** Masks repeat: there are few combinations in practice. Bounded, since a mask could be any. */
  const namesOfMask = new Map<number, readonly string[]>()
  const add = (name: string): number => {
    if (bits.size >= limits.purposesMax) throw new ConfigError(`more than ${limits.purposesMax} purposes`)
    const bit = 1 << bits.size
    bits.set(name, bit)
    namesOfMask.clear()
    return bit
  }
  for (const name of [...new Set(known)].toSorted()) add(name)
  return {
    bit: (name) => {
      const bit = bits.get(name)
      if (bit !== undefined) return bit
      if (!closed) return add(name)
      const names = [...bits.keys()]
      const near = nearestName(name, names)
      const fix =
        near === undefined ? `name one of ${names.join(', ')}, or add it to the policy` : `did you mean ${near}?`
      throw new ConfigError(`no purpose ${JSON.stringify(name)} in the residency policy`, [], fix)
    },
    names: (mask) => {
      const cached = namesOfMask.get(mask)
      if (cached) return cached
      const names = [...bits].filter(([, bit]) => (mask & bit) !== 0).map(([name]) => name)
      const sorted = Object.freeze(names.toSorted())
      if (namesOfMask.size >= limits.purposeMasksMax) namesOfMask.clear()
      namesOfMask.set(mask, sorted)
      return sorted
    },
  }
}
