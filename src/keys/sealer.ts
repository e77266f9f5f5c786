/**
 * The gateway's side of field encryption: seals content, cannot open what it sealed an hour ago.
 *
 * Each (tenant, region, purpose, retention) has an epoch key: 32 random bytes in memory, for at most an hour or 2^31
 * values. Before its first token is handed out it is sealed (HPKE) to the recipient key of the period and that record
 * is on disk. Then a token costs one AEAD call: about 1 µs for a short value.
 *
 * Failure never yields plaintext: every way to fail throws `KeyError`, and the caller sends nothing. After a failure
 * the same context fails at once for `keyRetryMs`, so that a full disk is not asked a thousand times a second.
 *
 * Nonces are 96 random bits. A process that was copied (a restored virtual machine) would repeat them; it shows by the
 * wall clock running away from the monotonic one, and then all epochs and unused nonces are thrown away.
 */
import { randomBytes, randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import type { Log, SealContext, Sealer } from '../contract.ts'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { commitment, type FieldKeys, fieldKeys, kidBytes, placeAad } from './derive.ts'
import { type EpochRecord, EpochWriter, sealEpoch } from './epochs.ts'
import { createFile, makeFolder, readPrivate } from './files.ts'
import { openLocalKms } from './kms.ts'
import { LocalRecipients, RecipientFolder, type RecipientSource } from './recipients.ts'
import { openSigner } from './signature.ts'
import { type BoundField, boundField, sodiumReady, TokenWriter } from './token.ts'

/** What the sealer needs from outside. `openSealer` fills it for a gateway, `rehearsalSealer` for dry runs. */
interface SealerParts {
  readonly nowMs: () => number
  readonly monotonicMs: () => number
  readonly random: (buffer: Buffer) => void
  readonly recipients: RecipientSource
  /** Makes a record durable or throws. */
  readonly keep: (record: EpochRecord) => void
  readonly worker: string
  readonly log: Log
  readonly gcmOnly: boolean
}

interface Epoch extends FieldKeys {
  readonly context: SealContext
  readonly kid: Buffer
  readonly madeMs: number
  readonly endsMs: number
  readonly fields: Map<string, BoundField>
  messages: number
}

const sameContext = (a: SealContext, b: SealContext): boolean =>
  a.tenant === b.tenant && a.region === b.region && a.purpose === b.purpose && a.retention === b.retention

class EpochSealer implements Sealer {
  readonly #parts: SealerParts
  readonly #writer: TokenWriter
  /** By the four names of a context, joined unambiguously. */
  readonly #epochs = new Map<string, Epoch>()
  /** The same by the caller's context object, which is compared on every use: callers may reuse objects. */
  #recent = new WeakMap<SealContext, Epoch>()
  readonly #failures = new Map<string, { untilMs: number; error: KeyError }>()
  #clockMs: number
  #checkedMs = 0
  #closed = false

  constructor(parts: SealerParts) {
    this.#parts = parts
    this.#writer = new TokenWriter({ random: parts.random, gcmOnly: parts.gcmOnly })
    this.#clockMs = parts.nowMs() - parts.monotonicMs()
  }

  seal(value: Uint8Array, context: SealContext, field: string): string {
    if (this.#closed) throw new KeyError('the keys are closed: the gateway is stopping')
    if (value.length > limits.sealValueBytesMax)
      throw new KeyError(`a value of ${value.length} bytes is too long to seal`)
    const nowMs = this.#parts.nowMs()
    const epoch = this.#epochOf(context, nowMs)
    epoch.messages++
    return this.#writer.seal(epoch, epoch.fields.get(field) ?? this.#bind(epoch, field), value)
  }

  #bind(epoch: Epoch, field: string): BoundField {
    const { tenant, region, purpose } = epoch.context
    const bound = boundField(placeAad({ tenant, region, purpose, field }))
    if (epoch.fields.size < limits.epochFieldsMax) epoch.fields.set(field, bound)
    return bound
  }

  #isLive(epoch: Epoch, nowMs: number): boolean {
    return nowMs < epoch.endsMs && nowMs >= epoch.madeMs && epoch.messages < limits.epochMessagesMax
  }

  #epochOf(context: SealContext, nowMs: number): Epoch {
    this.#checkClock(nowMs)
    const recent = this.#recent.get(context)
    if (recent && sameContext(recent.context, context) && this.#isLive(recent, nowMs)) return recent
    const { tenant, region, purpose, retention } = context
    const slot = JSON.stringify([tenant, region, purpose, retention])
    let epoch = this.#epochs.get(slot)
    if (!epoch || !this.#isLive(epoch, nowMs)) {
      if (epoch) this.#retire(slot, epoch)
      epoch = this.#begin(slot, { tenant, region, purpose, retention }, nowMs)
    }
    this.#recent.set(context, epoch)
    return epoch
  }

  #checkClock(nowMs: number): void {
    if (nowMs === this.#checkedMs) return
    this.#checkedMs = nowMs
    const clockMs = nowMs - this.#parts.monotonicMs()
    if (Math.abs(clockMs - this.#clockMs) <= limits.clockJumpMsMax) return
    this.#parts.log.warn('keys.clock_jump', { jump_ms: Math.round(clockMs - this.#clockMs), epochs: this.#epochs.size })
    this.#clockMs = clockMs
    this.#retireAll()
    this.#writer.discardNonces()
  }

  #begin(slot: string, context: SealContext, nowMs: number): Epoch {
    const failure = this.#failures.get(slot)
    if (failure && nowMs < failure.untilMs && nowMs > failure.untilMs - 2 * limits.keyRetryMs) throw failure.error
    const key = Buffer.alloc(32)
    try {
      this.#parts.random(key)
      const { tenant, region, purpose, retention } = context
      const recipient = this.#parts.recipients.current(tenant, region, retention, nowMs)
      const worker = this.#parts.worker
      this.#parts.keep(sealEpoch(key, recipient, { tenant, region, purpose, retention, worker, madeMs: nowMs }))
      this.#failures.delete(slot)
      return this.#adopt(slot, context, key, nowMs, Math.min(recipient.endsMs, nowMs + limits.epochAgeMsMax))
    } catch (error) {
      throw this.#fail(slot, error, nowMs)
    } finally {
      key.fill(0)
    }
  }

  #adopt(slot: string, context: SealContext, key: Buffer, madeMs: number, endsMs: number): Epoch {
    const kid = commitment(key).subarray(0, kidBytes)
    const epoch: Epoch = {
      ...fieldKeys(key, context.purpose),
      kid,
      context,
      madeMs,
      endsMs,
      fields: new Map(),
      messages: 0,
    }
    if (this.#epochs.size >= limits.epochsMax) {
      const [oldestSlot, oldest] = this.#epochs.entries().next().value!
      this.#retire(oldestSlot, oldest)
    }
    this.#epochs.set(slot, epoch)
    return epoch
  }

  #fail(slot: string, error: unknown, nowMs: number): KeyError {
    const told = error instanceof KeyError ? error : new KeyError('a key could not be made')
    if (this.#failures.size >= limits.epochsMax) this.#failures.clear()
    this.#failures.set(slot, { untilMs: nowMs + limits.keyRetryMs, error: told })
    this.#parts.log.error('keys.unavailable', { reason: told.message, fix: told.fix ?? '' })
    return told
  }

  #retire(slot: string, epoch: Epoch): void {
    this.#epochs.delete(slot)
    epoch.chacha.fill(0)
    epoch.messages = limits.epochMessagesMax
  }

  #retireAll(): void {
    for (const [slot, epoch] of this.#epochs) this.#retire(slot, epoch)
    this.#recent = new WeakMap()
  }

  close(): void {
    this.#closed = true
    this.#retireAll()
    this.#writer.close()
  }
}

