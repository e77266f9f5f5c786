/**
 * An append-only log on disk with a Merkle tree over it: removing, changing or moving an entry changes the root.
 *
 *   entries/<n>   65,536 entries each: length (2 bytes, big-endian), bytes
 *   hashes        32 bytes each, in the order they become final: a leaf, then every subtree that it completes
 *   lock          the process that is appending
 *
 * An entry is durable when `append` resolves. After a crash a cut entry is dropped (nobody was told that it is there),
 * and hashes are made again from the entries. Several processes may append: each append takes the lock and looks at
 * what the others wrote. Failures of the disk are `DependencyError`.
 */
import { randomBytes } from 'node:crypto'
import { readSync } from 'node:fs'
import { type FileHandle, link, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DependencyError } from '../errors.ts'
import { makeFolders } from '../folders.ts'
import { limits } from '../limits.ts'
import { consistencyProof, hashBytes, inclusionProof, leafHash, nodeHash, type ReadHash, rootOf } from './proof.ts'

const segmentEntries = 65_536

/** Where in `hashes` the hash of a complete subtree stands (counted in hashes). */
function hashPosition(level: number, index: number): number {
  let leaf = index
  for (let l = 0; l < level; l++) leaf = leaf * 2 + 1
  let before = 0
  for (let n = leaf; n > 0; n = Math.floor(n / 2)) before += n
  return before + level
}

/** How many hashes a tree of `size` leaves has. */
function hashCount(size: number): number {
  let count = 0
  for (let n = size; n > 0; n = Math.floor(n / 2)) count += n
  return count
}

const segmentName = (n: number): string => String(n).padStart(6, '0')

export class MerkleLog {
  readonly #folder: string
  readonly #hashes: FileHandle
  #size = 0
  /** Bytes of the last segment. */
  #tailBytes = 0

  private constructor(folder: string, hashes: FileHandle) {
    this.#folder = folder
    this.#hashes = hashes
  }

  static async open(folder: string): Promise<MerkleLog> {
    try {
      makeFolders(join(folder, 'entries'))
      const hashes = await open(join(folder, 'hashes'), 'a+', 0o600)
      const log = new MerkleLog(folder, hashes)
      await log.#locked(() => log.#refresh())
      return log
    } catch (error) {
      throw fault('open', folder, error)
    }
  }

  get size(): number {
    return this.#size
  }

