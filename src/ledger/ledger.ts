/**
 * The ledger: a leaf for every batch that a destination took, in a Merkle log with signed checkpoints.
 *
 *   ledger/log, log.pem   the log (src/keys/signed_log.ts) and the key that signs it
 *   ledger/names.key      the secret behind tenants' pseudonyms
 *   ledger/tally          how many leaves each tenant has (tally.ts)
 *
 * A batch leaves its queue only after its leaf is on disk: after a crash in between it is sent again, under the same id,
 * and gets a leaf then. So there may be two leaves for one batch id, and never none.
 * Leaves that come while one write is under way go together with the next. Large bodies are hashed in another thread.
 * Checkpoints are signed on a timer and at the end, not with each write.
 */
import { createHash, randomBytes, webcrypto } from 'node:crypto'
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { createFile, readPrivate } from '../keys/files.ts'
import type { Signer } from '../keys/signature.ts'
import { SignedLog } from '../keys/signed_log.ts'
import { limits } from '../limits.ts'
import type { Delivered } from '../pipeline/parcel.ts'
import { type Alias, type HashedBatch, leavesOf, markOf, type Place, pseudonymOf, saltOf } from './leaf.ts'
import { Tally } from './tally.ts'

interface Waiting {
  readonly batch: HashedBatch
  readonly place: Place
  readonly atMs: number
  resolve(): void
  reject(error: unknown): void
}

export class Ledger {
  readonly #log: SignedLog
  readonly #secret: Buffer
  readonly #aliases = new Map<string, Alias>()
  readonly #tallyPath: string
  /** Undefined: to be counted before the next leaf. */
  #tally: Tally | undefined
  #savedSize = 0
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #signedSize = 0

  private constructor(log: SignedLog, secret: Buffer, tallyPath: string) {
    this.#log = log
    this.#secret = secret
    this.#tallyPath = tallyPath
  }

  /** Rejects with `DependencyError` for the disk, `KeyError` where a key of an older ledger is missing. */
  static async open(folder: string): Promise<Ledger> {
    const log = await SignedLog.open({ folder, name: 'log', origin: 'ledger' })
    try {
      const names = join(folder, 'names.key')
      if (log.size === 0) createFile(names, randomBytes(32).toString('hex'))
      const secret = readPrivate(names)
      if (secret === undefined) throw new KeyError(`${names} is missing`, 'Restore it from a backup.')
      return new Ledger(log, Buffer.from(secret, 'hex'), join(folder, 'tally'))
    } catch (error) {
      await log.close()
      throw error
    }
  }

  get size(): number {
    return this.#log.size
  }

  /** What checkpoints call this ledger, and the key that they are signed with. */
  get identity(): { readonly origin: string } & Signer {
    return this.#log.identity
  }

  salt(tenant: string): string {
    return saltOf(this.#secret, tenant)
  }

  /** Resolves when the batch's leaf is on disk. The body is read until then. */
  async add(batch: Delivered, place: Place, atMs: number): Promise<void> {
    await this.addHashed(await hashed(batch), place, atMs)
  }

  async addHashed(batch: HashedBatch, place: Place, atMs: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ batch, place, atMs, resolve, reject })
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined
      })
    })
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0)
      try {
        this.#tally ??= await Tally.load(this.#tallyPath, this.#log)
        const tally = this.#tally
        const leaves = group.flatMap((waiting) => this.#leaves(tally, waiting))
        await this.#log.appendUnsigned(leaves)
        tally.size += leaves.length
        for (const { resolve } of group) resolve()
      } catch (error) {
        // Whether its leaves are there or not, only the log can say.
        this.#tally = undefined
        for (const { reject } of group) reject(error)
      }
    }
  }

  #leaves(tally: Tally, { batch, place, atMs }: Waiting): Buffer[] {
    const mark = ({ salt, pseudonym }: Alias): string | undefined => {
      const n = tally.next(pseudonym)
      return n === undefined ? undefined : markOf(salt, n)
    }
    return leavesOf(batch, place, tally.timeMs(atMs), (tenant) => this.#alias(tenant), mark)
  }

  async #saveTally(): Promise<void> {
    const tally = this.#tally
    if (this.#writing !== undefined || tally === undefined || tally.size !== this.#log.size) return
    this.#savedSize = tally.size
    await tally.save(this.#tallyPath, this.#log)
  }

  /** Signs what is there; gives the checkpoint. */
  async checkpoint(): Promise<string> {
    const size = this.#log.size
    const note = await this.#log.sign()
    this.#signedSize = size
    return note
  }

  /** Signs, if anything came since the last time. */
  async checkpointIfGrown(): Promise<void> {
    if (this.#log.size > this.#signedSize) await this.checkpoint()
    if (this.#log.size >= this.#savedSize + limits.ledgerTallyLeaves) await this.#saveTally()
  }

  /** Leaves as they are on disk, oldest first. */
  entries(): AsyncGenerator<string> {
    return this.#log.entries()
  }

  inclusionProof(index: number, size: number): Buffer[] {
    return this.#log.inclusionProof(index, size)
  }

  /** Signs a last time and ends. */
  async close(): Promise<void> {
    try {
      await this.#writing
      await this.checkpointIfGrown()
      await this.#saveTally()
    } finally {
      await this.#log.close()
    }
  }

  #alias(tenant: string): Alias {
    let known = this.#aliases.get(tenant)
    if (known === undefined) {
      const salt = this.salt(tenant)
      known = { salt, pseudonym: pseudonymOf(salt, tenant) }
      if (this.#aliases.size >= limits.accountTenantsMax) this.#aliases.clear()
      this.#aliases.set(tenant, known)
    }
    return known
  }
}

/** What a leaf says of a batch, without its body. */
export async function hashed({ body, ...batch }: Delivered): Promise<HashedBatch> {
  return { ...batch, bytes: body.length, sha256: await hashOf(body) }
}

async function hashOf(body: Uint8Array): Promise<string> {
  if (body.length < limits.ledgerHashApartBytesMin) return createHash('sha256').update(body).digest('hex')
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', body as Uint8Array<ArrayBuffer>)).toString('hex')
}
