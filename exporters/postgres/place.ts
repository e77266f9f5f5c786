/**
 * The columns purpose, retention, tenant and region of a row, from the gateway's own attributes.
 */
import { decodeValue } from '../../src/otlp/value.ts'
import { RowBuffer } from './row_buffer.ts'
import { escapeText } from './stored_json.ts'

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

export interface Place {
  readonly purpose: string
  readonly tenant: string
  readonly region: string
}

/** How many combinations are remembered. Tenants and purposes come from the policy, but nothing here knows that. */
const combinationsMax = 10_000

/**
 * The columns purpose, retention, tenant, region: the same few combinations over and over, so they are found by the
 * bytes of the three attributes.
 */
export class PlaceColumns {
  #places = new Map<string, Place | null>()
  #columns = new Map<string, Buffer>()

  /** Undefined: not exactly one purpose, or a tenant or region that is no text. */
  of(source: Buffer, ranges: Record<OwnColumn, Range>): Place | undefined {
    const bytes = (range: Range) => (range.start < 0 ? '-' : source.latin1Slice(range.start, range.end))
    const key = `${bytes(ranges.purpose)}\0${bytes(ranges.tenant)}\0${bytes(ranges.region)}`
    let place = this.#places.get(key)
    if (place === undefined) {
      if (this.#places.size > combinationsMax) this.#places.clear()
      place = readPlace(source, ranges)
      this.#places.set(key, place)
    }
    return place ?? undefined
  }

  encoded(place: Place, retention: string): Buffer {
    const key = `${place.purpose}\0${retention}\0${place.tenant}\0${place.region}`
    let columns = this.#columns.get(key)
    if (!columns) {
      if (this.#columns.size > combinationsMax) this.#columns.clear()
      columns = textColumns([place.purpose, retention, place.tenant, place.region])
      this.#columns.set(key, columns)
    }
    return columns
  }
}

function readPlace(source: Buffer, ranges: Record<OwnColumn, Range>): Place | null {
  const text = (range: Range, missing: string): string | undefined => {
    if (range.start < 0) return missing
    const value = decodeValue(source, range.start, range.end)
    const only = value.kind === 'array' && value.values.length === 1 ? value.values[0]! : value
    return only.kind === 'string' ? only.value : undefined
  }
  const purpose = text(ranges.purpose, untagged)
  const tenant = text(ranges.tenant, '')
  const region = text(ranges.region, '')
  return purpose && tenant !== undefined && region !== undefined ? { purpose, tenant, region } : null
}

/** Text columns in COPY's form; an empty text is NULL. */
function textColumns(texts: readonly string[]): Buffer {
  const out = new RowBuffer()
  for (const text of texts) {
    if (text === '') out.nullColumn()
    else {
      const column = out.openColumn()
      out.appendText(escapeText(text))
      out.closeColumn(column)
    }
  }
  return Buffer.from(out.bytes.subarray(0, out.at))
}
