/**
 * The columns purpose, tenant and region of a row, from the gateway's own attributes.
 */
import { limits } from '../../src/limits.ts'
import { decodeValue } from '../../src/otlp/value.ts'

/** The purpose of records that no policy has tagged. */
export const untagged = 'untagged'

/** The attributes `douane.<name>` that have a column. */
export const ownColumns = ['purpose', 'tenant', 'region', 'subject_ref'] as const
export type OwnColumn = (typeof ownColumns)[number]

/** A range of the batch's bytes; `start` -1: the field is not there. */
export interface Range {
  start: number
  end: number
}

/** One object for each combination that occurs. */
export interface Place {
  readonly purpose: string
  readonly tenant: string
  readonly region: string
}

interface Known {
  /** The bytes of the three values, one after the other. */
  readonly bytes: Buffer
  readonly lengths: readonly [number, number, number]
  readonly place: Place | undefined
}

/** A power of two: places are the same few combinations over and over, found by a hash of their bytes. */
const slots = 256

export class Places {
  readonly #known: (Known | undefined)[] = Array.from({ length: slots }, () => undefined)
  readonly #places = new Map<string, Place>()

  /** Undefined: not exactly one purpose, or a tenant or region that is no text. */
  find(source: Buffer, { purpose, tenant, region }: Record<OwnColumn, Range>): Place | undefined {
    let hash = hashOf(source, purpose, 0)
    hash = hashOf(source, tenant, hash)
    hash = hashOf(source, region, hash)
    const slot = (hash ^ (hash >>> 8) ^ (hash >>> 16)) & (slots - 1)
    const known = this.#known[slot]
    if (
      known &&
      isSame(source, purpose, known.bytes, 0, known.lengths[0]) &&
      isSame(source, tenant, known.bytes, known.lengths[0], known.lengths[1]) &&
      isSame(source, region, known.bytes, known.lengths[0] + known.lengths[1], known.lengths[2])
    ) {
      return known.place
    }
    const parts = [purpose, tenant, region].map(({ start, end }) => source.subarray(Math.max(start, 0), end))
    const place = this.#read(source, purpose, tenant, region)
    const lengths = [lengthOf(purpose), lengthOf(tenant), lengthOf(region)] as const
    this.#known[slot] = { bytes: Buffer.concat(parts), lengths, place }
    return place
  }

  #read(source: Buffer, ...ranges: readonly [Range, Range, Range]): Place | undefined {
    const texts = ranges.map(({ start, end }) => (start < 0 ? '' : textOf(source, start, end)))
    const [purpose, tenant, region] = texts
    if (purpose === undefined || tenant === undefined || region === undefined) return undefined
    if (purpose === '' && ranges[0].start >= 0) return undefined
    const key = JSON.stringify(texts)
    let place = this.#places.get(key)
    if (!place) {
      if (this.#places.size >= limits.storePlacesMax) this.#places.clear()
      place = { purpose: purpose === '' ? untagged : purpose, tenant, region }
      this.#places.set(key, place)
    }
    return place
  }
}

/** A string, or an array of one string. */
function textOf(source: Buffer, start: number, end: number): string | undefined {
  const value = decodeValue(source, start, end)
  const only = value.kind === 'array' && value.values.length === 1 ? value.values[0]! : value
  return only.kind === 'string' ? only.value : undefined
}

/** -1 for what is not there, so that it is not the same as an empty value. */
const lengthOf = ({ start, end }: Range): number => (start < 0 ? -1 : end - start)

function hashOf(source: Buffer, { start, end }: Range, seed: number): number {
  let hash = seed
  if (start < 0) return (hash * 31 + 257) | 0
  for (let i = start; i < end; i++) hash = (hash * 31 + source[i]!) | 0
  return hash
}

function isSame(source: Buffer, range: Range, bytes: Buffer, at: number, length: number): boolean {
  if (lengthOf(range) !== length) return false
  for (let i = 0; i < length; i++) if (source[range.start + i] !== bytes[at + i]) return false
  return true
}
