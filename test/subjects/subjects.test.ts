import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StoredRecord } from '../../exporters/postgres/query.ts'
import { loadAccepted } from '../../src/commands/common.ts'
import { jsonToWire } from '../../src/otlp/json.ts'
import { ErasedSweep } from '../../src/subjects/sweep.ts'
import { fill } from '../backup/fixture.ts'
import { examplesOf, followsExample } from '../docs/worked_example.ts'
import { until } from '../e2e/gateway.ts'
import { jsonHere, runHere } from '../e2e/here.ts'
import { canaryOf, fillAll, makeWorld, people, regions, stores, tenant, unreferenced, type World } from './fixture.ts'

let world: World
/** Jane is the one of docs/subjects.md. */
const [, john, mary] = people
beforeAll(async () => {
  world = await makeWorld()
  await fillAll(world, 3)
})
afterAll(() => world.close())

const about = (id: string) => ['--tenant', tenant, '--id', id, '--reason', 'case 17', ...world.shared]
const subject = (verb: string, id: string, ...more: string[]) => runHere(['subject', verb, ...about(id), ...more])
const asked = <T = Record<string, unknown>>(verb: string, id: string, ...more: string[]) =>
  jsonHere<T>(['subject', verb, ...about(id), ...more])
const records = (lines: readonly Record<string, unknown>[]) =>
  lines.filter((line) => 'store' in line).map((line) => line['records'])
const audit = async () => (await runHere(['keys', 'audit', 'show', '--data-dir', world.root])).stdout.trim().split('\n')
const listed = () => jsonHere<Record<string, string>>(['subject', 'list', '--format', 'json', '--data-dir', world.root])
const rowsOf = (store: string) =>
  jsonHere<StoredRecord>(['query', '--format', 'json', '--store', `postgres/${store}`, ...world.shared])
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

describe('a person asks', () => {
  test('where his records are: found in every region, and written down first', async () => {
    const found = await asked('find', mary)
    expect(found[0]).toMatchObject({ state: 'live', keys: world.keysDir })
    expect(String(found[0]!['subject_ref'])).toMatch(/^[\w-]{22}$/)
    expect(found.slice(1)).toEqual(stores.map((id, i) => ({ store: `postgres/${id}`, region: regions[i], records: 6 })))
    expect((await audit()).at(-1)).toMatch(/"action":"find".*"reason":"case 17"/)
    expect((await audit()).join()).not.toContain('mary')
    expect((await listed()).at(-1)).toMatchObject({ kind: 'find', status: 'done', tenant })
    expect(JSON.stringify(await listed())).not.toContain('mary')
    expect(records(await asked('find', 'nobody'))).toEqual([0, 0, 0])
  })
  test('what is kept: in words', async () => {
    const { stdout, code } = await subject('summary', mary, '--region', 'eu-de')
    const today = new Date().toISOString().slice(0, 10)
    expect(code).toBe(0)
    expect(stdout).toContain('Stored in eu-de (DE, EU):\n  - 3 records ')
    expect(stdout).toMatch(/kept for security: detect attacks and abuse\.\n {4}What happened: auth\.login \(3\)\./)
    expect(stdout).toMatch(/kept for support: find out why something does not work\./)
    expect(stdout).toContain('The content of 3 records is encrypted; reading it is logged.')
    expect(stdout).toMatch(/Each is deleted 18 months after its time, the last one on \d{4}-\d\d-\d\d\./)
    expect(stdout).toContain(today)
    expect(stdout).not.toContain('eu-nl')
    expect((await subject('summary', 'nobody')).stdout).toBe(
      'Nothing is stored about this person in eu-de, eu-nl, us-ny.\n',
    )
  })
  test('for all of it: opened, each region in its own place', async () => {
    const exported = await asked<{ region: string; place: string; files: { name: string }[] }>('export', mary)
    expect(exported.map(({ region }) => region)).toEqual(regions)
    for (const [i, each] of exported.entries()) {
      expect(each).toMatchObject({ records: 6, opened: 3, closed: 0 })
      expect(each.place).toBe(join(world.root, 'subjects/exports', regions[i]!))
      const [rows = '', summary = ''] = each.files.map(({ name }) => readFileSync(join(each.place, name), 'utf8'))
      const bodies = rows
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).body)
      expect(bodies.toSorted()).toEqual([0, 0, 1, 1, 2, 2].map((n) => canaryOf(mary, n)))
      expect(rows).not.toContain('john')
      expect(rows.match(/"region":"[\w-]+"/g)).toEqual(Array(6).fill(`"region":"${regions[i]}"`))
      expect(summary).toContain(`Stored in ${regions[i]} `)
    }
  })
  test('for all of it as OTLP/JSON, opened too', async () => {
    const [exported] = await asked<{ place: string; files: { name: string }[]; records: number; opened: number }>(
      'export',
      mary,
      ...['--format', 'otlp', '--region', 'eu-de'],
    )
    expect(exported).toMatchObject({ records: 6, opened: 3 })
    expect(exported!.files[0]!.name).toMatch(/rows-0001\.otlp\.jsonl$/)
    const requests = readFileSync(join(exported!.place, exported!.files[0]!.name), 'utf8').trim().split('\n')
    const bodies = requests.flatMap((line) => JSON.stringify(JSON.parse(line)).match(/canary-\w+-\d/g) ?? [])
    expect(bodies.toSorted()).toEqual([0, 0, 1, 1, 2, 2].map((n) => canaryOf(mary, n)))
    for (const line of requests) expect(jsonToWire(Buffer.from(line)).length).toBeGreaterThan(0)
  })
  test('to be corrected: a note, and every row leads to it', async () => {
    const note = 'the login on 3 May was not hers'
    const done = await asked('rectify', mary, '--note', note, '--region', 'eu-de')
    expect(done).toMatchObject([{ store: 'postgres/de', marked: 6, notes: 2 }])
    const request = String(done[0]!['request'])
    const rows = await rowsOf('de')
    const marked = rows.filter(
      ({ attributes }) => JSON.stringify(attributes['douane.rectified_by']) === `["${request}"]`,
    )
    expect(marked).toHaveLength(6)
    const notes = rows.filter(({ attributes }) => attributes['douane.rectifies'] === request)
    expect(notes.map(({ purpose, event_name }) => [purpose, event_name]).toSorted()).toEqual([
      ['security', 'douane.rectification'],
      ['support', 'douane.rectification'],
    ])
    expect(notes.find(({ purpose }) => purpose === 'security')!.body).toBe(note)
    expect(notes.find(({ purpose }) => purpose === 'support')!.body).toMatch(/^cose:/)
    const [exported] = await asked<{ place: string; files: { name: string }[] }>('export', mary, '--region', 'eu-de')
    const text = readFileSync(join(exported!.place, exported!.files[0]!.name), 'utf8')
    expect(text.split(note)).toHaveLength(3)
    const foreign = rows.filter(({ attributes }) => attributes['douane.rectified_by'] !== undefined)
    expect(foreign).toHaveLength(6)
  })
})

