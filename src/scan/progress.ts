/** One line on a terminal that says how far a long scan is; nothing anywhere else. */
const everyMs = 200

export class Progress {
  readonly #out: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly #nowMs: () => number
  /** Bytes of the files at hand; 0 = unknown. */
  readonly #total: number
  #bytes = 0
  #lastMs = 0
  #isShown = false

  constructor(out: NodeJS.WritableStream & { readonly isTTY?: boolean }, total: number, nowMs: () => number) {
    this.#out = out
    this.#total = total
    this.#nowMs = nowMs
  }

  bytes(count: number): void {
    this.#bytes += count
  }

  /** Called often; writes a few times a second. */
  show(lines: number, findings: number): void {
    if (this.#out.isTTY !== true || (lines & 255) !== 0) return
    const now = this.#nowMs()
    if (now - this.#lastMs < everyMs) return
    this.#lastMs = now
    this.#isShown = true
    const share = this.#total > 0 ? ` (${Math.min(100, Math.floor((this.#bytes * 100) / this.#total))} %)` : ''
    this.#out.write(`\r\x1b[K${(this.#bytes / 1e6).toFixed(1)} MB${share}, ${lines} lines, ${findings} findings`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isShown) this.#out.write('\r\x1b[K')
  }
}
