/** Bytes that edits produce, for one request. Grows by doubling; offsets stay valid, the buffer may be replaced. */
export class Arena {
  bytes: Buffer = Buffer.allocUnsafeSlow(64 * 1024)
  used = 0

  reset(): void {
    this.used = 0
  }

  /** Makes room for `length` bytes at `used` and returns that offset. The writer moves `used` on. */
  reserve(length: number): number {
    if (this.used + length > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.used + length, this.bytes.length * 2))
      this.bytes.copy(grown, 0, 0, this.used)
      this.bytes = grown
    }
    return this.used
  }
}
