/**
 * What was sealed, stored in PostgreSQL and read back by `query` opens by `decrypt`, from stdin and from a file, with a
 * reason; after its key was destroyed it does not.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { policy } from '../e2e/decrypt_side.ts'
import { cleanUp, files, run, runJson, start, temporaryFolder, until } from '../e2e/gateway.ts'
import { bytes, record, request, send } from '../e2e/requests.ts'

const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } }, tenant: { from: ['resource.attributes["tenant.id"]'] } } }
processors:
  tag_purpose: { rules: [], default: [support] }
  encrypt: { fields: [log.body, 'log.attributes["comment"]', 'log.attributes["count"]'] }
connectors: { residency: { policy: residency.yaml } }
exporters: { postgres/de: { url: embedded, database: de, region: eu-de } }
extensions: { admin: { endpoint: 127.0.0.1:0 } }
service:
  extensions: [admin]
  telemetry: { metrics: { level: none } }
  pipelines:
    logs/in: { receivers: [otlp], processors: [tag_purpose, encrypt], exporters: [residency] }
    logs/de: { receivers: [residency], exporters: [postgres/de] }
`

let folder = ''
let place: string[] = []
let rows = ''
beforeAll(async () => {
  folder = temporaryFolder()
  const file = files(folder, { 'gateway.yaml': config, 'residency.yaml': policy })
  place = ['--config', file, '--data-dir', join(folder, 'state')]
  const gateway = await start(file, join(folder, 'state'))
  const sent = record('cannot open my contract', { with: { comment: 'urgent', count: 9_007_199_254_740_993n } })
  expect((await send(gateway.endpoints.http, bytes(request('acme', [sent])))).status).toBe(200)
  const query = ['query', '--store', 'postgres/de', '--format', 'json', ...place]
  rows = await until(async () => (await run(query)).stdout, 30_000)
  await gateway.stop()
})
afterAll(cleanUp)

it('rows of a query hold ciphertext; decrypt opens them in place, from stdin and from a file', async () => {
  expect(rows).toContain('cose:')
  expect(rows).not.toMatch(/contract|urgent|9007199254740993/)
  const args = ['decrypt', '--reason', 'ticket 4711', ...place]
  const piped = await run(args, { input: rows })
  expect(piped.code).toBe(0)
  expect(JSON.parse(piped.stdout)).toMatchObject({
    tenant: 'acme',
    purpose: 'support',
    body: 'cannot open my contract',
  })
  expect(piped.stdout).toContain('9007199254740993')
  expect(piped.stdout).toContain('urgent')
  const file = join(folder, 'rows.jsonl')
  writeFileSync(file, rows)
  expect((await run([...args, file])).stdout).toBe(piped.stdout)
  const entries = await runJson(['keys', 'audit', 'show', '--data-dir', join(folder, 'state')])
  const reads = entries.filter(({ action }) => action === 'decrypt')
  expect(reads).toHaveLength(2)
  expect((reads[0]!['what'] as { field: string }[]).map(({ field }) => field).toSorted()).toEqual([
    'log.attributes["comment"]',
    'log.attributes["count"]',
    'log.body',
  ])
})

it('a destroyed key leaves a signed receipt, and what it sealed closed for good', async () => {
  const state = ['--data-dir', join(folder, 'state')]
  const destroyed = await run(['keys', 'destroy', '--tenant', 'acme', '--reason', 'contract ended', '--yes', ...state])
  expect(JSON.parse(destroyed.stdout.split('\n')[0]!)).toMatchObject({
    format: 'douane-destroyed/1',
    tenant: 'acme',
    reason: 'contract ended',
    signature: expect.any(String),
  })
  const closed = await run(['decrypt', '--reason', 'again', ...place], { input: rows })
  expect(closed.stdout).toBe(rows)
  expect(closed.stderr).toMatch(/3 values stay sealed: .*3 whose key was destroyed/)
  const [verdict] = await runJson(['keys', 'audit', 'verify', ...state])
  expect(verdict).toMatchObject({ ok: true, problems: [] })
})
