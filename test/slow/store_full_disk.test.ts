/**
 * PostgreSQL's disk is full: batches are unavailable and none is half stored, until there is room again. The tables lie
 * in a tablespace of a file system of 24 MB: `SMALL_DISK=DIR` names one, root mounts one. Where neither can be, a
 * trigger raises what PostgreSQL raises: a stand-in, which the test says.
 */
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PostgresStore } from '../../exporters/postgres/store.ts'
import {
  batchOf,
  never,
  openStore,
  readAll,
  record,
  requestOf,
  startServer,
  type TestServer,
} from '../exporters/postgres/fixture.ts'

const database = 'full_disk'
let server: TestServer
let small: string | undefined
let unmount = () => {}

function smallDisk(): string | undefined {
  const given = process.env['SMALL_DISK']
  if (given !== undefined) return given
  const folder = mkdtempSync(join(tmpdir(), 'douane-small-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=755', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
  unmount = () => {
    execFileSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true })
  }
  return folder
}

beforeAll(async () => {
  server = await startServer()
  small = smallDisk()
  await server.embedded.makeDatabase(database)
  if (small === undefined) {
    console.log('no small disk: a trigger stands in for it')
    return
  }
  const space = join(small, 'space')
  mkdirSync(space, { mode: 0o700 })
  const { uid, gid } = statSync(join(server.folder, '18', 'data'))
  chownSync(space, uid, gid)
  await server.sql('postgres', `CREATE TABLESPACE small LOCATION '${space}'`)
  await server.sql('postgres', `ALTER DATABASE ${database} SET default_tablespace = small`)
})
afterAll(async () => {
  await server.close()
  unmount()
})

const body = 'x'.repeat(1500)
const batch = (purpose: string, n: number) =>
  batchOf(
    requestOf(Array.from({ length: 1000 }, () => record(purpose, { body: { stringValue: body } }))),
    `${purpose}-${n}`,
  )

/** Sends until the disk is full; gives how many batches were stored. */
async function fill(store: PostgresStore, purpose: string): Promise<number> {
  for (let n = 0; n < 60; n++) {
    if (small === undefined && n === 5) await standIn(purpose)
    const outcome = await store.send(batch(purpose, n), never)
    if (outcome.is === 'accepted') continue
    expect(outcome).toEqual({ is: 'unavailable', reason: 'its disk is full (53100)' })
    return n
  }
  throw new Error('the disk did not get full')
}

async function standIn(purpose: string): Promise<void> {
  await server.sql(
    database,
    `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$`,
  )
  await server.sql(
    database,
    `CREATE TRIGGER full_disk BEFORE INSERT ON logs_${purpose}__unlimited__202611 EXECUTE FUNCTION full_disk()`,
  )
}

test('nothing is half stored, and the next attempt after there is room stores all', async () => {
  const store = await openStore(server, database)
  const first = await store.send(batch('support', 0), never)
  expect(first.is).toBe('accepted')
  const stored = await fill(store, 'usage')
  expect(stored).toBeGreaterThan(0)
  for (let attempt = 0; attempt < 3; attempt++) {
    expect((await store.send(batch('usage', stored), never)).is).toBe('unavailable')
  }
  expect(await readAll(server, database, { purpose: 'usage' })).toHaveLength(stored * 1000)
  // Retention makes room: a partition is dropped.
  await server.sql(database, 'DROP TABLE logs_support__unlimited__202611')
  if (small === undefined) await server.sql(database, 'DROP TRIGGER full_disk ON logs_usage__unlimited__202611')
  await server.sql(database, 'CHECKPOINT')
  expect(await store.send(batch('usage', stored), never)).toEqual({ is: 'accepted' })
  expect(await store.send(batch('usage', stored), never)).toEqual({ is: 'accepted' })
  await store.close()
  expect(await readAll(server, database, { purpose: 'usage' })).toHaveLength((stored + 1) * 1000)
})
