/**
 * A store with rows of several purposes, tenants and subjects, keys, and a folder for backups of it.
 */
import { mkdirSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withStore } from '../../exporters/postgres/session.ts'
import type { RetentionOf } from '../../exporters/postgres/shelves.ts'
import { FolderPlace } from '../../src/backup/folder_place.ts'
import type { Manifest } from '../../src/backup/manifest.ts'
import { type BackupReader, noTally } from '../../src/backup/open.ts'
import type { SecretOf } from '../../src/backup/part.ts'
import type { BackupPlace } from '../../src/backup/place.ts'
import { backupSigner, openRecipients, PartOpener } from '../../src/backup/recipients.ts'
import { type BackupRun, runBackup } from '../../src/backup/run.ts'
import { Shelf } from '../../src/backup/shelf.ts'
import { initKeys, type KeyHolder } from '../../src/keys/operations.ts'
import { parseRetention } from '../../src/units.ts'
import {
  batchOf,
  makeHost,
  never,
  nowMs,
  openStore,
  optionsFor,
  record,
  requestOf,
  type TestServer,
} from '../exporters/postgres/fixture.ts'

export const dayMs = 86_400_000
export const nanos = (ms: number) => BigInt(ms) * 1_000_000n

export const promises: Record<string, string> = { security: '18mo', support: '1mo', usage: '6d' }
export const promised: RetentionOf = (purpose) => promises[purpose]

export interface Row {
  readonly purpose: string
  readonly atMs: number
  readonly tenant?: string
  readonly ref?: string
  readonly region?: string
  readonly event?: string
  readonly user?: string
  readonly text: string
}

/** Stores rows as they come from a gateway, when its clock shows `clockMs`. */
export async function fill(server: TestServer, database: string, rows: readonly Row[], clockMs = nowMs): Promise<void> {
  const host = { ...makeHost(server.folder, promises), nowMs: () => clockMs }
  const store = await openStore(server, database, host)
  const records = rows.map(({ purpose, atMs, tenant = 'acme', ref, region, event, user, text }) => {
    const attributes = Object.entries({ 'douane.subject_ref': ref, 'enduser.id': user }).flatMap(([key, value]) =>
      value === undefined ? [] : [{ key, value: { stringValue: value } }],
    )
    const fields = { timeUnixNano: nanos(atMs), body: { stringValue: text }, attributes }
    return record(purpose, { ...fields, ...(event !== undefined && { eventName: event }) }, tenant, region)
  })
  const outcome = await store.send(batchOf(requestOf(records)), never)
  await store.close()
  if (outcome.is !== 'accepted') throw new Error(`not stored: ${outcome.is}`)
}

export interface Keys {
  readonly dir: string
  readonly holder: KeyHolder
}

export async function makeKeys(folder: string, name = 'keys', passphrase?: string): Promise<Keys> {
  const dir = join(folder, name)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const { holder } = await initKeys(dir, nowMs, { passphrase, scryptCost: 2 ** 10 })
  return { dir, holder }
}

export const noSecrets: SecretOf = () => 'unknown'

/** A shelf of backups, and what is done with it. */
export class Backups {
  readonly folder: string
  readonly keys: Keys
  readonly shelf: Shelf
  readonly #server: TestServer
  readonly #database: string

  constructor(server: TestServer, database: string, keys: Keys, folder: string, place?: BackupPlace) {
    this.#server = server
    this.#database = database
    this.keys = keys
    this.folder = folder
    this.shelf = new Shelf(place ?? new FolderPlace(folder), 'postgres/eu_de', [backupSigner(keys.dir).publicKey])
  }

  async options(more: Partial<BackupRun> & { recipient?: string } = {}): Promise<BackupRun> {
    return {
      shelf: this.shelf,
      region: 'eu-de',
      keep: parseRetention('30d'),
      nowMs,
      recipients: await openRecipients(this.keys.dir, 'eu-de', more.recipient),
      signer: backupSigner(this.keys.dir),
      secretOf: noSecrets,
      retentionOf: promised,
      policyVersion: 'v1',
      ...more,
    }
  }

  async run(more: Partial<BackupRun> & { recipient?: string } = {}): Promise<Manifest> {
    const run = await this.options(more)
    const place = { options: optionsFor(this.#database), folder: this.#server.folder }
    return (await withStore(place, (client, schema) => runBackup(client, schema, run)))!
  }

  reader(manifest: Manifest, more: Partial<BackupReader> = {}): BackupReader {
    return {
      shelf: this.shelf,
      manifest,
      nowMs,
      tally: noTally(),
      opener: new PartOpener(this.keys.holder),
      secretOf: noSecrets,
      purposeRetention: (purpose) => (promises[purpose] === undefined ? undefined : parseRetention(promises[purpose])),
      ...more,
    }
  }

  async files(): Promise<string[]> {
    const found = await readdir(this.folder, { recursive: true, withFileTypes: true })
    return found
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
  }

  /** Changes one byte of a file. */
  async damage(file: string, at: number): Promise<void> {
    const bytes = await readFile(file)
    bytes[at < 0 ? bytes.length + at : at]! ^= 1
    await writeFile(file, bytes)
  }

  clear(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }
}
