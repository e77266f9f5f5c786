/**
 * Reads a backup: every part is held against the manifest, opened, and counted. For `verify` and `restore`.
 */
import { createHash } from 'node:crypto'
import { RowDigest } from '../../exporters/postgres/dump.ts'
import { KeyError } from '../errors.ts'
import { isDue, type Manifest, type ManifestPart, type PurposeRetention } from './manifest.ts'
import { type OpenedRows, type PartTally, readHead, readPart, type SecretOf } from './part.ts'
import type { PartOpener } from './recipients.ts'
import type { Shelf } from './shelf.ts'

/** What was found in a backup. */
export interface BackupTally {
  parts: number
  rows: number
  /** Rows of parts that were deleted, or whose key was destroyed, because their retention is over. */
  expired: number
  /** Rows of subjects that were erased. */
  erased: number
  /** The rows that were opened, by table. */
  readonly digests: Map<string, RowDigest>
}
export const noTally = (): BackupTally => ({ parts: 0, rows: 0, expired: 0, erased: 0, digests: new Map() })

export interface BackupReader {
  readonly shelf: Shelf
  readonly manifest: Manifest
  readonly nowMs: number
  readonly tally: BackupTally
  /** Left out: objects are only held against their hashes. */
  readonly opener?: PartOpener
  readonly secretOf: SecretOf
  readonly purposeRetention: PurposeRetention
}

/** A part's bytes; undefined: it was deleted, as it had to be. Throws `KeyError` where it is missing or changed. */
async function bytesOf(
  { shelf, manifest, nowMs, purposeRetention }: BackupReader,
  part: ManifestPart,
): Promise<Buffer | undefined> {
  const bytes = await shelf.get(manifest.id, part.name)
  if (!bytes && isDue(part, nowMs, purposeRetention)) return undefined
  const what = bytes ? 'was changed or cut off' : 'is missing'
  if (!bytes || createHash('sha256').update(bytes).digest('hex') !== part.sha256) {
    throw new KeyError(
      `part ${part.name} of the backup ${manifest.id} ${what}`,
      'Use another backup; `douane backup verify` tells which ones are whole.',
    )
  }
  return bytes
}

/** The rows of one part, and what became of them in the tally. Throws `KeyError` for what is not as it was made. */
export async function* partRows(reader: BackupReader, part: ManifestPart): AsyncGenerator<OpenedRows, void, void> {
  const { manifest, opener, tally, secretOf } = reader
  const bytes = await bytesOf(reader, part)
  if (!bytes) {
    tally.expired += part.rows
    return
  }
  tally.parts++
  if (!opener) {
    tally.rows += part.rows
    return
  }
  const partKey = await opener.open(readHead(bytes, part.name).head)
  if (!partKey) {
    tally.expired += part.rows
    return
  }
  const found: PartTally = { digest: new RowDigest(), erased: 0 }
  const opened = new RowDigest()
  for await (const section of readPart(bytes, manifest.id, part.name, partKey, secretOf, found)) {
    opened.addLines(section.text)
    yield section
  }
  const isWhole = found.erased > 0 || opened.toString() === part.digest
  if (opened.toString() !== found.digest.toString() || opened.rows + found.erased !== part.rows || !isWhole) {
    throw new KeyError(`part ${part.name} of the backup ${manifest.id} holds other rows than it says`)
  }
  tally.rows += opened.rows
  tally.erased += found.erased
  const ofTable = tally.digests.get(part.table) ?? new RowDigest()
  ofTable.join(opened.toString(), opened.rows)
  tally.digests.set(part.table, ofTable)
}

/** Opens everything and keeps nothing. */
export async function verifyBackup(reader: BackupReader): Promise<BackupTally> {
  for (const part of reader.manifest.parts) for await (const _ of partRows(reader, part));
  return reader.tally
}
