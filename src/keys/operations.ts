/**
 * What the key holder does: make keys ahead of time, list, rotate, destroy, check. The commands in
 * src/commands/keys.ts only print what these return.
 *
 * Destroying is written to the access audit before it happens, leaves a signed tombstone, and cannot be undone: the
 * backups of the keys folder decide how final it is.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { AccessLog } from './audit.ts'
import { checkedReason, currentUser } from './decrypt.ts'
import { EpochIndex, openEpoch, pruneEpochs } from './epochs.ts'
import { makeFolder } from './files.ts'
import { openHashKeys } from './hash_keys.ts'
import { privateKeyOf } from './hpke.ts'
import { type KmsProvider, type LocalKmsOptions, openLocalKms } from './kms.ts'
import { type Period, periodAt, periodExpiryMs, periodOf } from './period.ts'
import {
  makeRecipient,
  type RecipientDocument,
  RecipientFolder,
  type RecipientSlot,
  type Tombstone,
} from './recipients.ts'
import { openSigner, type Signer, signerText } from './signature.ts'
import { unwrapRecipient, wrapTested } from './wrapping.ts'

export interface KeyHolder {
  readonly dir: string
  readonly signer: Signer
  readonly folder: RecipientFolder
  /** Who wraps what is made from now on. */
  readonly kms: KmsProvider
  /** Who can unwrap, by name. */
  readonly providers: ReadonlyMap<string, KmsProvider>
}

export interface HolderOptions extends LocalKmsOptions {
  /** Besides `local`. */
  readonly providers?: readonly KmsProvider[]
  /** The name of the provider that wraps new keys; left out: `local`. */
  readonly wrapWith?: string
}

/** Opens the keys of a folder. Throws `KeyError` where there are none. */
export async function openKeyHolder(dir: string, options: HolderOptions = {}): Promise<KeyHolder> {
  const signer = openSigner(dir, 'authority.pem', false)
  const local = await openLocalKms(dir, options)
  const all = [...(local ? [local] : []), ...(options.providers ?? [])]
  const providers = new Map(all.map((provider) => [provider.name, provider]))
  const kms = providers.get(options.wrapWith ?? 'local')
  if (!signer || !kms) throw noKeysIn(dir)
  return { dir, signer, folder: new RecipientFolder(dir, signer), kms, providers }
}

/** Also said of a gateway that seals to a bundle: to make keys there would help nobody. */
function noKeysIn(dir: string): KeyError {
  const missing = `there are no keys in ${dir}`
  return existsSync(join(dir, 'bundle-seen'))
    ? new KeyError(
        `${missing}: this gateway seals to a bundle`,
        'Run it on the decrypt side, with its --data-dir; where keys of gateways are needed, add --gateway-keys.',
      )
    : new KeyError(missing, 'Make them: douane keys init')
}

/** Makes what a keys folder needs; what is there stays. Gives the holder and the text that gateways pin. */
export async function initKeys(
  dir: string,
  nowMs: number,
  options: HolderOptions = {},
): Promise<{ holder: KeyHolder; trust: string }> {
  makeFolder(dir)
  if ((options.wrapWith ?? 'local') === 'local') await openLocalKms(dir, { ...options, make: true })
  openSigner(dir, 'authority.pem', true)
  openHashKeys({ dir, nowMs: () => nowMs })
  await (await AccessLog.open(dir)).close()
  const holder = await openKeyHolder(dir, options)
  return { holder, trust: signerText(holder.signer.publicKey) }
}

/** Hands private halves over to the provider that wraps new keys. Gives the ids of those that were elsewhere. */
export async function rewrapKeys(holder: KeyHolder): Promise<string[]> {
  const rewrapped: string[] = []
  for (const { period, id, destroyed } of holder.folder.list()) {
    const document = destroyed ? undefined : holder.folder.read(period, id)
    if (!document || document.provider === holder.kms.name) continue
    const secret = await unwrapRecipient(holder.providers, document)
    try {
      const { wrapped, provider } = await wrapTested(holder.kms, secret, id)
      holder.folder.rewrap(document, wrapped, provider)
      rewrapped.push(id)
    } finally {
      secret.fill(0)
    }
  }
  return rewrapped
}

/** Recipient keys for the current period and those after it, where they are missing. Gives the ids of new ones. */
export async function makeAhead(
  holder: KeyHolder,
  use: Omit<RecipientSlot, 'period'>,
  periods: number,
  nowMs: number,
): Promise<string[]> {
  const made: string[] = []
  let period: Period = periodAt(use.retention, nowMs)
  for (let n = 0; n < periods; n++) {
    const slot = { ...use, period: period.name }
    if (holder.folder.generation(slot) === 0) made.push(await makeRecipient(holder.folder, holder.kms, slot, nowMs))
    period = periodAt(use.retention, period.endMs)
  }
  return made
}

