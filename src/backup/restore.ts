/**
 * Loads a backup into an empty database, of this version of PostgreSQL or a newer one, and proves that what is there
 * is what was in the backup.
 *
 * The tables are made as the backup's version of the schema had them, filled in one transaction, and then brought up
 * to date. Interrupted, the database has empty tables, and the same command begins anew. What the backup holds of
 * erased subjects cannot be opened and is left out; what became due since goes at the end, as each night.
 */
import pg from 'pg'
import {
  continueIdentities,
  digestTable,
  loadRows,
  type RowDigest,
  useDumpTexts,
} from '../../exporters/postgres/dump.ts'
import { migrate, schemaVersion, versionOf } from '../../exporters/postgres/schema.ts'
import { ConfigError, DependencyError, KeyError } from '../errors.ts'
import { isDue, type ManifestPart } from './manifest.ts'
import { type BackupReader, type BackupTally, partRows } from './open.ts'

export async function restoreBackup(client: pg.Client, schema: string, reader: BackupReader): Promise<BackupTally> {
  const { manifest } = reader
  if (manifest.schema_version > schemaVersion) {
    throw new DependencyError(
      `the backup is of version ${manifest.schema_version} of the tables, and this Douane knows ${schemaVersion}`,
      'Run the version of Douane that made it, or a later one.',
    )
  }
  await makeEmpty(client, schema, manifest.schema_version)
  await useDumpTexts(client)
  await client.query('BEGIN')
  try {
    for (const part of manifest.parts) {
      if (isDue(part, reader.nowMs, reader.purposeRetention)) reader.tally.expired += part.rows
      else await loadPart(client, schema, reader, part)
    }
    for (const [table, digest] of reader.tally.digests) await compare(client, schema, reader, table, digest)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
  await migrate(client, schema)
  return reader.tally
}

/** Makes the tables, or takes those that an interrupted restore left. Throws `ConfigError` where anything is in them. */
async function makeEmpty(client: pg.Client, schema: string, version: number): Promise<void> {
  const name = pg.escapeIdentifier(schema)
  const there = await versionOf(client, name)
  if (there === 0) return migrate(client, schema, version)
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'
       AND relname <> 'schema_version'`,
    [name],
  )
  let isEmpty = there === version
  for (const table of isEmpty ? tables : []) {
    const { rowCount } = await client.query(`SELECT FROM ${name}.${pg.escapeIdentifier(table.name)} LIMIT 1`)
    if (rowCount) isEmpty = false
  }
  if (isEmpty) return
  throw new ConfigError(
    `the database has a store in its schema ${schema} already`,
    [],
    'Restore into an empty database: make one and name it with --database, or --url.',
  )
}

async function loadPart(client: pg.Client, schema: string, reader: BackupReader, part: ManifestPart): Promise<void> {
  const columns = reader.manifest.columns[part.table]
  if (!columns) throw new KeyError(`the manifest says nothing of the columns of ${part.table}`)
  const name = pg.escapeIdentifier(schema)
  if (part.leaf) {
    const { retention, starts, ends } = part.leaf
    await client.query(`SELECT ${name}.ensure_partition($1, $2, $3, $4)`, [part.purpose, retention, starts, ends])
  }
  const texts = async function* () {
    for await (const { text } of partRows(reader, part)) yield text
  }
  await loadRows(client, schema, part.table, columns, texts())
  await continueIdentities(client, schema, part.table)
}

/** What is in the table now, against what was in the backup. */
async function compare(
  client: pg.Client,
  schema: string,
  { manifest }: BackupReader,
  table: string,
  expected: RowDigest,
): Promise<void> {
  const found = await digestTable(client, schema, table, manifest.columns[table]!)
  if (found.rows === expected.rows && found.toString() === expected.toString()) return
  throw new DependencyError(
    `the table ${table} does not hold what the backup holds: ${found.rows} rows of ${expected.rows}, or other content`,
    'Nothing was restored. Please report it.',
  )
}
