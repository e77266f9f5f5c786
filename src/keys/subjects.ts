/**
 * The gateway's side of subject keys: a secret for each person of a tenant, so that one person's content can be made
 * unreadable everywhere by destroying 32 bytes (the decrypt side does that: erasure.ts).
 *
 * `of` gives a person's handle; new rows are collected and `flush` makes them durable, once a request, before anything
 * that was sealed with them leaves. Secrets are kept ready for at most `subjectsCachedMax` people and ten minutes.
 * Tombstones are looked at each second: an erased person's secret leaves the cache, and its row is overwritten if it
 * was made meanwhile. Failures are `KeyError`: then nothing is sealed, and nothing leaves.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Log } from '../contract.ts'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Subject, SubjectState } from '../otlp/subject.ts'
import { checkPlaced, fileError, makeFolder, type Placed, placed, undoAppend } from './files.ts'
import { SodiumHeap } from './sodium_heap.ts'
import {
  lookupBytes,
  openRow,
  RowIndex,
  randomPerRow,
  readRow,
  readRows,
  rowBytes,
  rowCount,
  rowLookup,
  rowRef,
  rowState,
  rowsPath,
  rowTag,
  sealRow,
  subjectRoot,
  type TenantKeys,
  tenantKeys,
} from './subject_rows.ts'
import type { SealingKey } from './token_format.ts'
import { Tombstones, wipeErased } from './tombstones.ts'

/** A person as the sealer knows him. */
export class KnownSubject implements Subject {
  readonly state: SubjectState
  readonly ref: string
  readonly refBytes: Buffer
  /** Empty once it fell out of the cache. */
  secret: Buffer
  /** Keys that were derived with it, with their epochs: gone with the secret. */
  readonly derived: { readonly epoch: object; readonly key: SealingKey }[] = []
  readonly keys: TenantKeys
  readonly row: number
  readonly untilMs: number

  constructor(state: SubjectState, keys: TenantKeys, ref: Buffer, secret: Buffer, row: number, untilMs: number) {
    this.state = state
    this.keys = keys
    this.refBytes = ref
    this.ref = ref.toString('base64url')
    this.secret = secret
    this.row = row
    this.untilMs = untilMs
  }

  forget(): void {
    for (const { key } of this.derived) key.wipe()
    this.derived.length = 0
    this.secret.fill(0)
    this.secret = nothing
  }
}

const nothing = Buffer.alloc(0)

/** A person whose keys cannot be had now. Whoever seals for him throws the error. */
export class FailedSubject implements Subject {
  readonly state = 'failed'
  readonly ref = ''
  readonly error: KeyError

  constructor(error: KeyError) {
    this.error = error
  }
}

export interface SubjectOptions {
  readonly dir: string
  readonly worker: string
  readonly nowMs: () => number
  readonly random: (buffer: Buffer) => void
  readonly log: Log
  /** New people a tenant may have, and all tenants together. */
  readonly perTenantMax?: number
  readonly max?: number
}

interface Tenant {
  readonly keys: TenantKeys
  people: number
}

export class SubjectKeys {
  readonly #options: Required<SubjectOptions>
  readonly #heap = new SodiumHeap()
  readonly #path: string
  readonly #root: Buffer
  readonly #tombstones: Tombstones
  readonly #index = new RowIndex()
  readonly #cache = new Map<string, KnownSubject>()
  /** The names in the cache in the order in which they came, around; some have left it since. */
  readonly #order: string[] = []
  #next = 0
  readonly #tenants = new Map<string, Tenant>()
  /** Rows of each tenant, by its tag: from the file, for tenants that were not met yet. */
  readonly #counts = new Map<string, number>()
  readonly #pool = Buffer.alloc(randomPerRow * limits.subjectRowsPooled)
  #poolAt = this.#pool.length
  /** Rows that are not in the file yet; they come after `#rows` of it. */
  readonly #pending = Buffer.alloc(limits.subjectRowsPending * rowBytes)
  #waiting = 0
  readonly #file: number
  readonly #place: Placed
  #rows = 0
  #lookedMs = Number.NEGATIVE_INFINITY
  #mustWipe = false
  #closed = false

