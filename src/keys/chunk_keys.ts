/**
 * The master keys of files at rest, over time: which one new files get, and how older ones are found.
 *
 *   chunks.key              the first one, in a file that only the owner may read (chunk_cipher.ts): the default
 *   chunk-keys/<id>.json    one key each: later ones, and all that a provider wraps
 *
 * A file each, made whole or not at all, so that several processes never overwrite each other's. A new key is used from
 * a moment that lies ahead (`chunkKeyAdoptMs`), when every worker has looked and knows it. Where a provider is named,
 * keys that lie in the clear are wrapped and the clear ones erased; new files get a new key, since the old one may be
 * in a backup. A key goes when a newer one has long been in use and no file needs it any more.
 */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../contract.ts'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { type ChunkCipher, chunkKeyFile, cipherOf, idBytes, openKeyFile } from './chunk_cipher.ts'
import { eraseFile, makeFolder, readDocument, replaceFile } from './files.ts'
import type { KmsProvider } from './kms.ts'
import { wrapTested } from './wrapping.ts'

interface ChunkKeyDocument {
  readonly format: 'douane-chunk-key/1'
  /** 16 hex digits: what files at rest carry. */
  readonly id: string
  readonly madeMs: number
  /** From when new files get it. */
  readonly fromMs: number
  /** Who wrapped it; absent: it lies in the clear. */
  readonly provider?: string
  /** base64url. */
  readonly key: string
  /** Of a key in the clear: the start of its SHA-256, so that damage shows. */
  readonly check?: string
}

export interface ChunkKeyRules {
  readonly providers: ReadonlyMap<string, KmsProvider>
  /** Who wraps the keys; absent: nobody. */
  readonly provider?: string | undefined
  /** How old the key in use may become; absent: no limit. */
  readonly rotateMs?: number | undefined
}

export interface ChunkKeysOptions {
  /** The keys folder. */
  readonly dir: string
  readonly nowMs: () => number
  readonly log: Log
  /** Of several processes one makes and forgets keys; the others only look. */
  readonly leads: boolean
  /** How long and how often a provider that is away is asked at the start; shorter only in tests. */
  readonly patience?: { readonly ms: number; readonly retryMs: number }
  /** The ids of the keys that files at rest need. */
  readonly inUse?: () => Promise<ReadonlySet<string>>
}

interface Held {
  readonly id: string
  readonly madeMs: number
  readonly fromMs: number
  readonly provider: string | undefined
  readonly cipher: ChunkCipher
}

const contextOf = (id: string): string => `chunk-key ${id}`
const checkOf = (key: Uint8Array): string => createHash('sha256').update(key).digest('hex').slice(0, 16)
const lost =
  'Restore it from a backup. If there is none, what is queued under it cannot be read: move it and the queue folder away.'

export class ChunkKeys implements ChunkCipher {
  readonly #options: ChunkKeysOptions
  #rules: ChunkKeyRules
  readonly #held = new Map<string, Held>()
  #tidiedMs = Number.NEGATIVE_INFINITY
  /** The key file was read: it never changes. */
  #hasKeyFile = false

  private constructor(options: ChunkKeysOptions, rules: ChunkKeyRules) {
    this.#options = options
    this.#rules = rules
  }

  /** Rejects with `KeyError` where a key cannot be had; a provider that is away is waited for. */
  static async open(options: ChunkKeysOptions, rules: ChunkKeyRules): Promise<ChunkKeys> {
    const keys = new ChunkKeys(options, rules)
    const { ms, retryMs } = options.patience ?? { ms: limits.kmsStartMs, retryMs: limits.kmsStartRetryMs }
    const endMs = performance.now() + ms
    for (;;) {
      try {
        await keys.#look()
        return keys
      } catch (error) {
        if (rules.provider === undefined || !(error instanceof KeyError) || performance.now() >= endMs) throw error
        options.log.warn('keys.waiting', { reason: error.message, fix: error.fix ?? '' })
        await sleep(retryMs)
      }
    }
  }