describe('a person is erased', () => {
  test('not while a legal hold keeps something, and not without --yes', async () => {
    expect(await asked('erase', mary)).toMatchObject([
      { would_erase: true, records: 8 },
      { records: 6 },
      { records: 6 },
    ])
    const hold = ['--store', 'postgres/nl', ...world.shared]
    const until_ = new Date(Date.now() + 86_400_000).toISOString()
    await runHere(['retention', 'hold', 'add', '--tenant', tenant, '--reason', 'trial', '--until', until_, ...hold])
    const { code, stdout, stderr } = await subject('erase', mary, '--yes')
    expect([code, stdout]).toEqual([1, expect.stringContaining('"store":"postgres/nl"')])
    expect(stderr).toContain('nothing was erased')
    expect(records(await asked('find', mary))).toEqual([8, 6, 6])
    expect((await listed()).find(({ kind }) => kind === 'erase')).toMatchObject({ status: 'held' })
    await runHere(['retention', 'hold', 'end', '1', ...hold])
  })
  test('also where a store fails in between: the same request goes on', async () => {
    await world.server.sql(
      'nl',
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = '53100'; END $$;
       CREATE TRIGGER refuse BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION refuse()`,
    )
    const backups = await jsonHere<{ store: string }>(['backup', 'run', ...world.shared])
    expect(backups).toHaveLength(3)
    const { code } = await subject('erase', mary, '--yes')
    expect(code).toBe(3)
    const [open] = (await listed()).filter(({ kind }) => kind === 'erase')
    expect(open).toMatchObject({ status: 'open', step: 'rows deleted' })
    await world.server.sql('nl', 'DROP FUNCTION refuse() CASCADE')
    const done = await asked('erase', mary, '--yes')
    expect(records(done)).toEqual([0, 6, 6])
    expect(done.at(-1)).toMatchObject({ request: open!['request'], status: 'done' })
    const erasures = (await listed()).filter(({ kind }) => kind === 'erase')
    expect(erasures).toMatchObject([{ request: open!['request'], status: 'done' }])
  })
  test('and nothing of him can be read any more: not in stores, exports of today, nor backups of yesterday', async () => {
    for (const store of stores) {
      const rows = JSON.stringify(await rowsOf(store))
      expect(rows).not.toContain('canary-mary')
      expect(rows.match(/canary-john/g)).toHaveLength(3)
    }
    for (const [i, store] of stores.entries()) {
      const [restored] = await jsonHere<{ rows: number; erased: number }>([
        'backup',
        'restore',
        '--store',
        `postgres/${store}`,
        '--database',
        `old_${store}`,
        '--reason',
        'search',
        ...world.shared,
      ])
      expect(restored!.erased).toBe(i === 0 ? 8 : 6)
      const found = await world.server.sql(`old_${store}`, `SELECT string_agg(l::text, '') AS all FROM logs l`)
      expect(String(found[0]!['all'])).not.toContain('canary-mary')
      expect(String(found[0]!['all'])).toContain('canary-john')
    }
    const [again] = await asked<{ files: unknown[]; records: number }>('export', mary)
    expect(again).toMatchObject({ records: 0 })
    const john_ = await asked<{ opened: number; closed: number }>('export', john)
    expect(john_).toMatchObject(stores.map(() => ({ opened: 3, closed: 0 })))
  })
  test('with everything that arrives late', async () => {
    const ref = String((await asked('find', mary))[0]!['subject_ref'])
    await fill(
      world.server,
      'de',
      [{ purpose: 'security', atMs: Date.now(), ref, text: 'canary-mary-late' }],
      Date.now(),
    )
    expect(JSON.stringify(await rowsOf('de'))).toContain('canary-mary-late')
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const sweep = new ErasedSweep({
      dataDir: world.root,
      worker: undefined,
      nowMs: () => Date.now(),
      log,
      quarantines: [],
    })
    sweep.apply(loadAccepted([world.shared[1]!]))
    await until(async () => !JSON.stringify(await rowsOf('de')).includes('canary-mary'))
    await sweep.close()
    expect(JSON.stringify(await rowsOf('de'))).toContain('canary-john')
  })
  test('of which the register keeps every step, signed', async () => {
    const { stdout, code } = await runHere(['subject', 'list', '--steps', '--data-dir', world.root])
    expect(code).toBe(0)
    expect(stdout).toMatch(/"step":"keys destroyed"/)
    const [file] = filesBelow(join(world.root, 'receipts/subject-requests')).filter((name) =>
      readFileSync(name, 'latin1').includes('"erase"'),
    )
    const bytes = readFileSync(file!)
    writeFileSync(file!, Buffer.from(bytes.toString('latin1').replace('"erase"', '"ERASE"'), 'latin1'))
    const changed = await runHere(['subject', 'list', '--data-dir', world.root])
    writeFileSync(file!, bytes)
    expect(changed.code).not.toBe(0)
  })
})

test('a person without a reference is found by the attributes that name people, as they came and hashed', async () => {
  expect(records(await asked('find', unreferenced))).toEqual([2, 2, 2])
  const [kept] = await asked('summary', unreferenced, '--region', 'eu-de', '--format', 'json')
  expect(kept).toMatchObject({ purpose: 'usage', records: 2, events: { 'document.opened': 2 }, retention: '6d' })
  expect(await asked('rectify', unreferenced, '--note', 'x')).toMatchObject([{ marked: 2, notes: 0 }, {}, {}])
  const { code, stderr } = await subject('find', unreferenced, '--attribute', 'log.body')
  expect([code, stderr]).toEqual([1, expect.stringContaining('log.body is no attribute that names a person')])
  await jsonHere(['backup', 'run', ...world.shared])
  expect(records(await asked('erase', unreferenced, '--yes'))).toEqual([2, 2, 2])
  const usersOf = async (database: string) =>
    (await rowsOf(database))
      .filter(({ purpose }) => purpose === 'usage')
      .map(({ attributes }) => attributes['enduser.id'])
  expect(await usersOf('de')).toEqual(['somebody else'])
  const restore = [
    'backup',
    'restore',
    '--store',
    'postgres/de',
    '--database',
    'named',
    '--reason',
    'a disk',
    ...world.shared,
  ]
  expect(await jsonHere(restore)).toMatchObject([{ state: 'restored', erased: 2 }])
  const inNamed = await world.server.sql(
    'named',
    `SELECT attributes ->> 'enduser.id' AS user FROM logs WHERE purpose = 'usage'`,
  )
  expect(inNamed).toEqual([{ user: 'somebody else' }])
  const { stdout: register } = await runHere(['subject', 'list', '--steps', '--data-dir', world.root])
  expect(register).not.toContain(unreferenced)
})

test('docs/subjects.md shows what the commands tell', async () => {
  for (const example of examplesOf('subjects.md')) {
    const shared = example.words.includes('list') ? ['--data-dir', world.root] : world.shared
    const { stdout, stderr, code } = await runHere([...example.words, ...shared])
    expect(code, stderr).toBe(0)
    followsExample(example, stdout + stderr)
  }
})
