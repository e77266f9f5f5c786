import { randomFillSync } from 'node:crypto'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addHold } from '../../exporters/postgres/legal_holds.ts'
import { migrate } from '../../exporters/postgres/schema.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { FolderPlace } from '../../src/backup/folder_place.ts'
import { subjectSecrets } from '../../src/backup/jobs.ts'
import type { Manifest } from '../../src/backup/manifest.ts'
import { type BackupReader, verifyBackup } from '../../src/backup/open.ts'
import { PartOpener } from '../../src/backup/recipients.ts'
import { restoreBackup } from '../../src/backup/restore.ts'
import { runBackup } from '../../src/backup/run.ts'
import { ConfigError, DependencyError, KeyError } from '../../src/errors.ts'
import { eraseSubject } from '../../src/keys/erasure.ts'
import { openLocalKms } from '../../src/keys/kms.ts'
import { destroyKeys, listKeys } from '../../src/keys/operations.ts'
import { sodiumReady } from '../../src/keys/sodium_heap.ts'
import { SubjectKeys } from '../../src/keys/subjects.ts'
import { parseRetention, retentionEndMs } from '../../src/units.ts'
import { nowMs, optionsFor, readAll, startServer, type TestServer } from '../exporters/postgres/fixture.ts'
import { Backups, dayMs, fill, type Keys, makeKeys, promises, type Row } from './fixture.ts'

let server: TestServer
let root: string
let keys: Keys
beforeAll(async () => {
  server = await startServer()
  root = dirname(server.folder)
  keys = await makeKeys(root)
  await fill(server, 'some', some)
})
afterAll(() => server.close())

let numbers = 0
/** A place of its own for backups of a database. */
const backupsOf = (database: string, of = keys) => new Backups(server, database, of, join(root, `backups${++numbers}`))

const some: readonly Row[] = [
  { purpose: 'security', atMs: nowMs, text: 'tab\there, newline\nthere, back\\slash, \u0000 and \ue000' },
  { purpose: 'security', atMs: nowMs - 40 * dayMs, text: 'older', tenant: 'globex' },
  { purpose: 'support', atMs: nowMs - 3 * dayMs, text: 'about somebody', ref: 'AAAAAAAAAAAAAAAAAAAAAA' },
  { purpose: 'support', atMs: nowMs - 20 * dayMs, text: 'old', ref: 'BBBBBBBBBBBBBBBBBBBBBB', tenant: 'a\tb\\' },
  { purpose: 'usage', atMs: nowMs - dayMs, text: 'active' },
]

/** Restores the newest backup into a database of its own, or into the one that is named. */
async function restore(kept: Backups, more: Partial<BackupReader> = {}, into?: string) {
  const database = into ?? `restored${++numbers}`
  await server.embedded.makeDatabase(database)
  const client = new pg.Client(server.embedded.connection(database))
  await client.connect()
  try {
    const tally = await restoreBackup(client, 'douane', kept.reader(await kept.shelf.find(undefined), more))
    return { tally, database }
  } finally {
    await client.end()
  }
}

const rowsIn = ({ parts }: Manifest) => parts.reduce((sum, { rows }) => sum + rows, 0)
const textsOf = async (database: string) => (await readAll(server, database)).map(({ body }) => body).toSorted()

