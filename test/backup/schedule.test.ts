import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { builtIn } from '../../config/built_in.ts'
import { loadConfig } from '../../config/load.ts'
import { FolderPlace } from '../../src/backup/folder_place.ts'
import { backupSigner } from '../../src/backup/recipients.ts'
import { BackupSchedule } from '../../src/backup/schedule.ts'
import { Shelf } from '../../src/backup/shelf.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { files, until } from '../e2e/gateway.ts'
import { startServer, type TestServer } from '../exporters/postgres/fixture.ts'
import { dayMs, fill, makeKeys } from './fixture.ts'

const hourMs = 3_600_000
let server: TestServer
let root: string
beforeAll(async () => {
  server = await startServer()
  root = join(server.folder, '..')
  await makeKeys(root)
  await fill(server, 'here', [{ purpose: 'security', atMs: Date.now(), text: 'a' }], Date.now())
})
afterAll(() => server.close())

const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
exporters:
  postgres/away: { region: eu-de, url: "postgres://nobody@127.0.0.1:9/away" }
  postgres/here: { region: eu-de, database: here }
extensions: { backup: { region: eu-de, path: b, schedule: hourly, keep: 1d } }
service: { extensions: [backup], pipelines: { logs: { receivers: [otlp], exporters: [postgres/away, postgres/here] } } }
`

test('a schedule makes one backup an hour, deletes old ones, and goes on without a store that is away', async () => {
  const loaded = loadConfig([files(root, { 'gw.yaml': config })], { env: {}, registries: builtIn })
  const told: [string, Record<string, unknown> | undefined][] = []
  const say = (event: string, fields?: Record<string, unknown>) => void told.push([event, fields])
  const log = { debug: say, info: say, warn: say, error: say }
  const clock = { ms: Math.floor(Date.now() / hourMs) * hourMs + 60_000 }
  const parts = { dataDir: root, worker: undefined, nowMs: () => clock.ms, log, metrics: new Metrics() }
  const shelf = new Shelf(new FolderPlace(join(root, 'b')), 'postgres/here', [
    backupSigner(join(root, 'keys')).publicKey,
  ])
  const events = (name: string) => told.filter(([event]) => event === name)
  /** What a gateway does that starts at this time. */
  async function look(): Promise<string[]> {
    const schedule = new BackupSchedule(parts)
    const before = events('backup_failed').length
    schedule.apply(loaded.config!)
    await until(() => events('backup_failed').length > before)
    await until(async () => (await shelf.pruned())?.as_of === new Date(clock.ms).toISOString())
    await schedule.close()
    return [...(await shelf.objects()).keys()]
  }
  const [first] = await look()
  expect(events('backup_made').map(([, fields]) => fields?.['store'])).toEqual(['postgres/here'])
  expect(events('backup_failed').map(([, fields]) => fields?.['store'])).toEqual(['postgres/away'])
  expect(await parts.metrics.text()).toMatch(
    /douane_backup_newest_seconds\{extension="backup",store="postgres\/here"\} \d{10}/,
  )
  clock.ms += hourMs / 2
  expect(await look()).toEqual([first])
  clock.ms += hourMs / 2
  const both = await look()
  expect([both.length, both[0]]).toEqual([2, first])
  clock.ms += dayMs - hourMs
  const after = await look()
  expect(after).not.toContain(first)
  expect(after).toHaveLength(2)
  expect(events('backups_pruned')).toHaveLength(1)
  // No worker but the first looks after backups.
  new BackupSchedule({ ...parts, worker: 2 }).apply(loaded.config!)
  expect(events('backup_made')).toHaveLength(3)
})