  /** Makes what is missing. Throws `KeyError`. Call after `sodiumReady`. */
  constructor(options: SubjectOptions) {
    const { perTenantMax = limits.subjectsPerTenantMax, max = limits.subjectsMax } = options
    this.#options = { ...options, perTenantMax, max }
    this.#root = subjectRoot(options.dir, true)!
    this.#path = rowsPath(options.dir, options.worker)
    this.#tombstones = new Tombstones(options.dir)
    makeFolder(dirname(this.#path))
    this.#file = this.#open()
    this.#place = placed(this.#path)
    this.#look(options.nowMs())
  }

  /** Reads the whole file once. A cut last row was never used: it is removed. */
  #open(): number {
    let damaged = 0
    for (const { index, bytes } of readRows(this.#path, () => damaged++)) {
      this.#index.add(rowLookup(bytes), index)
      const tag = rowTag(bytes)
      this.#counts.set(tag, (this.#counts.get(tag) ?? 0) + 1)
    }
    if (damaged > 0) this.#options.log.error('keys.subject_rows_damaged', { rows: damaged })
    try {
      const file = openSync(this.#path, 'a+', 0o600)
      this.#rows = rowCount(file)
      undoAppend(file, this.#rows * rowBytes)
      return file
    } catch (error) {
      throw fileError('open', this.#path, error)
    }
  }

  /** A person's handle, to be given to the sealer within the same request. Makes a secret for who is new. */
  of(tenant: string, id: string): Subject {
    try {
      return this.#of(tenant, id)
    } catch (error) {
      if (!(error instanceof KeyError)) throw error
      return new FailedSubject(error)
    }
  }

  #of(tenant: string, id: string): KnownSubject {
    const nowMs = this.#options.nowMs()
    this.#look(nowMs)
    const name = `${tenant.length}:${tenant}${id}`
    const cached = this.#cache.get(name)
    if (cached !== undefined) {
      if (nowMs < cached.untilMs && nowMs >= cached.untilMs - limits.subjectCachedMsMax) return cached
      this.#drop(name, cached)
    }
    const found = this.#find(tenant, id, nowMs)
    this.#keep(name, found)
    return found
  }

  /** In the place of who came in longest ago. (The first key of a Map is slow to find once many were deleted.) */
  #keep(name: string, subject: KnownSubject): void {
    const oldest = this.#order[this.#next]
    const leaving = oldest === undefined ? undefined : this.#cache.get(oldest)
    if (leaving !== undefined) this.#drop(oldest!, leaving)
    this.#order[this.#next] = name
    this.#next = (this.#next + 1) % limits.subjectsCachedMax
    this.#cache.set(name, subject)
  }

  #find(tenant: string, id: string, nowMs: number): KnownSubject {
    const home = this.#tenant(tenant)
    const { keys } = home
    const lookup = this.#heap.expandText(keys.lookup, id).subarray(0, lookupBytes)
    const untilMs = nowMs + limits.subjectCachedMsMax
    if (this.#tombstones.has(lookup)) return new KnownSubject('erased', keys, nothing, nothing, -1, untilMs)
    // Of several rows the first that is live: others were erased before the person was readmitted.
    const row = this.#index.find(lookup, (index) => {
      const bytes = this.#row(index)
      return bytes !== undefined && rowLookup(bytes).equals(lookup) && rowState(bytes) === 'live'
    })
    if (row >= 0) {
      const bytes = this.#row(row)!
      return new KnownSubject('live', keys, rowRef(bytes), openRow(this.#heap, keys, bytes), row, untilMs)
    }
    const { perTenantMax, max } = this.#options
    if (home.people >= perTenantMax || this.#rows + this.#waiting >= max) {
      return new KnownSubject('over_quota', keys, nothing, nothing, -1, untilMs)
    }
    home.people++
    return this.#make(keys, lookup, nowMs, untilMs)
  }

  #make(keys: TenantKeys, lookup: Buffer, nowMs: number, untilMs: number): KnownSubject {
    if (this.#waiting >= limits.subjectRowsPending) this.flush()
    if (this.#poolAt === this.#pool.length) {
      this.#options.random(this.#pool)
      this.#poolAt = 0
    }
    const random = this.#pool.subarray(this.#poolAt, this.#poolAt + randomPerRow)
    this.#poolAt += randomPerRow
    const row = this.#rows + this.#waiting
    const bytes = this.#row(row)!
    sealRow(this.#heap, keys, lookup, random, nowMs, bytes)
    const secret = Buffer.from(random.subarray(randomPerRow - 32))
    random.fill(0)
    this.#waiting++
    this.#index.add(lookup, row)
    return new KnownSubject('live', keys, Buffer.from(rowRef(bytes)), secret, row, untilMs)
  }

  #row(index: number): Buffer | undefined {
    if (index < this.#rows) return readRow(this.#file, index)
    const from = (index - this.#rows) * rowBytes
    return this.#pending.subarray(from, from + rowBytes)
  }

  #tenant(name: string): Tenant {
    let tenant = this.#tenants.get(name)
    if (tenant === undefined) {
      const keys = tenantKeys(this.#root, name)
      tenant = { keys, people: this.#counts.get(keys.tag.toString('latin1')) ?? 0 }
      if (this.#tenants.size >= limits.subjectTenantsMax) this.#forgetTenant()
      this.#tenants.set(name, tenant)
    }
    return tenant
  }

  #forgetTenant(): void {
    const [name, { keys, people }] = this.#tenants.entries().next().value!
    this.#counts.set(keys.tag.toString('latin1'), people)
    this.#tenants.delete(name)
  }

  /** The secret of a handle, which is durable when this returns. Throws `KeyError`. */
  secretOf(subject: KnownSubject): Buffer {
    if (subject.row >= this.#rows) this.flush()
    if (subject.secret.length > 0) return subject.secret
    const bytes = readRow(this.#file, subject.row)
    if (!bytes || rowState(bytes) !== 'live' || !rowRef(bytes).equals(subject.refBytes)) {
      throw new KeyError('a person was erased while his record was under way', 'Nothing: the sender tries again.')
    }
    return openRow(this.#heap, subject.keys, bytes)
  }

  /** Puts new rows on disk, in the file that stands under its name. Throws `KeyError`; the rows then wait. */
  flush(): void {
    if (this.#waiting === 0) return
    checkPlaced(this.#place)
    const end = this.#waiting * rowBytes
    try {
      for (let from = 0; from < end; ) from += writeSync(this.#file, this.#pending, from, end - from)
      fdatasyncSync(this.#file)
    } catch (error) {
      undoAppend(this.#file, this.#rows * rowBytes)
      throw fileError('write', this.#path, error)
    }
    this.#rows += this.#waiting
    this.#waiting = 0
  }

  /** Each second: was somebody erased? Is the file still there? */
  #look(nowMs: number): void {
    if (nowMs < this.#lookedMs + limits.keyStoreLookMs && nowMs >= this.#lookedMs) return
    checkPlaced(this.#place)
    if (this.#tombstones.refresh()) {
      for (const [name, subject] of this.#cache) this.#drop(name, subject)
      this.#mustWipe = true
    }
    if (this.#mustWipe) this.#wipeErased()
    this.#lookedMs = nowMs
  }

  /** Rows that were made or came back after their person was erased. */
  #wipeErased(): void {
    this.flush()
    const rows = wipeErased(this.#path, this.#tombstones.erased)
    if (rows > 0) this.#options.log.warn('keys.erased_again', { rows })
    this.#mustWipe = false
  }

  #drop(name: string, subject: KnownSubject): void {
    this.#cache.delete(name)
    subject.forget()
  }

  /** How many secrets are held ready. */
  get cached(): number {
    return this.#cache.size
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const [name, subject] of this.#cache) this.#drop(name, subject)
    this.#pool.fill(0)
    this.#root.fill(0)
    for (const { keys } of this.#tenants.values()) keys.wrap.fill(0)
    this.#heap.wipe()
    closeSync(this.#file)
  }
}