describe('a backup', () => {
  test('gives back every row and the books, and numbers go on behind them', async () => {
    const kept = backupsOf('some')
    const place = { options: optionsFor('some'), folder: server.folder }
    const hold = { reason: 'case', until: new Date(nowMs + dayMs), who: 'me' }
    await withStore(place, (client, schema) => addHold(client, schema, { ...hold, tenant: 'nobody' }))
    const manifest = await kept.run()
    expect(manifest.parts.filter(({ table }) => table === 'logs').reduce((sum, { rows }) => sum + rows, 0)).toBe(5)
    const { tally, database: restored } = await restore(kept)
    expect(tally).toMatchObject({ expired: 0, erased: 0 })
    expect(await readAll(server, restored)).toEqual(await readAll(server, 'some'))
    const books =
      'SELECT (SELECT count(*) FROM batches)::int AS batches, (SELECT max(id) FROM legal_holds)::int AS holds'
    expect(await server.sql(restored, books)).toEqual([{ batches: 1, holds: 1 }])
    const there = { options: optionsFor(restored), folder: server.folder }
    expect((await withStore(there, (client, schema) => addHold(client, schema, hold))).id).toBe('2')
  })
  test('shows nothing in the clear', async () => {
    const kept = backupsOf('some')
    await kept.run()
    for (const file of await kept.files()) {
      const text = await readFile(file, 'latin1')
      for (const word of ['somebody', 'active', 'acme', 'globex', 'AAAAAAAA']) expect(text).not.toContain(word)
    }
  })
  test('of an older version of the tables is brought up to date', async () => {
    await server.embedded.makeDatabase('older')
    const client = new pg.Client(server.embedded.connection('older'))
    await client.connect()
    await migrate(client, 'douane', 1)
    const day = new Date(Math.floor(nowMs / dayMs) * dayMs)
    const next = new Date(day.getTime() + dayMs)
    await client.query(`SELECT douane.ensure_partition('usage', '6d', $1, $2)`, [day, next])
    await client.query(
      `INSERT INTO douane.logs (time, stored, severity_number, time_nanos, purpose, retention, tenant, body, attributes, resource)
       VALUES ($1, $1, 9, 0, 'usage', '6d', 'acme', 'of version 1', '{}', '{}')`,
      [new Date(nowMs)],
    )
    const kept = backupsOf('older')
    const manifest = (await runBackup(client, 'douane', await kept.options()))!
    expect(manifest.schema_version).toBe(1)
    await client.end()
    const { database } = await restore(kept)
    expect(await textsOf(database)).toEqual(['of version 1'])
    const newer = { ...manifest, schema_version: 1000 }
    await expect(restoreBackup(client, 'douane', kept.reader(newer))).rejects.toThrow(/version 1000 of the tables/)
  })
  test('is not loaded into a database that holds something', async () => {
    const kept = backupsOf('some')
    await kept.run()
    await expect(restore(kept, {}, 'some')).rejects.toThrow(ConfigError)
    expect(await textsOf('some')).toHaveLength(5)
  })
  test('loads into a database where a restore was cut short', async () => {
    const kept = backupsOf('some')
    const manifest = await kept.run()
    const last = join(kept.folder, 'postgres.eu_de', manifest.id, manifest.parts.at(-1)!.name)
    const whole = await readFile(last)
    await truncate(last, 100)
    await expect(restore(kept, {}, 'again')).rejects.toThrow(KeyError)
    await kept.shelf.put(manifest.id, manifest.parts.at(-1)!.name, whole)
    await restore(kept, {}, 'again')
    expect(await textsOf('again')).toEqual(await textsOf('some'))
  })
  test('that was interrupted is none, and the next one is whole', async () => {
    const kept = backupsOf('some')
    for (const failing of [1, 3, 6]) {
      const place = new FailingPlace(kept.folder, failing)
      const cut = new Backups(server, 'some', keys, kept.folder, place)
      await expect(cut.run()).rejects.toThrow('no space')
      await expect(kept.shelf.find(undefined)).rejects.toThrow(/no whole backup/)
    }
    expect([...(await kept.shelf.objects()).values()].some((objects) => objects.has('manifest.json'))).toBe(false)
    await kept.run()
    expect((await verifyBackup(kept.reader(await kept.shelf.find(undefined)))).rows).toBeGreaterThan(5)
  })
})

