/**
 * One person among many is erased: then everything that is there is searched for his canaries, with all keys that are
 * left. `DOUANE_ERASURE_ROWS` sets how many rows there are over three regions (200,000). Beyond 200,000, the rows of
 * everybody else are stored several times over, by PostgreSQL itself.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeValue } from '../../src/otlp/value.ts'
import { fill, promises, type Row } from '../backup/fixture.ts'
import { jsonHere, runHere } from '../e2e/here.ts'
import { makeWorld, regions, stores, tenant, type World } from '../subjects/fixture.ts'

const rowsAll = Number(process.env['DOUANE_ERASURE_ROWS'] ?? 200_000)
const rowsMade = Math.min(rowsAll, 200_000)
const rowsEach = 20
const batch = 4000
const [jane, john] = ['jane@example.com', 'john@example.com']
const dayMs = 86_400_000

let world: World
beforeAll(async () => {
  world = await makeWorld()
  for (const [i, store] of stores.entries()) {
    await fillStore(store, regions[i]!, Math.floor(rowsMade / stores.length))
    await multiply(store, Math.round(rowsAll / rowsMade))
  }
}, 3_600_000)
afterAll(() => world.close())

/** Rows of many people, a third of them sealed, over the last 20 days. Canaries say whose they are. */
async function fillStore(store: string, region: string, count: number): Promise<void> {
  const startMs = Date.now()
  const people = Math.ceil(count / rowsEach)
  for (let from = 0; from < count; from += batch) {
    const rows = Array.from({ length: Math.min(batch, count - from) }, (_, n): Row => {
      const person = (from + n) % people
      const id = person === 0 ? jane : person === 1 ? john : `person-${person}@example.com`
      const subject = world.sealer.of(tenant, id)
      const text = `canary of ${id}, ${from + n}`
      const row = { atMs: startMs - (((from + n) * 7919) % (20 * dayMs)), tenant, region, ref: subject.ref }
      if ((from + n) % 3 > 0) return { ...row, purpose: 'security', text, event: 'auth.login' }
      const context = { tenant, region, purpose: 'support', retention: promises['support']! }
      const value = encodeValue({ kind: 'string', value: text })
      return { ...row, purpose: 'support', text: world.sealer.seal(value, context, 'log.body', { subject }) }
    })
    await fill(world.server, store, rows, startMs)
  }
}

/** Each row of other people comes so many times. */
async function multiply(store: string, times: number): Promise<void> {
  if (times < 2) return
  const refs = [jane, john].map((id) => world.sealer.of(tenant, id).ref)
  await world.server.sql(
    store,
    'INSERT INTO logs SELECT l.* FROM logs l, generate_series(2, $1::int) WHERE subject_ref <> ALL($2)',
    [times, refs],
  )
}

const person = (id: string) => ['--tenant', tenant, '--id', id, '--reason', 'case 17', ...world.shared]
const records = (lines: readonly Record<string, unknown>[]) =>
  lines.filter((line) => 'store' in line).map((line) => Number(line['records']))

/** Everything below the data directory but PostgreSQL's own files. */
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((name) => !name.includes('/postgres/18/'))

/** Of each text: how many rows of all tables hold it. */
async function holding(database: string, texts: readonly string[]): Promise<number[]> {
  const tables = await world.server.sql(
    database,
    `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  )
  const found = texts.map(() => 0)
  const counts = texts.map((_, i) => `count(*) FILTER (WHERE strpos(l, $${i + 1}) > 0)::int AS n${i}`)
  for (const { name } of tables) {
    const [row] = await world.server.sql(
      database,
      `SELECT ${counts.join(', ')} FROM (SELECT t::text AS l FROM ${name} t OFFSET 0) lines`,
      [...texts],
    )
    for (const i of texts.keys()) found[i]! += Number(row![`n${i}`])
  }
  return found
}

it('leaves nothing of him to be read, and everything of everybody else', async () => {
  const before = records(await jsonHere(['subject', 'find', ...person(jane)]))
  const ofJohn = records(await jsonHere(['subject', 'find', ...person(john)]))
  for (const found of [...before, ...ofJohn]) expect(found).toBe(rowsEach)
  const refs = new Map<string, string>()
  for (const id of [jane, john]) {
    refs.set(id, String((await jsonHere(['subject', 'find', ...person(id)]))[0]!['subject_ref']))
  }
  const expectGone = async (database: string) => {
    const [named, called, other] = await holding(database, [jane, refs.get(jane)!, john])
    expect([named, called]).toEqual([0, 0])
    expect(other).toBeGreaterThan(0)
  }
  // What others may have: the backups, and copies of sealed rows that somebody took.
  const backupMs = performance.now()
  const backups = await jsonHere<{ bytes: number }>(['backup', 'run', ...world.shared])
  const bytes = backups.reduce((sum, each) => sum + each.bytes, 0)
  process.stdout.write(`backups: ${Math.round(performance.now() - backupMs)} ms, ${bytes} bytes\n`)
  const copies = await Promise.all(
    [jane, john].map((id) =>
      world.server.sql(
        'de',
        `SELECT json_build_object('tenant', tenant, 'region', region, 'purpose', purpose, 'body', body)::text AS line
        FROM logs WHERE subject_ref = $1 AND purpose = 'support'`,
        [refs.get(id)!],
      ),
    ),
  )
  const stored = await Promise.all(
    stores.map((store) => world.server.sql(store, 'SELECT count(*)::int AS n FROM logs')),
  )
  const total = stored.reduce((sum, [row]) => sum + Number(row!['n']), 0)
  expect(total).toBeGreaterThan(rowsAll * 0.99)
  const startMs = performance.now()
  const erased = await jsonHere(['subject', 'erase', ...person(jane), '--yes'])
  const erasedMs = performance.now() - startMs
  expect(records(erased)).toEqual(before)
  process.stdout.write(`${total} rows, ${before.length} regions: erased in ${Math.round(erasedMs)} ms\n`)

  for (const store of stores) {
    await expectGone(store)
  }
  for (const [i, store] of stores.entries()) {
    const where = ['--store', `postgres/${store}`, '--database', `old_${store}`, '--reason', 'search']
    const [restored] = await jsonHere<{ erased: number; rows: number }>([
      'backup',
      'restore',
      ...where,
      ...world.shared,
    ])
    expect(restored!.erased).toBe(before[i])
    await expectGone(`old_${store}`)
  }
  const copy = join(world.root, 'copy.jsonl')
  for (const [i, id] of [jane, john].entries()) {
    writeFileSync(copy, copies[i]!.map(({ line }) => `${line}\n`).join(''))
    const { stdout } = await runHere(['decrypt', copy, '--reason', 'search', '--data-dir', world.root])
    expect(stdout.includes('canary')).toBe(id === john)
  }
  const plain = filesOf(world.root).filter((file) => readFileSync(file).includes(jane))
  expect(plain).toEqual([])
}, 3_600_000)
