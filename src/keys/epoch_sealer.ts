/**
 * Seals with epoch keys, and makes them: what sealer.ts opens.
 *
 * Each (tenant, region, purpose, retention) has an epoch key: 32 random bytes in memory, for at most an hour or 2^31
 * values. Before its first token is handed out it is sealed (HPKE) to the recipient key of the period and that record
 * is on disk. A person's content is sealed with a key of both the epoch's key and his secret (subjects.ts). Then a token
 * costs one AEAD: half a microsecond for a short value, less where many are sealed together.
 *
 * Failure never yields plaintext: every way to fail throws `KeyError`, and the caller sends nothing. After a failure
 * the same context fails at once for `keyRetryMs`, so that a full disk is not asked a thousand times a second. Each
 * second the store is looked for under its name: what is sealed while it is away could never be opened.
 *
 * Nonces are 96 random bits. A process that was copied (a restored virtual machine) would repeat them; it shows by the
 * wall clock running away from the monotonic one, and then all epochs and unused nonces are thrown away.
 */
import type { Log, SealBinding, SealContext, SealedText, Subject } from '../contract.ts'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { compareRetention, parseRetention } from '../units.ts'
import { commitment, kidBytes, placeAad } from './derive.ts'
import { type EpochRecord, sealEpoch } from './epochs.ts'
import { checkPlaced, type Placed } from './files.ts'
import { retentionOf } from './period.ts'
import type { Recipient, RecipientSource } from './recipients.ts'
import { SodiumHeap } from './sodium_heap.ts'
import { FailedSubject, KnownSubject, type SubjectKeys } from './subjects.ts'
import { TokenWriter } from './token.ts'
import { BoundField, SealingKey } from './token_format.ts'

/** What the sealer needs from outside; `openSealer` fills it. */
interface SealerParts {
  readonly nowMs: () => number
  readonly monotonicMs: () => number
  readonly random: (buffer: Buffer) => void
  readonly recipients: RecipientSource
  /** Makes a record durable, and says where it is, or throws. */
  readonly keep: (record: EpochRecord) => Placed
  /** Throws unless the key store is the one that the gateway began with. */
  readonly checkStore: () => void
  readonly subjects: SubjectKeys
  readonly worker: string
  readonly log: Log
  readonly gcmOnly: boolean
}

const nothing = Buffer.alloc(0)

interface Epoch {
  readonly context: SealContext
  /** Kept for the keys of people, which are derived from it and their secrets. */
  readonly secret: Buffer
  readonly kid: Buffer
  readonly key: SealingKey
  readonly recipient: Recipient
  /** The file with its record, and the record as JSON. */
  readonly stored: Placed
  readonly record: string
  readonly madeMs: number
  readonly endsMs: number
  readonly fields: Map<string, BoundField>
  /** When the store was looked for last. */
  lookedMs: number
  messages: number
}

const sameContext = (a: SealContext, b: SealContext): boolean =>
  a.tenant === b.tenant && a.region === b.region && a.purpose === b.purpose && a.retention === b.retention

const overQuota = parseRetention(`${limits.overQuotaDaysMax}d`)

/** People without a secret of their own: their content ends early, by the key of a short period. */
function shortened(context: SealContext): SealContext {
  const { retention } = context
  const isShort = retention !== '' && compareRetention(retentionOf(retention), overQuota) <= 0
  return isShort ? context : { ...context, retention: overQuota.text }
}

export class EpochSealer {
  readonly #parts: SealerParts
  readonly #writer: TokenWriter
  readonly #heap = new SodiumHeap()
  /** By the four names of a context, joined unambiguously. */
  readonly #epochs = new Map<string, Epoch>()
  /** What was sealed last: the next value is of the same copy, as a rule. */
  #last: Epoch | undefined
  #lastContext: SealContext | undefined
  #sealedWith: Epoch | undefined
  #bound = new BoundField(nothing)
  /** Of `#last`, while values wait to be sealed together: within these milliseconds nothing is looked for anew. */
  #together: Epoch | undefined
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