/** A new key in the current period. Epochs that are under way end within the hour. */
export function rotateKey(holder: KeyHolder, use: Omit<RecipientSlot, 'period'>, nowMs: number): Promise<string> {
  const slot = { ...use, period: periodAt(use.retention, nowMs).name }
  return makeRecipient(holder.folder, holder.kms, slot, nowMs)
}

/** `replaced`: by `keys rotate`; it opens what it sealed. */
export type KeyState = 'in use' | 'ahead' | 'replaced' | 'past' | 'expired' | 'destroyed'
export interface ListedKey extends RecipientSlot {
  readonly id: string
  readonly state: KeyState
  /** When nothing sealed with it needs to be readable any more; `undefined`: never. */
  readonly expiresMs?: number
}

export function listKeys(holder: Pick<KeyHolder, 'folder'>, nowMs: number): ListedKey[] {
  const { folder } = holder
  const found = [...folder.list()]
  const newest = new Map<string, number>()
  for (const { id } of found) {
    const [slot, generation] = partsOf(id)
    newest.set(slot, Math.max(newest.get(slot) ?? 0, generation))
  }
  return found.flatMap(({ period, id, destroyed }) => {
    const document = destroyed ? folder.tombstone(period, id) : folder.read(period, id)
    const [slot, generation] = partsOf(id)
    return document ? [listed(document, nowMs, destroyed, generation < newest.get(slot)!)] : []
  })
}

function partsOf(id: string): [slot: string, generation: number] {
  const [slot = '', generation] = id.split('-')
  return [slot, Number(generation)]
}

function listed(
  document: RecipientDocument | Tombstone,
  nowMs: number,
  isDestroyed: boolean,
  isReplaced: boolean,
): ListedKey {
  const { id, tenant, region, retention } = document
  const period = periodOf(document.period, retention)
  const expiresMs = periodExpiryMs(period, retention)
  const stateOf = (): KeyState => {
    if (isDestroyed) return 'destroyed'
    if (nowMs >= expiresMs) return 'expired'
    if (nowMs >= period.endMs) return 'past'
    if (isReplaced) return 'replaced'
    return nowMs < period.startMs ? 'ahead' : 'in use'
  }
  const expiry = Number.isFinite(expiresMs) && { expiresMs }
  return { id, tenant, region, retention, period: period.name, state: stateOf(), ...expiry }
}

/** Destroys private halves, after it has written down why. Gives the signed receipts. */
export async function destroyKeys(
  holder: Pick<KeyHolder, 'dir' | 'folder'>,
  keys: readonly ListedKey[],
  why: { readonly reason: string; readonly who?: string },
  nowMs: number,
): Promise<Tombstone[]> {
  const reason = checkedReason(why.reason)
  const log = await AccessLog.open(holder.dir)
  try {
    const who = currentUser(why.who)
    const entries = keys.map(({ id, tenant, period }) => ({
      action: 'destroy' as const,
      atMs: nowMs,
      who,
      reason,
      what: [{ key: id, tenant, period }],
    }))
    await log.append(entries)
  } finally {
    await log.close()
  }
  const receipts = keys.map(({ period, id }) => {
    const document = holder.folder.read(period, id)
    if (!document) throw new KeyError(`there is no key ${id} in period ${period}`)
    return holder.folder.destroy(document, reason, nowMs)
  })
  pruneEpochs(holder.dir, nowMs, ({ period, recipient }) => {
    const destroyedMs = holder.folder.tombstone(period, recipient)?.destroyedMs
    return destroyedMs !== undefined && destroyedMs + limits.destroyedEpochsKeptMs < nowMs
  })
  return receipts
}

export interface KeyCheck {
  /** Epoch keys that open. */
  opened: number
  destroyed: number
  /** The recipient key is not here: another decrypt side holds it, or it was lost. */
  missing: number
  damaged: number
}

/** Opens every epoch key in the key stores: a canary for each hour of every tenant. Run it daily. */
export async function checkKeys(holder: KeyHolder, gateways: readonly string[] = []): Promise<KeyCheck> {
  const check: KeyCheck = { opened: 0, destroyed: 0, missing: 0, damaged: 0 }
  const index = new EpochIndex(holder.dir, ...gateways)
  const unwrapped = new Map<string, Buffer | undefined>()
  for (const record of index.all()) {
    if (holder.folder.isDestroyed(record.period, record.recipient)) {
      check.destroyed++
      continue
    }
    if (!unwrapped.has(record.recipient)) {
      const document = holder.folder.read(record.period, record.recipient)
      unwrapped.set(record.recipient, document && (await unwrapRecipient(holder.providers, document)))
    }
    const secret = unwrapped.get(record.recipient)
    if (!secret) check.missing++
    else if (opens(() => openEpoch(record, privateKeyOf(secret)))) check.opened++
    else check.damaged++
  }
  for (const secret of unwrapped.values()) secret?.fill(0)
  check.damaged += index.damaged
  return check
}

function opens(open: () => Buffer): boolean {
  try {
    open().fill(0)
    return true
  } catch {
    return false
  }
}
