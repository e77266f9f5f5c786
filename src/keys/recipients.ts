/**
 * Recipient keys: to whom the epoch keys are sealed. One X25519 pair per (region, tenant, retention, period), so that
 * each can be destroyed alone. Generations count `keys rotate` within a period; the highest one is in use.
 *
 *   recipients/<period>/<slot>-<generation>.json             public half, wrapped private half, signature
 *   recipients/<period>/<slot>-<generation>.destroyed.json   tombstone: who, when, why; the key never comes back
 *
 * `slot` is a hash of region, tenant, retention and period: a name in the file system tells no tenant, and the file of
 * a key is found without a list.
 */
import { createHash, type KeyObject } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { canonical } from './derive.ts'
import { createFile, eraseFile, readDocument, replaceFile } from './files.ts'
import { generateKeyPair, hpkeOpen, hpkeSeal, publicKeyOf, rawPrivate, rawPublic } from './hpke.ts'
import type { KmsProvider, LocalKms } from './kms.ts'
import { periodAt, periodNamed } from './period.ts'
import { isSignedBy, type Signer, signDocument } from './signature.ts'
import { wrapTested } from './wrapping.ts'

/** What a recipient key is for. */
export interface RecipientSlot {
  readonly tenant: string
  readonly region: string
  readonly retention: string
  readonly period: string
}

/** The public half, as a gateway uses it. */
export interface Recipient {
  readonly id: string
  readonly period: string
  readonly publicKey: KeyObject
  /** Epochs sealed to it end here. */
  readonly endsMs: number
}

/** Where a gateway takes recipient keys from. Throws `KeyError`: then nothing is sealed, and nothing leaves. */
export interface RecipientSource {
  current(tenant: string, region: string, retention: string, nowMs: number): Recipient
  /** False where another one is in force in its place: epochs that are sealed to it end. */
  stillUses?(recipient: Recipient): boolean
  /** Throws `KeyError` where what is sealed to this recipient could not be opened any more, as far as is known here. */
  checkRecipient?(recipient: Recipient): void
}

export interface RecipientDocument extends RecipientSlot {
  readonly format: 'douane-recipient/1'
  readonly id: string
  readonly generation: number
  readonly public: string
  readonly provider: string
  readonly wrapped: string
  readonly madeMs: number
  readonly signature?: string
}

export interface Tombstone extends RecipientSlot {
  readonly format: 'douane-destroyed/1'
  readonly id: string
  readonly destroyedMs: number
  readonly reason: string
  readonly signature?: string
}

export function slotId(slot: RecipientSlot): string {
  const named = canonical('douane.recipient.1', slot.region, slot.tenant, slot.retention, slot.period)
  return createHash('sha256').update(named).digest('hex').slice(0, 32)
}

const idPattern = /^[0-9a-f]{32}-[1-9][0-9]{0,5}$/

/** The recipient keys in a folder: the local gateway makes them, the decrypt side reads and destroys them. */
export class RecipientFolder {
  readonly #folder: string
  readonly #signer: Signer

  constructor(keysFolder: string, signer: Signer) {
    this.#folder = join(keysFolder, 'recipients')
    this.#signer = signer
  }

  #path(period: string, id: string, ending = '.json'): string {
    if (!idPattern.test(id)) throw new KeyError('not the id of a recipient key')
    return join(this.#folder, periodNamed(period).name, `${id}${ending}`)
  }

