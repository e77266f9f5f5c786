/**
 * How many leaves each tenant has in the ledger, so that the next one can bear its number (leaf.ts).
 *
 *   ledger/tally   JSON: of the first `size` leaves, whose root is `root`: the newest time, and a count for each pseudonym
 *
 * The file only saves time: it is written now and then, what came after it is counted from the ledger's own leaves, and one
 * that does not fit them is not used. So a crash loses no number and gives none twice.
 */
import { rename, writeFile } from 'node:fs/promises'
import { readPrivate } from '../keys/files.ts'
import type { SignedLog } from '../keys/signed_log.ts'
import { limits } from '../limits.ts'
import type { Leaf } from './leaf.ts'

interface Saved {
  readonly size: number
  readonly root: string
  readonly atMs: number
  readonly counts: Record<string, number>
}

export class Tally {
  /** Leaves that are counted. */
  size = 0
  readonly #counts = new Map<string, number>()
  #atMs = 0

  /** Counts what the log has. Rejects with `DependencyError` for the disk. */
  static async load(path: string, log: SignedLog): Promise<Tally> {
    // The log may have more than was known here: what a failed write left.
    await log.appendUnsigned([])
    const tally = new Tally()
    tally.#take(readSaved(path, log))
    for await (const entry of log.entries(tally.size)) tally.#count(JSON.parse(entry) as Leaf)
    return tally
  }

  #take(saved: Saved | undefined): void {
    if (saved === undefined) return
    this.size = saved.size
    this.#atMs = saved.atMs
    for (const [pseudonym, count] of Object.entries(saved.counts)) this.#counts.set(pseudonym, count)
  }

  #count({ at, held }: Leaf): void {
    this.size++
    this.#atMs = Math.max(this.#atMs, Date.parse(at))
    const marked = new Set(held.filter(([, , , , mark]) => mark !== undefined).map(([tenant]) => tenant))
    for (const tenant of marked) this.#counts.set(tenant, (this.#counts.get(tenant) ?? 0) + 1)
  }

  /** The time for a leaf that is made at `nowMs`: a clock that was set back does not put it before others. */
  timeMs(nowMs: number): number {
    this.#atMs = Math.max(this.#atMs, nowMs)
    return this.#atMs
  }

  /** The number of a tenant's next leaf; undefined: there are too many tenants to count this one. */
  next(pseudonym: string): number | undefined {
    const known = this.#counts.get(pseudonym)
    if (known === undefined && this.#counts.size >= limits.ledgerTenantsMax) return undefined
    const n = (known ?? 0) + 1
    this.#counts.set(pseudonym, n)
    return n
  }

  /** To be called when the log has just these leaves. */
  async save(path: string, log: SignedLog): Promise<void> {
    const { size } = this
    const saved: Saved = {
      size,
      root: log.root(size).toString('hex'),
      atMs: this.#atMs,
      counts: Object.fromEntries(this.#counts),
    }
    await writeFile(`${path}.new`, JSON.stringify(saved), { mode: 0o600 })
    await rename(`${path}.new`, path)
  }
}

function readSaved(path: string, log: SignedLog): Saved | undefined {
  try {
    const saved = JSON.parse(readPrivate(path) ?? '') as Saved
    const fits = saved.size <= log.size && log.root(saved.size).toString('hex') === saved.root
    return fits && typeof saved.counts === 'object' ? saved : undefined
  } catch {
    return undefined
  }
}
