import { readFile, rm, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyBackup } from '../../src/backup/open.ts'
import { PartOpener } from '../../src/backup/recipients.ts'
import { restoreBackup } from '../../src/backup/restore.ts'
import { KeyError } from '../../src/errors.ts'
import { nowMs, readAll, startServer, type TestServer } from '../exporters/postgres/fixture.ts'
import { Backups, dayMs, fill, type Keys, makeKeys, type Row } from './fixture.ts'

let server: TestServer
let root: string
let keys: Keys
beforeAll(async () => {
  server = await startServer()
  root = dirname(server.folder)
  keys = await makeKeys(root)
})
afterAll(() => server.close())

let databases = 0
async function backups(rows: readonly Row[]): Promise<{ database: string; kept: Backups }> {
  const database = `source${++databases}`
  await fill(server, database, rows)
  return { database, kept: new Backups(server, database, keys, join(root, `backups${databases}`)) }
}

const some: readonly Row[] = [
  { purpose: 'security', atMs: nowMs, text: 'tab\there, newline\nthere, back\\slash, \u0000 and \ue000' },
  { purpose: 'security', atMs: nowMs - 40 * dayMs, text: 'older', tenant: 'globex' },
  { purpose: 'support', atMs: nowMs - 3 * dayMs, text: 'about somebody', ref: 'AAAAAAAAAAAAAAAAAAAAAA' },
  { purpose: 'support', atMs: nowMs - 20 * dayMs, text: 'old', ref: 'BBBBBBBBBBBBBBBBBBBBBB', tenant: 'a\tb\\' },
  { purpose: 'usage', atMs: nowMs - dayMs, text: 'active' },
]

/** Restores into a database of its own, and reads it back. */
async function restore(kept: Backups, reader = kept.reader) {
  const database = `restored${++databases}`
  await server.embedded.makeDatabase(database)
  const client = new pg.Client(server.embedded.connection(database))
  await client.connect()
  try {
    const tally = await restoreBackup(client, 'douane', reader.call(kept, await kept.shelf.find(undefined)))
    return { tally, database }
  } finally {
    await client.end()
  }
}

describe('a backup', () => {
  test('gives back every row as it was', async () => {
    const { database, kept } = await backups(some)
    const manifest = await kept.run()
    expect(manifest.parts.filter(({ table }) => table === 'logs').reduce((sum, { rows }) => sum + rows, 0)).toBe(5)
    const { tally, database: restored } = await restore(kept)
    expect(tally).toMatchObject({ expired: 0, erased: 0 })
    expect(await readAll(server, restored)).toEqual(await readAll(server, database))
  })
  test('shows nothing in the clear', async () => {
    const { kept } = await backups(some)
    await kept.run()
    for (const file of await kept.files()) {
      const text = await readFile(file, 'latin1')
      for (const word of ['somebody', 'active', 'acme', 'globex', 'AAAAAAAA']) expect(text).not.toContain(word)
    }
  })
})