  /** The highest generation that was ever made, 0 for none. */
  generation(slot: RecipientSlot): number {
    const id = slotId(slot)
    for (let generation = 1; ; generation++) {
      const made = existsSync(this.#path(slot.period, `${id}-${generation}`))
      if (!made && !this.isDestroyed(slot.period, `${id}-${generation}`)) return generation - 1
    }
  }

  isDestroyed(period: string, id: string): boolean {
    return existsSync(this.#path(period, id, '.destroyed.json'))
  }

  has(period: string, id: string): boolean {
    return existsSync(this.#path(period, id))
  }

  /** The key's document, checked against its signature; `undefined` when there is none. */
  read(period: string, id: string): RecipientDocument | undefined {
    const path = this.#path(period, id)
    const document = readDocument<RecipientDocument>(path, 'douane-recipient/1')
    if (!document) return undefined
    const belongs = document.id === id && id === `${slotId(document)}-${document.generation}`
    if (!belongs || !isSignedBy(document, this.#signer.publicKey)) {
      throw new KeyError(`${path} was changed: its signature does not fit`, 'Restore it from a backup.')
    }
    return document
  }

  /** Keeps a new key pair. `wrapped` is made by the provider. False when that generation is there already. */
  add(
    slot: RecipientSlot,
    generation: number,
    publicKey: KeyObject,
    wrapped: Uint8Array,
    provider: string,
    nowMs: number,
  ): boolean {
    const id = `${slotId(slot)}-${generation}`
    const { tenant, region, retention, period } = slot
    const document = signDocument(
      {
        format: 'douane-recipient/1' as const,
        id,
        tenant,
        region,
        retention,
        period,
        generation,
        public: rawPublic(publicKey).toString('base64url'),
        provider,
        wrapped: Buffer.from(wrapped).toString('base64url'),
        madeMs: nowMs,
      },
      this.#signer.privateKey,
    )
    return createFile(this.#path(period, id), `${JSON.stringify(document)}\n`)
  }

  /** Puts the same private half, wrapped by another provider, in the place of the old one. */
  rewrap(document: RecipientDocument, wrapped: Uint8Array, provider: string): void {
    const { signature: _, ...rest } = document
    const changed = { ...rest, provider, wrapped: Buffer.from(wrapped).toString('base64url') }
    const path = this.#path(document.period, document.id)
    replaceFile(path, `${JSON.stringify(signDocument(changed, this.#signer.privateKey))}\n`)
  }

  /** Writes the tombstone first: a crash between the two steps leaves a key that counts as destroyed. */
  destroy(document: RecipientDocument, reason: string, nowMs: number): Tombstone {
    const { id, tenant, region, retention, period } = document
    const tombstone = signDocument(
      { format: 'douane-destroyed/1' as const, id, tenant, region, retention, period, destroyedMs: nowMs, reason },
      this.#signer.privateKey,
    )
    createFile(this.#path(period, id, '.destroyed.json'), `${JSON.stringify(tombstone)}\n`)
    const path = this.#path(period, id)
    if (existsSync(path)) eraseFile(path)
    return tombstone
  }

  /** Every key that is there or was destroyed, oldest period first. */
  *list(): Generator<{ period: string; id: string; destroyed: boolean }> {
    if (!existsSync(this.#folder)) return
    for (const period of readdirSync(this.#folder).sort()) {
      for (const name of readdirSync(join(this.#folder, period)).sort()) {
        const match = /^([0-9a-f]{32}-\d+)(\.destroyed)?\.json$/.exec(name)
        if (match) yield { period, id: match[1]!, destroyed: match[2] !== undefined }
      }
    }
  }

  tombstone(period: string, id: string): Tombstone | undefined {
    return readDocument<Tombstone>(this.#path(period, id, '.destroyed.json'), 'douane-destroyed/1')
  }
}

const canary = Buffer.from('a canary that the private half must open')

/** A new pair whose private half is wrapped with `wrap`, after it has opened a sealed canary. */
function newPair(context: string): { publicKey: KeyObject; secret: Buffer } {
  const pair = generateKeyPair()
  const sealed = hpkeSeal(pair.publicKey, canary, Buffer.from(context), canary)
  if (!hpkeOpen(pair.privateKey, canary, Buffer.from(context), sealed).equals(canary)) {
    throw new KeyError('a new key does not open its canary')
  }
  return { publicKey: pair.publicKey, secret: rawPrivate(pair.privateKey) }
}

/** Makes one recipient key on the decrypt side and adopts it only when the provider gives back a half that opens. */
export async function makeRecipient(
  folder: RecipientFolder,
  kms: KmsProvider,
  slot: RecipientSlot,
  nowMs: number,
): Promise<string> {
  const generation = folder.generation(slot) + 1
  const id = `${slotId(slot)}-${generation}`
  const { publicKey, secret } = newPair(id)
  try {
    const { wrapped, provider } = await wrapTested(kms, secret, id)
    folder.add(slot, generation, publicKey, wrapped, provider, nowMs)
  } finally {
    secret.fill(0)
  }
  return id
}

const destroyed = (period: string): KeyError =>
  new KeyError(`the key of period ${period} was destroyed`, 'Make a new one: douane keys rotate')
const missing = (period: string): KeyError =>
  new KeyError(`the key of period ${period} is missing`, 'Restore it from a backup.')

/** The default: this gateway makes recipient keys as they are needed, and keeps only what it cannot open itself. */
export class LocalRecipients implements RecipientSource {
  readonly #folder: RecipientFolder
  readonly #kms: LocalKms

  constructor(folder: RecipientFolder, kms: LocalKms) {
    this.#folder = folder
    this.#kms = kms
  }

  current(tenant: string, region: string, retention: string, nowMs: number): Recipient {
    const period = periodAt(retention, nowMs)
    const slot = { tenant, region, retention, period: period.name }
    if (this.#folder.generation(slot) === 0) this.#make(slot, nowMs)
    const id = `${slotId(slot)}-${this.#folder.generation(slot)}`
    if (this.#folder.isDestroyed(period.name, id)) throw destroyed(period.name)
    const document = this.#folder.read(period.name, id)
    if (!document) throw missing(period.name)
    const publicKey = publicKeyOf(Buffer.from(document.public, 'base64url'))
    return { id, period: period.name, publicKey, endsMs: period.endMs }
  }

  checkRecipient({ id, period }: Recipient): void {
    if (this.#folder.isDestroyed(period, id)) throw destroyed(period)
    if (!this.#folder.has(period, id)) throw missing(period)
  }

  #make(slot: RecipientSlot, nowMs: number): void {
    const id = `${slotId(slot)}-1`
    const { publicKey, secret } = newPair(id)
    try {
      this.#folder.add(slot, 1, publicKey, this.#kms.wrapNow(secret, id), this.#kms.name, nowMs)
    } finally {
      secret.fill(0)
    }
  }
}
