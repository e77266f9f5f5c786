/**
 * One growing buffer that rows are written into, in PostgreSQL's binary COPY format (big-endian):
 *
 *   int16 number of columns, then for each column: int32 length (-1 = NULL), bytes
 *
 * It is reused from batch to batch. `rowStarts` tells where each row begins, so that a row can be left out later.
 */
import { limits } from '../../src/limits.ts'

const initialBytes = 64 * 1024

export class RowBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes)
  at = 0

  clear(): void {
    this.at = 0
    if (this.bytes.length > limits.copyBufferBytesMax) this.bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    if (this.at + size <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + size))
    this.bytes.copy(larger, 0, 0, this.at)
    this.bytes = larger
  }

  /** Begins a column whose length `closeColumn` writes. Returns where it began. */
  openColumn(): number {
    this.reserve(4)
    this.at += 4
    return this.at
  }

  closeColumn(start: number): void {
    this.bytes.writeInt32BE(this.at - start, start - 4)
  }

  nullColumn(): void {
    this.reserve(4)
    this.bytes.writeInt32BE(-1, this.at)
    this.at += 4
  }

  int16Column(value: number): void {
    this.reserve(6)
    this.bytes.writeInt32BE(2, this.at)
    this.bytes.writeInt16BE(value, this.at + 4)
    this.at += 6
  }

  int32Column(value: number): void {
    this.reserve(8)
    this.bytes.writeInt32BE(4, this.at)
    this.bytes.writeInt32BE(value, this.at + 4)
    this.at += 8
  }

  /** An int64 column of a safe integer. */
  int64Column(value: number): void {
    this.reserve(12)
    this.bytes.writeInt32BE(8, this.at)
    this.bytes.writeInt32BE(Math.floor(value / 2 ** 32), this.at + 4)
    this.bytes.writeUInt32BE(value - Math.floor(value / 2 ** 32) * 2 ** 32, this.at + 8)
    this.at += 12
  }

  /** An int64 column of any int64. */
  bigintColumn(value: bigint): void {
    this.reserve(12)
    this.bytes.writeInt32BE(8, this.at)
    this.bytes.writeBigInt64BE(value, this.at + 4)
    this.at += 12
  }

  /** A column of bytes that are already as they must be. */
  bytesColumn(source: Uint8Array, start: number, end: number): void {
    this.reserve(4 + end - start)
    this.bytes.writeInt32BE(end - start, this.at)
    this.at += 4
    this.append(source, start, end)
  }

  append(source: Uint8Array, start: number, end: number): void {
    const size = end - start
    this.reserve(size)
    // Below this length a loop is cheaper than a call into C++.
    if (size < 40) {
      const { bytes } = this
      let to = this.at
      for (let from = start; from < end; from++) bytes[to++] = source[from]!
    } else this.bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.at)
    this.at += size
  }

  appendText(text: string): void {
    this.reserve(text.length * 3)
    this.at += this.bytes.utf8Write(text, this.at, text.length * 3)
  }

  appendByte(byte: number): void {
    this.reserve(1)
    this.bytes[this.at++] = byte
  }
}