  /** Seals the AnyValue message in bytes[from, to). */
  seal(
    bytes: Uint8Array,
    from: number,
    to: number,
    context: SealContext,
    field: string,
    binding?: SealBinding,
  ): SealedText {
    const key = this.#key(to - from, context, field, binding)
    return this.#writer.seal(key, this.#bound, bytes, from, to, binding?.padTo)
  }

  /** The same later, with others: see `TokenBatch`. */
  add(
    bytes: Uint8Array,
    from: number,
    to: number,
    end: number,
    context: SealContext,
    field: string,
    binding?: SealBinding,
  ): number {
    const epoch = this.#together
    const isKnown = binding === undefined && epoch !== undefined && this.#lastContext === context
    if (isKnown && epoch.messages < limits.epochMessagesMax && to - from <= limits.sealShortBytesMax) {
      epoch.messages++
      const bound = epoch.fields.get(field) ?? this.#bind(epoch, field)
      return this.#writer.add(epoch.key, bound, bytes, from, to, end)
    }
    const key = this.#key(to - from, context, field, binding)
    this.#together = this.#last
    return this.#writer.add(key, this.#bound, bytes, from, to, end)
  }

  place(at: number): void {
    this.#writer.place(at)
  }
  write(out: Buffer): void {
    if (this.#closed) throw closed()
    this.#together = undefined
    this.#writer.write(out)
  }
  drop(): void {
    this.#together = undefined
    this.#writer.drop()
  }

  /** The key for a value of so many bytes; what it is bound to is in `#bound` then. */
  #key(length: number, context: SealContext, field: string, binding: SealBinding | undefined): SealingKey {
    if (this.#closed) throw closed()
    if (length > limits.sealValueBytesMax) throw new KeyError(`a value of ${length} bytes is too long to seal`)
    const nowMs = this.#parts.nowMs()
    const subject = binding?.subject
    const isOver = subject?.state === 'over_quota'
    const epoch = this.#epochOf(isOver ? shortened(context) : context, nowMs)
    const key = subject === undefined || isOver ? epoch.key : this.#personal(epoch, subject)
    epoch.messages++
    this.#sealedWith = epoch
    this.#bound =
      binding?.recordUid === undefined
        ? (epoch.fields.get(field) ?? this.#bind(epoch, field))
        : new BoundField(placeAad({ ...epoch.context, field, recordUid: binding.recordUid }))
    return key
  }

  /** The record of the key that was sealed with last. */
  sealedKey(): string {
    return this.#sealedWith?.record ?? ''
  }

  /** Throws `KeyError` unless something could be sealed in this context now. */
  ready(context: SealContext): void {
    if (this.#closed) throw closed()
    this.#epochOf(context, this.#parts.nowMs())
  }

  #bind(epoch: Epoch, field: string): BoundField {
    const { tenant, region, purpose } = epoch.context
    const bound = new BoundField(placeAad({ tenant, region, purpose, field }))
    if (epoch.fields.size < limits.epochFieldsMax) epoch.fields.set(field, bound)
    return bound
  }

  /** The key of a person's content. */
  #personal(epoch: Epoch, subject: Subject): SealingKey {
    if (subject instanceof FailedSubject) throw subject.error
    if (!(subject instanceof KnownSubject) || subject.state !== 'live') {
      throw new KeyError('content of a person who was erased is not sealed')
    }
    for (const { epoch: of, key } of subject.derived) if (of === epoch) return key
    const secret = this.#parts.subjects.secretOf(subject)
    const derive = (info: Buffer): Buffer => this.#heap.hkdf(secret, epoch.secret, info)
    const key = new SealingKey(epoch.kid, epoch.context.purpose, derive, subject.refBytes)
    if (subject.derived.length >= limits.subjectKeysMax) subject.derived.shift()!.key.wipe()
    subject.derived.push({ epoch, key })
    return key
  }

  #isLive(epoch: Epoch, nowMs: number): boolean {
    return nowMs < epoch.endsMs && nowMs >= epoch.madeMs && epoch.messages < limits.epochMessagesMax
  }

