/**
 * What is learnt, over a restart: sources with an offset, each by its id (a hash: no name is written).
 *
 *   u32 version   u32 rows   then rows of:  id 8   f64 row   f32 row   u32 row   u16 row   i32 row   u8 row
 *
 * A row waits until its source is heard again, and counts once one batch has confirmed it. Little-endian, as the
 * tables are; a snapshot of another version or length is refused with `DouaneError`.
 */
import { DouaneError } from '../../src/errors.ts'
import { DAY } from './instant.ts'
import { B, B_ROW, BUCKETS, F, F_ROW, Flag, G_ROW, I, I_ROW, ID, type Sources, U_ROW } from './sources.ts'

const VERSION = 1
const HEADER = 8
const KEPT_FOR = 7 * DAY

const parts = [
  ['f64', F_ROW, 8],
  ['f32', G_ROW, 4],
  ['u32', U_ROW, 4],
  ['u16', BUCKETS, 2],
  ['i32', I_ROW, 4],
  ['u8', B_ROW, 1],
] as const
export const ROW_BYTES = parts.reduce((sum, [, columns, bytes]) => sum + columns * bytes, 0)
const F64_AT = 0
const U32_AT = F_ROW * 8 + G_ROW * 4

/** Rows of an earlier run whose sources have not been heard yet. */
export class Waiting {
  readonly #rows = new Map<string, Buffer>()

  /** Throws `DouaneError` for bytes that are no snapshot of this version. */
  load(snapshot: Uint8Array): void {
    const bytes = Buffer.from(snapshot)
    const isWhole = bytes.length >= HEADER && bytes.readUInt32LE(0) === VERSION
    const count = isWhole ? bytes.readUInt32LE(4) : 0
    if (!isWhole || bytes.length !== HEADER + count * ROW_BYTES) {
      throw new DouaneError('defect', 'the snapshot of clocks has another version or length')
    }
    for (let at = HEADER; at < bytes.length; at += ROW_BYTES) {
      const row = bytes.subarray(at, at + ROW_BYTES)
      this.#rows.set(idIn(row), row)
    }
  }

  /** Gives a new source what was known of it. */
  claim(sources: Sources, row: number): void {
    if (this.#rows.size === 0) return
    const id = sources.id(row)
    const known = this.#rows.get(id)
    if (known === undefined) return
    this.#rows.delete(id)
    putRow(sources, row, known)
    sources.setFlag(row, Flag.Restored, true)
  }

  /** Everything that is worth keeping: sources with an offset, and those that still wait, for a week. */
  snapshot(sources: Sources, at: number): Uint8Array {
    const rows: Buffer[] = [...this.#rows.values()].filter(
      (row) => at - row.readDoubleLE(F64_AT + F.LastHeard * 8) < KEPT_FOR,
    )
    for (let row = 0; row < sources.count; row++) {
      if (sources.f64[row * F_ROW + F.Offset] === 0) continue
      rows.push(rowOf(sources, row))
    }
    const header = Buffer.alloc(HEADER)
    header.writeUInt32LE(VERSION, 0)
    header.writeUInt32LE(rows.length, 4)
    return Buffer.concat([header, ...rows])
  }
}

/** All that is known of a source, as bytes. */
export function rowOf(sources: Sources, row: number): Buffer {
  const each = parts.map(([name, columns, bytes]) => {
    const from = row * columns * bytes
    return bytesOf(sources[name]).subarray(from, from + columns * bytes)
  })
  return Buffer.concat(each)
}

/** The other way round, into the row of the same source; its tenant's index here stays. */
export function putRow(sources: Sources, row: number, known: Uint8Array): void {
  const tenant = sources.i32[row * I_ROW + I.Tenant]!
  const kind = sources.u8[row * B_ROW + B.KeyKind]!
  let at = 0
  for (const [name, columns, bytes] of parts) {
    bytesOf(sources[name]).set(known.subarray(at, at + columns * bytes), row * columns * bytes)
    at += columns * bytes
  }
  sources.i32[row * I_ROW + I.Tenant] = tenant
  sources.i32[row * I_ROW + I.Batch] = -1
  sources.u8[row * B_ROW + B.KeyKind] = kind
}

const bytesOf = (table: Sources[(typeof parts)[number][0]]): Uint8Array =>
  new Uint8Array(table.buffer, table.byteOffset, table.byteLength)

/** The id in a row's bytes, as `Sources.id` writes it. */
function idIn(row: Buffer): string {
  const word = (column: number) =>
    row
      .readUInt32LE(U32_AT + column * 4)
      .toString(16)
      .padStart(8, '0')
  return word(ID + 1) + word(ID)
}