export interface SealerOptions {
  /** The keys folder: `<data directory>/keys`. */
  readonly dir: string
  readonly nowMs: () => number
  readonly log: Log
  /** Fills a buffer with random bytes; the system's generator unless a test gives another. */
  readonly random?: (buffer: Buffer) => void
  readonly monotonicMs?: () => number
  /** Seals the local keys when they are made; not needed later. Usually DOUANE_KEYS_PASSPHRASE. */
  readonly passphrase?: string | undefined
  readonly scryptCost?: number
  /** Where recipient keys come from; left out: made locally as they are needed. */
  readonly recipients?: RecipientSource
  /** Which worker of several seals: each has epochs and a file of its own. */
  readonly worker?: number | undefined
  /** AES-256-GCM for short values too, where only approved algorithms are allowed. */
  readonly gcmOnly?: boolean
}

/** A stable name of this gateway's files in the key store; those of a worker have its number behind it. */
function workerName(dir: string): string {
  const path = join(dir, 'worker')
  createFile(path, randomBytes(4).toString('hex'))
  const name = readPrivate(path) ?? ''
  if (!/^[0-9a-f]{8}$/.test(name)) throw new KeyError(`${path} is damaged`, 'Remove it: a new name is made.')
  return name
}

/** Local keys, made when there are none. */
async function localRecipients(options: SealerOptions): Promise<RecipientSource> {
  const { dir, passphrase, scryptCost, log } = options
  const existed = (await openLocalKms(dir)) !== undefined
  const kms = (await openLocalKms(dir, { passphrase, scryptCost, make: true }))!
  if (!existed) log.info('keys.made', { provider: 'local', passphrase: kms.hasPassphrase })
  if (!kms.hasPassphrase) {
    log.warn('keys.no_passphrase', {
      fix: 'Set DOUANE_KEYS_PASSPHRASE before the first start, or use keys of a decrypt side.',
    })
  }
  return new LocalRecipients(new RecipientFolder(dir, openSigner(dir, 'authority.pem', true)!), kms)
}

/** Opens the gateway's sealer. Makes local keys at the first start. Rejects with `KeyError`. */
export async function openSealer(options: SealerOptions): Promise<Sealer & { close(): void }> {
  await sodiumReady
  makeFolder(options.dir)
  const gateway = workerName(options.dir)
  const worker = options.worker === undefined ? gateway : `${gateway}-${options.worker}`
  const recipients = options.recipients ?? (await localRecipients(options))
  const epochs = new EpochWriter(options.dir, worker)
  const sealer = new EpochSealer({
    nowMs: options.nowMs,
    monotonicMs: options.monotonicMs ?? (() => performance.now()),
    random: options.random ?? randomFillSync,
    recipients,
    keep: (record) => epochs.append(record),
    worker,
    log: options.log,
    gcmOnly: options.gcmOnly ?? false,
  })
  return {
    seal: (value, context, field) => sealer.seal(value, context, field),
    close() {
      sealer.close()
      epochs.close()
    },
  }
}
