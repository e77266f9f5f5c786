/**
 * What a backup is made of. The manifest is written last: a backup without one was interrupted and is no backup.
 *
 * It is signed with the gateway's key for backups (`keys/backups.pem`), because anybody can seal to a public key: what
 * opens is secret, but only the signature says who made it. It names purposes, times and numbers of rows, no tenant,
 * no person and no value.
 */
import type { KeyObject } from 'node:crypto'
import { KeyError } from '../errors.ts'
import { parseDocument } from '../keys/files.ts'
import { isSignedBy, type Signer, signDocument } from '../keys/signature.ts'
import { compareRetention, parseRetention, type Retention, retentionEndMs } from '../units.ts'

export interface ManifestPart {
  /** Its object's name within the backup. */
  readonly name: string
  readonly table: string
  readonly rows: number
  /** Sum of the rows' hashes. */
  readonly digest: string
  /** Of the object. */
  readonly bytes: number
  readonly sha256: string
  readonly purpose?: string
  /** The promise that holds for these rows, as the policy wrote it. */
  readonly retention?: string
  /** The partition that the rows come from: as `ensure_partition` makes it. */
  readonly leaf?: { readonly retention: string; readonly starts: string | null; readonly ends: string | null }
  /** From then on the part is deleted. */
  readonly expires?: string
}

export interface Manifest {
  readonly format: 'douane-backup/1'
  readonly id: string
  readonly store: string
  readonly region: string
  readonly made: string
  /** From then on the whole backup is deleted. */
  readonly kept_until: string
  readonly policy_version: string
  readonly postgres: string
  readonly schema_version: number
  readonly columns: Readonly<Record<string, readonly string[]>>
  readonly parts: readonly ManifestPart[]
  readonly signature?: string
}

export const manifestName = 'manifest.json'

export const signManifest = (manifest: Manifest, signer: Signer): Buffer =>
  Buffer.from(`${JSON.stringify(signDocument(manifest, signer.privateKey), null, 1)}\n`)

/** Throws `KeyError` for a manifest that was changed, is another's, or was signed by somebody else. */
export function readManifest(bytes: Buffer, id: string, signers: readonly KeyObject[]): Manifest {
  const manifest = parseDocument<Manifest>(bytes.toString('utf8'), 'douane-backup/1', `the manifest of ${id}`)
  if (manifest.id !== id) throw new KeyError(`the manifest of ${id} belongs to another backup`)
  if (signers.some((signer) => isSignedBy(manifest, signer))) return manifest
  throw new KeyError(
    `the manifest of ${id} was changed, or another gateway made it`,
    'If it is of another gateway, name its signer: --trust ed25519:… (`douane backup keys` there prints it).',
  )
}

/** Today's promise for a purpose, for tenants without a shorter one; undefined: the policy does not know it. */
export type PurposeRetention = (purpose: string) => Retention | undefined

const dayMs = 86_400_000

/** Whether a part is to be deleted: its rows are due, or its purpose is kept for less today and its first day is due. */
export function isDue(
  { expires, purpose, retention, leaf }: ManifestPart,
  nowMs: number,
  of: PurposeRetention,
): boolean {
  if (expires !== undefined && Date.parse(expires) <= nowMs) return true
  const today = purpose === undefined ? undefined : of(purpose)
  if (!today || !leaf) return false
  if (retention !== undefined && compareRetention(today, parseRetention(retention)) >= 0) return false
  return leaf.starts === null || retentionEndMs(Date.parse(leaf.starts) + dayMs, today) <= nowMs
}

/** Records and bytes of a backup, for people and logs. */
export const sizeOf = ({ parts }: Manifest): { records: number; bytes: number; parts: number } => ({
  records: parts.reduce((sum, { table, rows }) => sum + (table === 'logs' ? rows : 0), 0),
  bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  parts: parts.length,
})
