import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FolderPlace } from '../../src/backup/folder_place.ts'
import { type Manifest, type ManifestPart, manifestName, signManifest } from '../../src/backup/manifest.ts'
import { type PruneOptions, pruneBackups } from '../../src/backup/prune.ts'
import { backupSigner } from '../../src/backup/recipients.ts'
import { slotMs } from '../../src/backup/schedule.ts'
import { newBackupId, Shelf } from '../../src/backup/shelf.ts'
import { parseRetention } from '../../src/units.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const nowMs = Date.UTC(2026, 10, 21, 12)

let folder: string
let shelf: Shelf
const signer = () => backupSigner(join(folder, 'keys'))
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'douane-prune-'))
  shelf = new Shelf(new FolderPlace(join(folder, 'place')), 'postgres/a', [signer().publicKey])
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const iso = (ms: number) => new Date(ms).toISOString()

/** A backup of parts that nobody has to open. */
async function make(madeMs: number, keptMs: number, parts: Partial<ManifestPart>[] = [{}], by = signer()) {
  const id = newBackupId(madeMs)
  const whole = parts.map((part, i) => {
    const bytes = { bytes: 1, sha256: '', rows: 1, digest: '' }
    return { name: `000${i + 1}`, table: 'logs', purpose: 'usage', retention: '6d', ...bytes, ...part }
  })
  const manifest: Manifest = {
    format: 'douane-backup/1',
    id,
    store: 'postgres/a',
    region: 'eu-de',
    made: iso(madeMs),
    kept_until: iso(madeMs + keptMs),
    policy_version: '',
    postgres: '18',
    schema_version: 1,
    columns: {},
    parts: whole,
  }
  for (const { name } of whole) await shelf.put(id, name, Buffer.from('x'))
  await shelf.put(id, manifestName, signManifest(manifest, by))
  return id
}
const left = async () =>
  Object.fromEntries([...(await shelf.objects())].map(([id, objects]) => [id, [...objects].toSorted()]))
const prune = (atMs: number, more: Partial<PruneOptions> = {}) =>
  pruneBackups(shelf, { nowMs: atMs, purposeRetention: () => parseRetention('6d'), ...more })

describe('deleting backups', () => {
  test('takes a backup when its time is over, and not before', async () => {
    const [old, young] = [await make(nowMs - 3 * dayMs, 3 * dayMs), await make(nowMs, 3 * dayMs)]
    expect(await prune(nowMs - 1)).toMatchObject({ backups: 0 })
    expect(Object.keys(await left())).toEqual([old, young])
    expect(await prune(nowMs)).toMatchObject({ backups: 1, parts: 0, heldBack: false })
    expect(Object.keys(await left())).toEqual([young])
  })
  test('takes parts that are due out of a backup that stays', async () => {
    const id = await make(nowMs, 30 * dayMs, [{ expires: iso(nowMs + hourMs) }, {}])
    expect(await prune(nowMs + hourMs - 1)).toMatchObject({ parts: 0 })
    expect(await prune(nowMs + hourMs)).toMatchObject({ parts: 1 })
    expect((await left())[id]).toEqual(['0002', manifestName])
  })
  test('takes parts of a purpose that is kept for less by now', async () => {
    const starts = iso(Date.UTC(2026, 10, 15))
    const leaf = { retention: '6d', starts, ends: iso(Date.UTC(2026, 10, 16)) }
    const id = await make(nowMs, 30 * dayMs, [{ leaf }, { leaf, purpose: 'security', retention: '18mo' }])
    const shorter = { purposeRetention: (purpose: string) => parseRetention(purpose === 'usage' ? '5d' : '18mo') }
    expect(await prune(nowMs, { purposeRetention: () => parseRetention('7d') })).toMatchObject({ parts: 0 })
    expect(await prune(nowMs, shorter)).toMatchObject({ parts: 1 })
    expect((await left())[id]).toEqual(['0002', manifestName])
  })
  test('takes what was interrupted, once nobody can be writing it any more', async () => {
    const id = newBackupId(nowMs)
    await shelf.put(id, '0001', Buffer.from('x'))
    expect(await prune(nowMs + 23 * hourMs)).toMatchObject({ unfinished: 0 })
    expect(await prune(nowMs + 24 * hourMs)).toMatchObject({ unfinished: 1 })
    expect(await left()).toEqual({})
  })
  test("leaves another gateway's alone for as long as a backup can be kept", async () => {
    await make(nowMs, dayMs, [{}], backupSigner(join(folder, 'others')))
    expect(await prune(nowMs + 2 * dayMs)).toMatchObject({ backups: 0, unread: 1 })
    expect(await prune(nowMs + 401 * dayMs, { confirmed: true })).toMatchObject({ backups: 1, unread: 0 })
  })
  test('goes no more than a day further at a time when the clock jumps, until somebody confirms', async () => {
    const [first, second] = [await make(nowMs, 12 * hourMs), await make(nowMs + 1000, 10 * dayMs)]
    await prune(nowMs)
    const jumpedMs = nowMs + 300 * dayMs
    expect(await prune(jumpedMs)).toMatchObject({ backups: 1, heldBack: true })
    for (let i = 0; i < 20; i++) expect(await prune(jumpedMs + i)).toMatchObject({ backups: 0, heldBack: true })
    expect(Object.keys(await left())).toEqual([second])
    expect(first).not.toBe(second)
    expect(await prune(jumpedMs, { confirmed: true })).toMatchObject({ backups: 1, heldBack: false })
  })
})

describe('when a backup is due', () => {
  test.each([
    ['hourly', '2026-11-21T12:34:56Z', '2026-11-21T12:00:00Z'],
    ['nightly', '2026-11-21T12:34:56Z', '2026-11-21T01:00:00Z'],
    ['nightly', '2026-11-21T00:59:59Z', '2026-11-20T01:00:00Z'],
  ] as const)('%s at %s: since %s', (schedule, now, since) => {
    expect(slotMs(schedule, Date.parse(now))).toBe(Date.parse(since))
  })
  test('never, where only commands make backups', () => {
    expect(slotMs('none', nowMs)).toBe(Number.NEGATIVE_INFINITY)
  })
})
