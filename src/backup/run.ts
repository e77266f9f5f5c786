/**
 * Makes one backup of a store: one snapshot, part by part, and the manifest at last.
 *
 * Memory holds one part (`backupPartBytesMax`) whatever the size of the store. Whatever fails leaves objects without a
 * manifest, which no command takes for a backup and `prune` removes.
 */
import { createHash } from 'node:crypto'
import pg from 'pg'
import { columnsOf, dumpRows, RowDigest, type RowSubject, useDumpTexts } from '../../exporters/postgres/dump.ts'
import { planDump, type Slice } from '../../exporters/postgres/dump_plan.ts'
import { versionOf } from '../../exporters/postgres/schema.ts'
import type { Signer } from '../keys/signature.ts'
import { limits } from '../limits.ts'
import { type Retention, retentionEndMs } from '../units.ts'
import { type Manifest, type ManifestPart, manifestName, signManifest } from './manifest.ts'
import { PartWriter, type SecretOf } from './part.ts'
import type { RecipientFor } from './recipients.ts'
import { newBackupId, type Shelf } from './shelf.ts'

export interface BackupRun {
  readonly shelf: Shelf
  readonly region: string
  readonly keep: Retention
  readonly nowMs: number
  readonly recipients: RecipientFor
  readonly signer: Signer
  readonly secretOf: SecretOf
  readonly retentionOf: (purpose: string, tenant: string) => string | undefined
  readonly policyVersion: string
  /** Ends it early, unfinished. */
  readonly signal?: AbortSignal
}

/**
 * `client` has the rights of the tables' owner, and its connection is of no use after a failure. Resolves with
 * undefined where another process is at it.
 */
export async function runBackup(client: pg.Client, schema: string, run: BackupRun): Promise<Manifest | undefined> {
  const lock = `douane backup ${schema} ${run.shelf.store}`
  const { rows } = await client.query('SELECT pg_try_advisory_lock(hashtext($1)) AS mine', [lock])
  if (!rows[0].mine) return undefined
  // In the middle of a COPY there is no other way to end it; the server lets go of the lock with the connection.
  const cut = () => (client as unknown as { connection: pg.Connection }).connection.stream.destroy()
  run.signal?.addEventListener('abort', cut)
  try {
    await useDumpTexts(client)
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const manifest = await new Making(client, schema, run).make()
    await client.query('COMMIT')
    await client.query('SELECT pg_advisory_unlock(hashtext($1))', [lock])
    return manifest
  } catch (error) {
    cut()
    throw error
  } finally {
    run.signal?.removeEventListener('abort', cut)
  }
}

class Making {
  readonly #client: pg.Client
  readonly #schema: string
  readonly #run: BackupRun
  readonly #id: string
  readonly #columns = new Map<string, readonly string[]>()
  readonly #parts: ManifestPart[] = []

  constructor(client: pg.Client, schema: string, run: BackupRun) {
    this.#client = client
    this.#schema = schema
    this.#run = run
    this.#id = newBackupId(run.nowMs)
  }

  async make(): Promise<Manifest> {
    const { shelf, nowMs, keep, region, policyVersion, retentionOf, signer } = this.#run
    const keptUntilMs = retentionEndMs(nowMs, keep)
    for (const slice of await planDump(this.#client, this.#schema, { nowMs, keptUntilMs, retentionOf })) {
      await this.#slice(slice)
    }
    const { rows } = await this.#client.query<{ server_version: string }>('SHOW server_version')
    const manifest: Manifest = {
      format: 'douane-backup/1',
      id: this.#id,
      store: shelf.store,
      region,
      made: new Date(nowMs).toISOString(),
      kept_until: new Date(keptUntilMs).toISOString(),
      policy_version: policyVersion,
      postgres: rows[0]!.server_version,
      schema_version: await versionOf(this.#client, pg.escapeIdentifier(this.#schema)),
      columns: Object.fromEntries(this.#columns),
      parts: this.#parts,
    }
    await shelf.put(this.#id, manifestName, signManifest(manifest, signer))
    return manifest
  }

  async #slice(slice: Slice): Promise<void> {
    const columns = this.#columns.get(slice.table) ?? (await columnsOf(this.#client, this.#schema, slice.table))
    this.#columns.set(slice.table, columns)
    let lines: Buffer[] = []
    let bytes = 0
    let subject: RowSubject | undefined
    let digest = new RowDigest()
    let writer: PartWriter | undefined
    const flush = async () => {
      if (lines.length === 0) return
      writer ??= this.#open(slice)
      const secret = subject ? this.#run.secretOf(subject) : 'unknown'
      // Of somebody who was erased nothing is backed up, also while his rows are still being deleted.
      if (secret !== 'destroyed') {
        await writer.add(Buffer.concat(lines), digest, subject, secret === 'unknown' ? undefined : secret)
      }
      lines = []
      bytes = 0
      digest = new RowDigest()
      if (!writer.isFull) return
      await this.#put(slice, writer)
      writer = undefined
    }
    for await (const { line, about } of dumpRows(this.#client, this.#schema, slice, columns)) {
      if (about !== subject || bytes >= limits.backupSectionBytesMax) await flush()
      subject = about
      digest.add(line)
      lines.push(line)
      bytes += line.length
    }
    await flush()
    if (writer) await this.#put(slice, writer)
  }

  get #nextName(): string {
    return String(this.#parts.length + 1).padStart(4, '0')
  }

  #open({ retention, atMs }: Slice): PartWriter {
    const { wrap, ...recipient } = this.#run.recipients(retention ?? '', atMs)
    const named = { backup: this.#id, part: this.#nextName }
    return new PartWriter({ ...named, ...recipient }, (key) => wrap(key, named))
  }

  async #put({ table, leaf, retention, expiresMs }: Slice, writer: PartWriter): Promise<void> {
    const object = writer.end()
    const name = this.#nextName
    await this.#run.shelf.put(this.#id, name, object)
    const iso = (date: Date | null) => date?.toISOString() ?? null
    this.#parts.push({
      name,
      table,
      rows: writer.digest.rows,
      digest: writer.digest.toString(),
      bytes: object.length,
      sha256: createHash('sha256').update(object).digest('hex'),
      ...(leaf && {
        purpose: leaf.purpose,
        leaf: { retention: leaf.retention, starts: iso(leaf.starts), ends: iso(leaf.ends) },
      }),
      ...(retention !== undefined && { retention }),
      ...(expiresMs !== undefined && { expires: new Date(expiresMs).toISOString() }),
    })
  }
}
