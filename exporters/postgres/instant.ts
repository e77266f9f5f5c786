/**
 * A time of 64 bits, in nanoseconds since 1970, split into whole microseconds and the rest: PostgreSQL's timestamps
 * count microseconds. Without bigints: they cost more than all the rest of a row's numbers.
 */
import { readUint32 } from '../../src/otlp/wire.ts'
import type { RowBuffer } from './row_buffer.ts'

/** 2000-01-01, where PostgreSQL's timestamps begin, in microseconds of Unix time. */
const epochMicros = 946_684_800_000_000

export class Instant {
  /** False for zero, which OTLP uses for "not known". */
  isSet = false
  /** Since 1970. Rounded where it is no safe integer: `writeColumn` is exact all the same. */
  micros = 0
  /** 0 to 999. */
  nanos = 0
  /** The microseconds of a time after the year 2116, whose arithmetic would leave the safe integers. */
  #far: bigint | undefined

  clear(): void {
    this.isSet = false
  }

  /** Reads a fixed64, little-endian. */
  read(source: Buffer, at: number): void {
    const low = readUint32(source, at)
    const high = readUint32(source, at + 4)
    this.isSet = low !== 0 || high !== 0
    this.#far = undefined
    if (high < 2 ** 30) {
      // 2^32 = 4,294,967 * 1000 + 296
      const rest = high * 296 + low
      this.nanos = rest % 1000
      this.micros = high * 4_294_967 + (rest - this.nanos) / 1000
      return
    }
    const all = (BigInt(high) << 32n) | BigInt(low)
    this.#far = all / 1000n
    this.micros = Number(this.#far)
    this.nanos = Number(all % 1000n)
  }

  /** As `timestamptz`. */
  writeColumn(out: RowBuffer): void {
    if (this.#far === undefined) writeMicros(out, this.micros)
    else out.bigintColumn(this.#far - BigInt(epochMicros))
  }
}

/** Microseconds since 1970, a safe integer, as `timestamptz`. */
export const writeMicros = (out: RowBuffer, micros: number): void => out.int64Column(micros - epochMicros)