  root(size = this.#size): Buffer {
    return rootOf(this.#within(size), this.#read)
  }

  inclusionProof(index: number, size = this.#size): Buffer[] {
    return inclusionProof(index, this.#within(size), this.#read)
  }

  consistencyProof(oldSize: number, newSize = this.#size): Buffer[] {
    return consistencyProof(oldSize, this.#within(newSize), this.#read)
  }

  #within(size: number): number {
    if (size > this.#size) throw new RangeError(`the log has ${this.#size} entries, not ${size}`)
    return size
  }

  readonly #read: ReadHash = (level, index) => {
    const hash = Buffer.alloc(hashBytes)
    const got = readSync(this.#hashes.fd, hash, 0, hashBytes, hashPosition(level, index) * hashBytes)
    if (got !== hashBytes) throw new DependencyError(`${this.#folder}: the file of hashes is too short`)
    return hash
  }

  /**
   * Appends entries in order; `seal` is called under the same lock with the new size and root, so that checkpoints
   * follow each other. Resolves when everything is on disk.
   */
  async append(
    entries: readonly Uint8Array[],
    seal?: (size: number, root: Buffer) => void | Promise<void>,
  ): Promise<void> {
    for (const entry of entries) {
      if (entry.length > limits.merkleEntryBytesMax)
        throw new RangeError(`an entry of ${entry.length} bytes is too long`)
    }
    try {
      await this.#locked(async () => {
        await this.#refresh()
        for (let at = 0; at < entries.length; ) {
          const room = segmentEntries - (this.#size % segmentEntries)
          await this.#appendToSegment(entries.slice(at, at + room))
          at += room
        }
        await seal?.(this.#size, this.root())
      })
    } catch (error) {
      throw fault('append to', this.#folder, error)
    }
  }

  async #appendToSegment(entries: readonly Uint8Array[]): Promise<void> {
    if (this.#size % segmentEntries === 0) this.#tailBytes = 0
    const framed = entries.flatMap((entry) => [Buffer.from([entry.length >> 8, entry.length & 255]), entry])
    const bytes = Buffer.concat(framed)
    const path = this.#segmentPath(Math.floor(this.#size / segmentEntries))
    const file = await open(path, 'a', 0o600)
    try {
      await file.appendFile(bytes)
      await file.datasync()
    } finally {
      await file.close()
    }
    await this.#appendHashes(this.#size, entries)
    this.#size += entries.length
    this.#tailBytes += bytes.length
  }

  #segmentPath(n: number): string {
    return join(this.#folder, 'entries', segmentName(n))
  }

  /** Hashes need no fsync: they are made again from the entries. */
  async #appendHashes(from: number, entries: readonly Uint8Array[]): Promise<void> {
    const fresh: Buffer[] = []
    const first = hashCount(from)
    const read: ReadHash = (level, index) => {
      const position = hashPosition(level, index)
      return position < first ? this.#read(level, index) : fresh[position - first]!
    }
    for (const [offset, entry] of entries.entries()) {
      let [hash, index] = [leafHash(entry), from + offset]
      fresh.push(hash)
      for (let level = 0; index % 2 === 1; level++) {
        hash = nodeHash(read(level, index - 1), hash)
        index = (index - 1) / 2
        fresh.push(hash)
      }
    }
    await this.#hashes.appendFile(Buffer.concat(fresh))
  }

  /** Takes in what is on disk: after a start, and what other processes wrote. */
  async #refresh(): Promise<void> {
    const segments = (await readdir(join(this.#folder, 'entries'))).filter((name) => /^\d{6}$/.test(name)).sort()
    const last = Math.max(0, segments.length - 1)
    if (segments.some((name, n) => name !== segmentName(n))) throw new Error('a file of entries is missing')
    const size = last * segmentEntries
    const path = this.#segmentPath(last)
    const isKnown = this.#size > 0 && Math.floor((this.#size - 1) / segmentEntries) === last
    if (isKnown && (await stat(path)).size === this.#tailBytes) return
    const bytes = segments.length > 0 ? await readFile(path) : Buffer.alloc(0)
    const { entries, end } = parseEntries(bytes)
    if (end !== bytes.length) await truncate(path, end)
    this.#size = size + entries.length
    this.#tailBytes = end
    await this.#repairHashes(size, entries)
  }

  async #repairHashes(from: number, entries: readonly Buffer[]): Promise<void> {
    const stored = (await this.#hashes.stat()).size
    const expected = hashCount(this.#size) * hashBytes
    if (stored === expected) return
    if (stored < hashCount(from) * hashBytes) throw new Error('the file of hashes is too short')
    let kept = from
    while (kept < this.#size && hashCount(kept + 1) * hashBytes <= stored) kept++
    await this.#hashes.truncate(hashCount(kept) * hashBytes)
    await this.#appendHashes(kept, entries.slice(kept - from))
  }

  /** Every entry from number `from` on, oldest first. */
  async *entries(from = 0): AsyncGenerator<Buffer> {
    for (let n = Math.floor(from / segmentEntries); n * segmentEntries < this.#size; n++) {
      const { entries } = parseEntries(await readFile(this.#segmentPath(n)))
      yield* entries.slice(Math.max(0, from - n * segmentEntries), this.#size - n * segmentEntries)
    }
  }

  /** One writer at a time: a file that names the process. A lock whose process is gone is taken over. */
  async #locked<Result>(work: () => Promise<Result>): Promise<Result> {
    const path = join(this.#folder, 'lock')
    const own = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
    await writeFile(own, String(process.pid), { flag: 'wx', mode: 0o600 })
    try {
      for (let waitedMs = 0; !(await linked(own, path)); waitedMs += 5) {
        if (waitedMs >= limits.merkleLockWaitMsMax) throw new Error('another process holds the log')
        if (await isStale(path)) await rm(path, { force: true })
        else await sleep(5)
      }
      try {
        return await work()
      } finally {
        await rm(path, { force: true })
      }
    } finally {
      await rm(own, { force: true })
    }
  }

  async close(): Promise<void> {
    await this.#hashes.close()
  }
}

/** A link appears whole or not at all, unlike a file that is created and then written. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function isStale(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '')
  if (!/^\d+$/.test(text)) return false
  try {
    process.kill(Number(text), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

function parseEntries(bytes: Buffer): { entries: Buffer[]; end: number } {
  const entries: Buffer[] = []
  let at = 0
  while (at + 2 <= bytes.length) {
    const end = at + 2 + bytes.readUInt16BE(at)
    if (end > bytes.length) break
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  return { entries, end: at }
}

function fault(doing: string, folder: string, error: unknown): Error {
  if (error instanceof DependencyError || error instanceof RangeError) return error
  const { code, message } = error as NodeJS.ErrnoException
  return new DependencyError(`cannot ${doing} the log in ${folder}: ${code ?? message}`)
}
