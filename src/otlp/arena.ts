/**
 * Bytes that edits produce, for one request. Grows by doubling; offsets stay valid, the buffer may be replaced.
 *
 * It begins in a fixed piece of the memory that the scan works in, where WebAssembly may write to it too (scan.ts); what
 * does not fit there goes on in a buffer of its own until the next request.
 */
export class Arena {
  bytes: Buffer = Buffer.allocUnsafeSlow(64 * 1024)
  used = 0
  #home: Buffer = this.bytes
  /** Called before it goes on in another buffer: who wrote to this one later would write to nobody. */
  beforeGrowing: (() => void) | undefined

  /** Where it begins from the next `reset` on. */
  settle(home: Buffer): void {
    this.#home = home
  }

  /** Whether it is still where it began. */
  get isHome(): boolean {
    return this.bytes === this.#home
  }

  reset(): void {
    this.used = 0
    this.bytes = this.#home
  }

  /** Makes room for `length` bytes at `used` and returns that offset. The writer moves `used` on. */
  reserve(length: number): number {
    if (this.used + length > this.bytes.length) {
      this.beforeGrowing?.()
      const grown = Buffer.allocUnsafeSlow(Math.max(this.used + length, this.bytes.length * 2))
      this.bytes.copy(grown, 0, 0, this.used)
      this.bytes = grown
    }
    return this.used
  }
}