  #epochOf(context: SealContext, nowMs: number): Epoch {
    this.#checkClock(nowMs)
    const recent = this.#lastContext === context ? this.#last : this.#recent.get(context)
    if (recent && sameContext(recent.context, context) && this.#isLive(recent, nowMs)) {
      if (nowMs - recent.lookedMs < limits.keyStoreLookMs || this.#look(recent, nowMs)) {
        this.#last = recent
        this.#lastContext = context
        return recent
      }
    }
    const slot = slotOf(context)
    let epoch = this.#epochs.get(slot)
    if (epoch && !this.#isLive(epoch, nowMs)) {
      this.#retire(epoch)
      epoch = undefined
    } else if (epoch && nowMs - epoch.lookedMs >= limits.keyStoreLookMs && !this.#look(epoch, nowMs)) epoch = undefined
    if (!epoch) {
      const { tenant, region, purpose, retention } = context
      epoch = this.#begin(slot, { tenant, region, purpose, retention }, nowMs)
    }
    this.#recent.set(context, epoch)
    this.#last = epoch
    this.#lastContext = context
    return epoch
  }

  /** Ends the epoch where its record, its recipient or the whole store is gone; false: another recipient is in force. */
  #look(epoch: Epoch, nowMs: number): boolean {
    if (this.#parts.recipients.stillUses?.(epoch.recipient) === false) {
      this.#retire(epoch)
      return false
    }
    try {
      this.#parts.checkStore()
      checkPlaced(epoch.stored)
      this.#parts.recipients.checkRecipient?.(epoch.recipient)
      epoch.lookedMs = nowMs
      return true
    } catch (error) {
      this.#retire(epoch)
      throw this.#fail(slotOf(epoch.context), error, nowMs)
    }
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
    const secret = Buffer.alloc(32)
    try {
      this.#parts.checkStore()
      this.#parts.random(secret)
      const recipient = this.#parts.recipients.current(context.tenant, context.region, context.retention, nowMs)
      const worker = this.#parts.worker
      const record = sealEpoch(secret, recipient, { ...context, worker, madeMs: nowMs })
      const stored = this.#parts.keep(record)
      this.#failures.delete(slot)
      return this.#adopt(slot, { context, secret, recipient, stored, record: JSON.stringify(record) }, nowMs)
    } catch (error) {
      secret.fill(0)
      throw this.#fail(slot, error, nowMs)
    }
  }

  #adopt(
    slot: string,
    made: Pick<Epoch, 'context' | 'secret' | 'recipient' | 'stored' | 'record'>,
    madeMs: number,
  ): Epoch {
    const { context, secret, recipient } = made
    const kid = commitment(secret).subarray(0, kidBytes)
    const epoch: Epoch = {
      ...made,
      kid,
      key: new SealingKey(kid, context.purpose, (info) => this.#heap.hkdf(secret, nothing, info)),
      madeMs,
      endsMs: Math.min(recipient.endsMs, madeMs + limits.epochAgeMsMax),
      fields: new Map(),
      lookedMs: madeMs,
      messages: 0,
    }
    if (this.#epochs.size >= limits.epochsMax) this.#retire(this.#epochs.values().next().value!)
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

  /** What people's keys were derived from the epoch goes with their secrets, within minutes. */
  #retire(epoch: Epoch): void {
    this.#together = undefined
    this.#epochs.delete(slotOf(epoch.context))
    epoch.key.wipe()
    epoch.secret.fill(0)
    this.#writer.forget()
    epoch.messages = limits.epochMessagesMax
  }

  #retireAll(): void {
    for (const epoch of this.#epochs.values()) this.#retire(epoch)
    this.#recent = new WeakMap()
  }

  close(): void {
    this.#closed = true
    this.#retireAll()
    this.#writer.close()
    this.#heap.wipe()
  }
}

const closed = () => new KeyError('the keys are closed: the gateway is stopping')
const slotOf = ({ tenant, region, purpose, retention }: SealContext): string =>
  JSON.stringify([tenant, region, purpose, retention])