class FailingPlace extends FolderPlace {
  #left: number
  constructor(folder: string, failing: number) {
    super(folder)
    this.#left = failing
  }
  override put(name: string, bytes: Uint8Array): Promise<void> {
    if (--this.#left === 0) return Promise.reject(new DependencyError('no space'))
    return super.put(name, bytes)
  }
}

describe('a backup that was changed', () => {
  let kept: Backups
  let id: string
  let parts: string[]
  beforeAll(async () => {
    kept = backupsOf('some')
    const manifest = await kept.run()
    id = manifest.id
    parts = manifest.parts.map(({ name }) => name)
  })
  const fileOf = (name: string) => join(kept.folder, 'postgres.eu_de', id, name)
  const verify = async (sealed = false) => {
    const { opener, ...reader } = kept.reader(await kept.shelf.find(id))
    return verifyBackup({ ...reader, ...(!sealed && opener && { opener }) })
  }
  /** Does something to a file, sees what is said, and puts it back. */
  async function told(name: string, change: (file: string) => Promise<unknown>, sealed?: boolean): Promise<unknown> {
    const before = await readFile(fileOf(name))
    await change(fileOf(name))
    try {
      return await verify(sealed).then(
        () => 'whole',
        (error: unknown) => error,
      )
    } finally {
      await writeFile(fileOf(name), before)
    }
  }

  test('is refused wherever a bit was changed, with keys and without', async () => {
    for (const name of [...parts, 'manifest.json']) {
      for (const [at, sealed] of [[3], [40], [-1], [-1, true]] as const) {
        expect(await told(name, (file) => kept.damage(file, at), sealed)).toBeInstanceOf(KeyError)
      }
    }
    expect(await verify()).toMatchObject({ parts: parts.length })
  })
  test('is refused when a part is cut off, gone, empty, or another one of it', async () => {
    const other = await readFile(fileOf(parts.at(-2)!))
    for (const change of [
      (file: string) => truncate(file, 200),
      (file: string) => truncate(file, 0),
      (file: string) => rm(file),
      () => kept.shelf.put(id, parts.at(-1)!, other),
    ]) {
      const error = await told(parts.at(-1)!, change)
      expect(error).toBeInstanceOf(KeyError)
      expect((error as KeyError).message).toMatch(new RegExp(`part ${parts.at(-1)} of the backup ${id}`))
    }
  })
  test('is refused by whoever does not know its signer, and without its key', async () => {
    const others = await makeKeys(root, 'others')
    const foreign = new Backups(server, 'none', others, kept.folder)
    await expect(foreign.shelf.find(id)).rejects.toThrow(/another gateway made it/)
    const reader = kept.reader(await kept.shelf.find(id), { opener: new PartOpener(others.holder) })
    await expect(verifyBackup(reader)).rejects.toThrow(/the key of part 0001 of the backup is not here/)
  })
})

describe('to whom a backup is sealed', () => {
  test('another keys folder, which alone opens it, with its passphrase', async () => {
    const apart = await makeKeys(root, 'apart', 'correct horse')
    const kept = backupsOf('some')
    const recipient = `x25519:${(await openLocalKms(apart.dir))!.rootPublic}`
    const manifest = await kept.run({ recipient })
    await expect(verifyBackup(kept.reader(manifest))).rejects.toThrow(KeyError)
    expect((await verifyBackup(kept.reader(manifest, { opener: new PartOpener(apart.holder) }))).rows).toBe(
      rowsIn(manifest),
    )
    const wrong = await openLocalKms(apart.dir, { passphrase: 'wrong' })
    const guessed = new PartOpener({ ...apart.holder, providers: new Map([['local', wrong!]]) })
    await expect(verifyBackup(kept.reader(manifest, { opener: guessed }))).rejects.toThrow(KeyError)
  })
  test('keys of the periods of its rows: one that is destroyed takes its rows along', async () => {
    const own = await makeKeys(root, 'periods')
    const kept = backupsOf('some', own)
    const manifest = await kept.run()
    const used = listKeys(own.holder, nowMs).filter(({ region }) => region === 'backup:eu-de')
    expect(new Set(used.map(({ retention }) => retention))).toEqual(new Set(['18mo', '1mo', '6d', '']))
    const day = used.find(({ period }) => period === new Date(nowMs - 20 * dayMs).toISOString().slice(0, 10))!
    await destroyKeys(own.holder, [day], { reason: 'over' }, nowMs)
    const { tally, database } = await restore(kept)
    expect(tally).toMatchObject({ expired: 1, erased: 0 })
    expect(await textsOf(database)).not.toContain('old')
    expect(rowsIn(manifest)).toBe(tally.rows + 1)
  })
})

describe('what is about a person', () => {
  test('needs his secret: once he is erased, no backup gives it back, to nobody', async () => {
    await sodiumReady
    const own = await makeKeys(root, 'people')
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const subjects = new SubjectKeys({ dir: own.dir, worker: '1', nowMs: () => nowMs, random: randomFillSync, log })
    const [jane, john] = [subjects.of('acme', 'jane').ref, subjects.of('acme', 'john').ref]
    subjects.flush()
    const rows: Row[] = [jane, john].flatMap((ref, person) => [
      { purpose: 'support', atMs: nowMs - dayMs, text: `canary ${person} a`, ref },
      { purpose: 'security', atMs: nowMs - 90 * dayMs, text: `canary ${person} b`, ref },
    ])
    await fill(server, 'people', rows)
    const kept = backupsOf('people', own)
    await kept.run({ secretOf: (await subjectSecrets([own.dir])).of })
    expect((await restore(kept, { secretOf: (await subjectSecrets([own.dir])).of })).tally).toMatchObject({ erased: 0 })
    const { dir, holder } = own
    const how = { dir, signer: holder.signer, keysFolders: [dir], reason: 'asked to', nowMs }
    await eraseSubject({ tenant: 'acme', id: 'jane' }, how)
    subjects.close()
    const secretOf = (await subjectSecrets([dir])).of
    const { tally, database: restored } = await restore(kept, { secretOf })
    expect(tally).toMatchObject({ erased: 2 })
    expect(await textsOf(restored)).toEqual(['canary 1 a', 'canary 1 b'])
    // Whoever has all keys but her secret, and ignores that she was erased, gets no further.
    const ignoring = kept.reader(await kept.shelf.find(undefined), {
      secretOf: (about) => (about.ref === jane ? Buffer.alloc(32) : secretOf(about)),
    })
    await expect(verifyBackup(ignoring)).rejects.toThrow(KeyError)
    // Her rows are still in the store here; a backup of today leaves them out.
    expect(await textsOf('people')).toContain('canary 0 a')
    const today = await kept.run({ secretOf, nowMs: nowMs + 1000 })
    expect(today.parts.reduce((sum, { table, rows: n }) => sum + (table === 'logs' ? n : 0), 0)).toBe(2)
  })
})

describe('how long', () => {
  const ends = ({ expires }: { expires?: string }) => (expires === undefined ? undefined : Date.parse(expires))

  test('rows that are due while the backup is kept lie apart, by day; what is due already is left out', async () => {
    const row = (day: number) => ({ purpose: 'usage', atMs: nowMs - day * dayMs, text: `day ${day}` })
    await fill(server, 'days', [8, 5].map(row), nowMs - 7 * dayMs)
    await fill(server, 'days', [3, 2, 1, 0].map(row))
    const kept = backupsOf('days')
    const manifest = await kept.run({ keep: parseRetention('3d') })
    const usage = manifest.parts.filter(({ purpose }) => purpose === 'usage')
    // Six days each: only what is 5 days old is due before the backup is over; 8 days are too old.
    expect(usage.map((part) => [part.rows, ends(part) !== undefined]).toSorted()).toEqual([
      [1, false],
      [1, false],
      [1, false],
      [1, false],
      [1, true],
    ])
    for (const part of usage) {
      const dayEndMs = Date.parse(part.leaf!.ends!)
      const dueMs = retentionEndMs(dayEndMs - 1, parseRetention(promises['usage']!))
      const goneMs = Math.min(ends(part) ?? Number.POSITIVE_INFINITY, Date.parse(manifest.kept_until))
      expect(goneMs).toBeLessThanOrEqual(dueMs)
    }
    const { database: restored } = await restore(kept)
    expect(await textsOf(restored)).toEqual(['day 0', 'day 1', 'day 2', 'day 3', 'day 5'])
    // Two days later the part of one day is due: it is not loaded, deleted or not.
    const later = await restore(kept, { nowMs: nowMs + 2 * dayMs })
    expect(later.tally.expired).toBe(1)
    expect(await textsOf(later.database)).toEqual(['day 0', 'day 1', 'day 2', 'day 3'])
  })
  test('a tenant with a shorter promise has parts of its own; what a hold keeps is backed up', async () => {
    const rows = ['acme', 'globex'].map((tenant) => ({
      purpose: 'support',
      atMs: nowMs - 4 * dayMs,
      text: `of ${tenant}`,
      tenant,
    }))
    await fill(server, 'tenants', rows)
    const kept = backupsOf('tenants')
    const retentionOf = (purpose: string, tenant: string) => (tenant === 'globex' ? '3d' : promises[purpose])
    const shorter = await kept.run({ retentionOf })
    expect(shorter.parts.filter(({ purpose }) => purpose === 'support')).toMatchObject([{ rows: 1, retention: '1mo' }])
    const hold = { tenant: 'globex', reason: 'case', until: new Date(nowMs + dayMs), who: 'me' }
    const place = { options: optionsFor('tenants'), folder: server.folder }
    await withStore(place, (client, schema) => addHold(client, schema, hold))
    const held = await kept.run({ retentionOf, nowMs: nowMs + 1000 })
    expect(held.parts.filter(({ purpose }) => purpose === 'support').map(({ rows }) => rows)).toEqual([1, 1])
  })
})
