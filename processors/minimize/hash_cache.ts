/**
 * Hashes of values that were seen before, found by the value's bytes: ids of users and sessions come back all the time.
 *
 * One flat buffer of rows, each at the place that its value's bytes and its key choose: a newer value takes an older
 * one's row, so the cache is bounded and nothing is allocated.
 *
 *   row:  key's number (4)   value's length (1)   value (63)   64 hex digits
 */
const VALUE_BYTES_MAX = 63
const VALUE_AT = 5
const HEX_AT = VALUE_AT + VALUE_BYTES_MAX
const ROW = HEX_AT + 64

export class HashCache {
  readonly #rows: Uint8Array
  readonly #mask: number
  /** Where the row is that `find` looked at last. */
  #at = -1

  /** `rows`: a power of two. */
  constructor(rows: number) {
    this.#rows = new Uint8Array(rows * ROW)
    this.#mask = rows - 1
  }

  /** Copies the digits of bytes[start, end) under key number `key` to out[at, at + 64). False: not known. */
  find(key: number, bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): boolean {
    const length = end - start
    this.#at = -1
    if (length > VALUE_BYTES_MAX) return false
    let hash = key
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0
    const row = ((hash ^ (hash >>> 15)) & this.#mask) * ROW
    this.#at = row
    const rows = this.#rows
    if (rows[row + 4] !== length || readKey(rows, row) !== key) return false
    for (let i = 0; i < length; i++) if (rows[row + VALUE_AT + i] !== bytes[start + i]) return false
    for (let i = 0; i < 64; i++) out[at + i] = rows[row + HEX_AT + i]!
    return true
  }

  /** Keeps what the last `find` did not know: its digits now stand at out[at, at + 64). */
  keep(key: number, bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): void {
    const row = this.#at
    if (row === -1) return
    const rows = this.#rows
    rows[row] = key
    rows[row + 1] = key >>> 8
    rows[row + 2] = key >>> 16
    rows[row + 3] = key >>> 24
    rows[row + 4] = end - start
    for (let i = start; i < end; i++) rows[row + VALUE_AT + i - start] = bytes[i]!
    for (let i = 0; i < 64; i++) rows[row + HEX_AT + i] = out[at + i]!
  }
}

const readKey = (rows: Uint8Array, row: number): number =>
  rows[row]! | (rows[row + 1]! << 8) | (rows[row + 2]! << 16) | (rows[row + 3]! << 24)
