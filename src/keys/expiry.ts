/**
 * Keys go when the retention of what they sealed is over: retention by key.
 *
 * `destroyExpired` is what a nightly run calls. It destroys keys only (nothing is opened, no provider is asked), spares
 * tenants on legal hold, and never goes ahead of the last run by more than a day unless somebody confirms it: a clock
 * that jumps destroys nothing early.
 *
 *   expiry.json   up to when it was run last
 */
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { readDocument, replaceFile } from './files.ts'
import { destroyKeys, type ListedKey, listKeys } from './operations.ts'
import { RecipientFolder, type Tombstone } from './recipients.ts'
import { openSigner } from './signature.ts'

interface LastRun {
  readonly format: 'douane-expiry/1'
  readonly asOfMs: number
}

export interface ExpiryOptions {
  /** The keys folder. */
  readonly dir: string
  readonly nowMs: number
  readonly reason: string
  readonly who?: string | undefined
  /** True spares a tenant's keys, for as long as it is true. */
  readonly isHeld?: (tenant: string) => boolean
  /** Somebody says that the clock is right, however long ago the last run was. */
  readonly confirmed?: boolean
}

export interface Expiry {
  /** Signed receipts. */
  readonly destroyed: readonly Tombstone[]
  /** Expired, and kept for a legal hold. */
  readonly held: readonly ListedKey[]
  /** Retention was counted to here. */
  readonly asOfMs: number
  /** The clock is more than a day ahead of the last run: the rest waits for a confirmation. */
  readonly heldBack: boolean
}

const dayMs = 86_400_000

/** Rejects with `KeyError`: then what was destroyed before has its receipt in the keys folder. */
export async function destroyExpired(options: ExpiryOptions): Promise<Expiry> {
  const { dir, nowMs, reason, who, isHeld = () => false } = options
  const folder = openFolder(dir)
  const { asOfMs, isFirst } = asOf(options)
  const expired = isFirst ? [] : listKeys({ folder }, asOfMs).filter(({ state }) => state === 'expired')
  const [held, due] = [expired.filter(({ tenant }) => isHeld(tenant)), expired.filter(({ tenant }) => !isHeld(tenant))]
  const why = { reason, ...(who !== undefined && { who }) }
  const destroyed = due.length > 0 ? await destroyKeys({ dir, folder }, due, why, nowMs) : []
  const run: LastRun = { format: 'douane-expiry/1', asOfMs }
  replaceFile(pathOf(dir), `${JSON.stringify(run)}\n`)
  return { destroyed, held, asOfMs, heldBack: asOfMs < nowMs }
}

const pathOf = (dir: string): string => join(dir, 'expiry.json')

function openFolder(dir: string): RecipientFolder {
  const signer = openSigner(dir, 'authority.pem', false)
  if (!signer) throw new KeyError(`there are no keys in ${dir}`, 'Name the data directory of the keys with --data-dir.')
  return new RecipientFolder(dir, signer)
}

/** The first run of all only remembers the time: there is nothing yet that its clock could be held against. */
function asOf({ dir, nowMs, confirmed }: ExpiryOptions): { asOfMs: number; isFirst: boolean } {
  const last = readDocument<LastRun>(pathOf(dir), 'douane-expiry/1')
  if (confirmed) return { asOfMs: nowMs, isFirst: false }
  if (!last) return { asOfMs: nowMs, isFirst: true }
  const isNear = nowMs <= last.asOfMs + dayMs + limits.expiryLateMs
  return { asOfMs: isNear ? nowMs : last.asOfMs + dayMs, isFirst: false }
}