  fresh(): ReturnType<ChunkCipher['fresh']> {
    return this.#newest(this.#options.nowMs()).cipher.fresh()
  }

  find(wrapped: Uint8Array): ReturnType<ChunkCipher['find']> {
    const id = Buffer.from(wrapped.subarray(0, idBytes)).toString('hex')
    const held = this.#held.get(id) ?? this.#newest(this.#options.nowMs())
    return held.cipher.find(wrapped)
  }

  /** Other rules from now on; they are followed at the next look. */
  use(rules: ChunkKeyRules): void {
    this.#rules = rules
  }

  /** Takes in keys that others made, makes one when it is time, forgets what nothing needs. Never rejects. */
  async look(): Promise<void> {
    try {
      await this.#look()
    } catch (error) {
      const told = error instanceof KeyError ? error : new KeyError('the keys of queues cannot be looked after')
      this.#options.log.warn('keys.queue_key', { reason: told.message, fix: told.fix ?? '' })
    }
  }

  /** A new key for new files, in use a little later. Gives its id. */
  async rotate(): Promise<string> {
    return (await this.#make(this.#options.nowMs() + limits.chunkKeyAdoptMs)).id
  }

  #newest(nowMs: number): Held {
    const all = [...this.#held.values()].sort((a, b) => a.fromMs - b.fromMs || (a.id < b.id ? -1 : 1))
    return all.findLast(({ fromMs }) => fromMs <= nowMs) ?? all[0]!
  }

  async #look(): Promise<void> {
    const nowMs = this.#options.nowMs()
    await this.#load()
    const { leads } = this.#options
    const { provider, rotateMs } = this.#rules
    if (this.#held.size === 0) await this.#first(nowMs)
    if (!leads) return
    if (provider !== undefined) await this.#wrapClear()
    const newest = [...this.#held.values()].reduce((a, b) => (b.madeMs > a.madeMs ? b : a))
    const isOld = rotateMs !== undefined && nowMs - newest.madeMs >= rotateMs
    const isElsewhere = provider !== undefined && newest.provider !== provider
    if (isOld || isElsewhere) await this.rotate()
    await this.#forget(nowMs)
  }

  #folder(): string {
    return join(this.#options.dir, 'chunk-keys')
  }

  async #load(): Promise<void> {
    const names = existsSync(this.#folder()) ? readdirSync(this.#folder()) : []
    const ids = names.flatMap((name) => /^([0-9a-f]{16})\.json$/.exec(name)?.[1] ?? [])
    for (const id of ids) if (this.#held.get(id)?.provider === undefined) await this.#take(id)
    if (!this.#hasKeyFile) await this.#takeKeyFile(false)
  }

  async #take(id: string): Promise<void> {
    const path = join(this.#folder(), `${id}.json`)
    const document = readDocument<ChunkKeyDocument>(path, 'douane-chunk-key/1')
    if (document) this.#hold({ ...document, provider: document.provider }, await this.#unwrap(document, path))
  }

  async #unwrap({ id, provider, key, check }: ChunkKeyDocument, path: string): Promise<Buffer> {
    const stored = Buffer.from(key, 'base64url')
    if (provider === undefined) {
      if (stored.length === 32 && checkOf(stored) === check) return stored
      throw new KeyError(`${path} is damaged`, lost)
    }
    const guard = this.#rules.providers.get(provider)
    if (!guard) {
      throw new KeyError(
        `a key of the queues is guarded by the provider ${provider}, which is not configured`,
        `Name it under service.keys.providers; for a verb, give the configuration with --config.`,
      )
    }
    return guard.unwrap(stored, contextOf(id))
  }

  #hold({ id, madeMs, fromMs, provider }: Omit<Held, 'cipher'>, key: Buffer): Held {
    const held = { id, madeMs, fromMs, provider, cipher: cipherOf(Buffer.from(id, 'hex'), key) }
    this.#held.set(id, held)
    return held
  }

  /** The key file of the default; `make`: also where there is none. */
  async #takeKeyFile(make: boolean): Promise<void> {
    const found = await openKeyFile(this.#options.dir, make)
    this.#hasKeyFile = found !== undefined
    if (found && !this.#held.has(found.id.toString('hex'))) {
      this.#hold({ id: found.id.toString('hex'), madeMs: found.madeMs, fromMs: 0, provider: undefined }, found.key)
    }
  }

  /** A data directory without keys. */
  async #first(nowMs: number): Promise<void> {
    if (this.#rules.provider === undefined) await this.#takeKeyFile(true)
    else await this.#make(nowMs)
  }

  async #make(fromMs: number): Promise<Held> {
    const id = randomBytes(idBytes).toString('hex')
    const madeMs = this.#options.nowMs()
    const key = randomBytes(32)
    const held = { id, madeMs, fromMs, provider: this.#rules.provider }
    await this.#write(held, key)
    this.#options.log.info('keys.queue_key_made', { id, provider: held.provider ?? 'none' })
    return this.#hold(held, key)
  }

  async #write({ id, madeMs, fromMs, provider }: Omit<Held, 'cipher'>, key: Buffer): Promise<void> {
    makeFolder(this.#folder())
    const open = { format: 'douane-chunk-key/1' as const, id, madeMs, fromMs }
    const guard = provider === undefined ? undefined : this.#rules.providers.get(provider)
    const wrapped = guard && (await wrapTested(guard, key, contextOf(id))).wrapped
    const document: ChunkKeyDocument = wrapped
      ? { ...open, provider: guard!.name, key: Buffer.from(wrapped).toString('base64url') }
      : { ...open, key: key.toString('base64url'), check: checkOf(key) }
    replaceFile(join(this.#folder(), `${id}.json`), `${JSON.stringify(document)}\n`)
  }

  /**
   * What lies in the clear is wrapped, and the clear text erased. Files that were begun with it are found as before; new
   * ones get a new key as soon as every worker knows it. A crash in between is made good by the next look.
   */
  async #wrapClear(): Promise<void> {
    const { dir, log } = this.#options
    const file = chunkKeyFile(dir)
    const clear = [...this.#held.values()].filter(({ provider }) => provider === undefined)
    for (const held of clear) {
      const path = join(this.#folder(), `${held.id}.json`)
      const key = existsSync(path) ? await this.#keyAt(path) : (await openKeyFile(dir, false))?.key
      if (key === undefined) continue
      const wrapped = { ...held, provider: this.#rules.provider }
      await this.#write(wrapped, key)
      this.#hold(wrapped, key)
      log.info('keys.queue_key_wrapped', { id: held.id, provider: wrapped.provider ?? '' })
    }
    if (clear.length > 0) await this.rotate()
    if (existsSync(file)) eraseFile(file)
  }

  async #keyAt(path: string): Promise<Buffer | undefined> {
    const document = readDocument<ChunkKeyDocument>(path, 'douane-chunk-key/1')
    return document && this.#unwrap(document, path)
  }

  async #forget(nowMs: number): Promise<void> {
    const { inUse, log } = this.#options
    if (this.#held.size < 2 || inUse === undefined || nowMs - this.#tidiedMs < limits.chunkKeyTidyMs) return
    this.#tidiedMs = nowMs
    const newest = this.#newest(nowMs)
    if (nowMs - newest.fromMs < limits.chunkKeyKeptMs) return
    const needed = await inUse()
    for (const { id, fromMs } of [...this.#held.values()]) {
      if (id === newest.id || fromMs >= newest.fromMs || needed.has(id)) continue
      const path = join(this.#folder(), `${id}.json`)
      if (!existsSync(path)) continue
      eraseFile(path)
      this.#held.delete(id)
      log.info('keys.queue_key_forgotten', { id })
    }
  }
}
