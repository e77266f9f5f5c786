/**
 * To which key the parts of a backup are sealed, and who opens them.
 *
 * By default each part is sealed to a recipient key of the data directory, one for each region, retention and period
 * of the rows: the same tree as for content (src/keys/recipients.ts), under the region `backup:<region>`. So destroying
 * the keys of a period that is over (`keys destroy --expired`) also ends what any copy of a backup holds of it.
 *
 * With a `recipient`, parts are sealed to the root key of another keys folder (`douane backup keys` there prints it),
 * whose private half the gateway never has.
 */
import type { KeyObject } from 'node:crypto'
import { KeyError } from '../errors.ts'
import { canonical } from '../keys/derive.ts'
import { hpkeOpen, hpkeSeal, privateKeyOf } from '../keys/hpke.ts'
import { openLocalKms, wrapTo } from '../keys/kms.ts'
import type { KeyHolder } from '../keys/operations.ts'
import { LocalRecipients, RecipientFolder } from '../keys/recipients.ts'
import { openSigner, type Signer } from '../keys/signature.ts'
import { unwrapRecipient } from '../keys/wrapping.ts'
import type { PartHead } from './part.ts'

/** In the place of a period: sealed to a root key. */
const rootPeriod = 'root'
const info = canonical('douane.backup.part-key.1')

type Named = Pick<PartHead, 'backup' | 'part'>
const contextOf = ({ backup, part }: Named): string => `backup ${backup} part ${part}`

export interface PartRecipient extends Pick<PartHead, 'recipient' | 'period'> {
  wrap(key: Buffer, named: Named): Uint8Array
}
/** The key for rows of this retention ('': without an end) at this time. Throws `KeyError`. */
export type RecipientFor = (retention: string, atMs: number) => PartRecipient

/** The gateway's side. `recipient` is the option's text. */
export async function openRecipients(
  dir: string,
  region: string,
  recipient: string | undefined,
): Promise<RecipientFor> {
  if (recipient !== undefined) {
    const root = recipient.replace(/^x25519:/, '')
    return () => ({
      recipient: root.slice(0, 16),
      period: rootPeriod,
      wrap: (key, named) => wrapTo(root, key, contextOf(named)),
    })
  }
  const [signer, kms] = [openSigner(dir, 'authority.pem', false), await openLocalKms(dir)]
  if (!signer || !kms) {
    throw new KeyError(
      `there are no keys in ${dir} to seal backups to`,
      'Make them with `douane keys init`, or name a `recipient`: `douane backup keys` prints it.',
    )
  }
  const recipients = new LocalRecipients(new RecipientFolder(dir, signer), kms)
  return (retention, atMs) => {
    const { id, period, publicKey } = recipients.current('*', `backup:${region}`, retention, atMs)
    const wrap = (key: Buffer, named: Named) => hpkeSeal(publicKey, info, canonical(contextOf(named)), key)
    return { recipient: id, period, wrap }
  }
}

/** What signs backups; made at the first one. */
export const backupSigner = (dir: string): Signer => openSigner(dir, 'backups.pem', true)!

/** The decrypt side: opens part keys. Private halves that were opened are kept. */
export class PartOpener {
  readonly #holder: KeyHolder
  readonly #opened = new Map<string, KeyObject>()

  constructor(holder: KeyHolder) {
    this.#holder = holder
  }

  /** Undefined: the key was destroyed, as its period was over. Rejects with `KeyError` where it is not here. */
  async open(head: PartHead): Promise<Buffer | undefined> {
    const { recipient, period } = head
    const sealed = Buffer.from(head.sealed, 'base64url')
    const { folder, providers } = this.#holder
    if (period === rootPeriod) {
      const local = providers.get('local') ?? this.#missing(head)
      return local.unwrap(sealed, contextOf(head)).catch(() => this.#missing(head))
    }
    if (folder.isDestroyed(period, recipient)) return undefined
    let key = this.#opened.get(recipient)
    if (!key) {
      const document = folder.read(period, recipient)
      if (!document) return this.#missing(head)
      const secret = await unwrapRecipient(providers, document)
      key = privateKeyOf(secret)
      secret.fill(0)
      this.#opened.set(recipient, key)
    }
    return hpkeOpen(key, info, canonical(contextOf(head)), sealed)
  }

  #missing({ part, recipient }: PartHead): never {
    throw new KeyError(
      `the key of part ${part} of the backup is not here (${recipient})`,
      `Name the keys folder that it was sealed to with --keys. Here: ${this.#holder.dir}.`,
    )
  }
}
