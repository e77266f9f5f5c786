/**
 * Backups as users make them: the gateway on schedule, then the commands of docs/backups.md, as they stand there.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoredRecord } from '../../exporters/postgres/query.ts'
import { examplesOf, followsExample } from '../docs/worked_example.ts'
import { seedCluster } from '../exporters/postgres/made_cluster.ts'
import { cleanUp, files, start, temporaryFolder, until } from './gateway.ts'
import { jsonHere, runHere } from './here.ts'
import { bytes, getText, record, request, send } from './requests.ts'

const config = (database = 'eu') => `
receivers:
  otlp:
    protocols: { http: { endpoint: 127.0.0.1:0 } }
    tenant: { from: ['resource.attributes["tenant.id"]'] }
processors: { tag_purpose: { rules: [], default: [usage] } }
connectors: { residency: { policy: residency.yaml } }
exporters: { postgres/eu_de: { region: eu-de, url: embedded, database: ${database} } }
extensions:
  health_check: { endpoint: 127.0.0.1:0 }
  admin: { endpoint: 127.0.0.1:0 }
  backup/local: { region: eu-de, path: backups, schedule: nightly, keep: 3d }
service:
  extensions: [health_check, admin, backup/local]
  telemetry: { metrics: { endpoint: 127.0.0.1:0 } }
  pipelines:
    logs/in: { receivers: [otlp], processors: [tag_purpose], exporters: [residency] }
    logs/eu: { receivers: [residency], exporters: [postgres/eu_de] }
`
const policy = `
regions: { eu-de: { jurisdiction: [DE, EU], pipeline: logs/eu } }
purposes: { usage: { description: features, retention: 90d, content: keep } }
default: { residency: local, region: eu-de }
`

let folder: string
let shared: string[]
beforeAll(async () => {
  folder = temporaryFolder()
  const file = files(folder, { 'gateway.yaml': config(), 'residency.yaml': policy, 'again.yaml': config('look') })
  shared = ['--config', file, '--data-dir', join(folder, 'data')]
  await seedCluster(join(folder, 'data/postgres'))
})
afterAll(cleanUp)

describe('backups', () => {
  it('are made by the gateway, and the commands of the page do what it says', async () => {
    const gateway = await start(join(folder, 'gateway.yaml'), join(folder, 'data'), { waitMs: 90_000 })
    const metrics = async () => (await getText(gateway.endpoints.metrics, '/metrics')).text
    await until(async () => /douane_backup_newest_seconds\{[^}]*"backup\/local"[^}]*\} \d{10}/.test(await metrics()))
    const [made] = readdirSync(join(folder, 'backups/postgres.eu_de')).filter((name) => name !== 'pruned.json')
    expect(readdirSync(join(folder, 'backups/postgres.eu_de', made!))).toContain('manifest.json')
    for (const [n, tenant] of ['acme', 'globex'].entries()) {
      const records = [record(`canary ${n} a`), record(`canary ${n} b`)]
      expect((await send(gateway.endpoints.http, bytes(request(tenant, records)))).status).toBe(200)
    }
    expect((await gateway.stop()).code).toBe(0)
    await runHere(['backup', 'prune', ...shared])
    // The page's example knows of one backup.
    const { rmSync } = await import('node:fs')
    rmSync(join(folder, 'backups'), { recursive: true })
    for (const example of examplesOf('backups.md')) {
      const { stdout, stderr } = await runHere([...example.words, ...shared])
      followsExample(example, stdout + stderr)
    }
    const again = ['--config', join(folder, 'again.yaml'), '--data-dir', join(folder, 'data')]
    const restored = await jsonHere<StoredRecord>(['query', '--format', 'json', ...again])
    expect(restored.map(({ body }) => body).toSorted()).toEqual([
      'canary 0 a',
      'canary 0 b',
      'canary 1 a',
      'canary 1 b',
    ])
    expect(restored).toEqual(await jsonHere<StoredRecord>(['query', '--format', 'json', ...shared]))
    const audit = (await runHere(['keys', 'audit', 'show', '--data-dir', join(folder, 'data')])).stdout
    expect(audit).toMatch(/"action":"restore".*"reason":"drill"/)
  }, 120_000)
  it('that were changed are told, with the part, and the others are looked at too', async () => {
    expect((await runHere(['backup', 'run', ...shared])).code).toBe(0)
    const shelf = join(folder, 'backups/postgres.eu_de')
    const newest = readdirSync(shelf)
      .toSorted()
      .findLast((name) => name !== 'pruned.json')!
    const part = join(shelf, newest, '0001')
    const bytes = readFileSync(part)
    bytes[200]! ^= 1
    writeFileSync(part, bytes)
    // A second place, whose backup is as it was made.
    const other = readFileSync(join(folder, 'gateway.yaml'), 'utf8')
      .replace('backup/local:', 'backup/other: { region: eu-de, path: other, schedule: none }\n  backup/local:')
      .replace('backup/local]', 'backup/local, backup/other]')
    const both = files(folder, { 'both.yaml': other })
    const places = ['--config', both, '--data-dir', join(folder, 'data')]
    expect((await runHere(['backup', 'run', '--job', 'backup/other', ...places])).code).toBe(0)
    const { code, stdout } = await runHere(['backup', 'verify', ...places])
    const found = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { state: string; reason?: string })
    expect([code, found.map(({ state }) => state).toSorted()]).toEqual([1, ['not whole', 'whole']])
    expect(found.find(({ state }) => state === 'not whole')).toMatchObject({
      store: 'postgres/eu_de',
      reason: `part 0001 of the backup ${newest} was changed or cut off`,
    })
    const [pruned] = await jsonHere<{ store: string }>(['backup', 'prune', ...shared])
    expect(pruned!.store).toBe('postgres/eu_de')
  })
  it('do not leave their region', async () => {
    const elsewhere = readFileSync(join(folder, 'gateway.yaml'), 'utf8').replace(
      'backup/local: { region: eu-de,',
      'backup/local: { region: us-ny, stores: [postgres/eu_de],',
    )
    const two = policy.replace('logs/eu } }', 'logs/eu }, us-ny: { jurisdiction: [US], pipeline: logs/eu } }')
    const file = files(temporaryFolder(), { 'gateway.yaml': elsewhere, 'residency.yaml': two })
    const { code, stderr, stdout } = await runHere(['validate', '--config', file])
    expect(code).toBe(1)
    expect(stdout + stderr).toContain(
      'postgres/eu_de lies in region eu-de, and its backup would leave it for us-ny, which does not lie in DE, EU',
    )
  })
})
