/**
 * How long what is kept, through the whole gateway: rows carry the retention of the policy in force, and `retention`
 * shows, deletes, holds back and gives receipts.
 */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { storeOptions } from '../../exporters/postgres/options.ts'
import type { StoredRecord } from '../../exporters/postgres/query.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { jsonToWire } from '../../src/otlp/json.ts'
import type { GatewayStatus } from '../../src/status.ts'
import { seedCluster } from '../exporters/postgres/made_cluster.ts'
import { decodeRequest } from '../oracle/otlp.ts'
import { cleanUp, files, type Gateway, launch, run, start, temporaryFolder, until } from './gateway.ts'
import { jsonHere, runHere } from './here.ts'
import { bytes, getText, record, request, send } from './requests.ts'

const config = `
receivers:
  otlp:
    protocols: { grpc: { endpoint: 127.0.0.1:0 }, http: { endpoint: 127.0.0.1:0 } }
    tenant: { from: ['resource.attributes["tenant.id"]'] }
processors:
  tag_purpose:
    rules: [{ purpose: [security, usage], when: 'HasPrefix(log.event_name, "auth.")' }]
    default: [usage]
connectors: { residency: { policy: residency.yaml } }
exporters: { postgres/eu: { region: eu-de, url: embedded, database: eu } }
extensions: { health_check: { endpoint: 127.0.0.1:0 }, admin: { endpoint: 127.0.0.1:0 } }
service:
  extensions: [health_check, admin]
  telemetry: { metrics: { endpoint: 127.0.0.1:0 } }
  pipelines:
    logs/in: { receivers: [otlp], processors: [tag_purpose], exporters: [residency] }
    logs/eu: { receivers: [residency], exporters: [postgres/eu] }
`
const policy = (usage: string, acme: string, others: string): string => `
regions: { eu-de: { jurisdiction: [DE, EU], pipeline: logs/eu } }
purposes:
  security: { description: attacks, retention: 18mo, content: keep }
  usage: { description: features, retention: ${usage}, content: keep, counts: 7y }
tenants:
  acme: { residency: local, region: eu-de, usage_limits: { auth.login: 10 }, purposes: { usage: { retention: ${acme} } } }
  globex: { residency: local, region: eu-de }
default: { residency: local, region: eu-de, purposes: { usage: { retention: ${others} } } }
`

let gateway: Gateway
let folder: string
let shared: string[]

beforeAll(async () => {
  folder = temporaryFolder()
  const file = files(folder, { 'gateway.yaml': config, 'residency.yaml': policy('90d', '6d', '30d') })
  shared = ['--config', file, '--data-dir', join(folder, 'data')]
  await seedCluster(join(folder, 'data/postgres'))
  gateway = await start(file, join(folder, 'data'), { waitMs: 90_000 })
}, 120_000)
afterAll(cleanUp)

const status = async (): Promise<GatewayStatus> =>
  JSON.parse((await getText(gateway.endpoints.admin, '/v1/status')).text)

async function sendAll(mark: string): Promise<void> {
  for (const tenant of ['acme', 'globex', 'stranger']) {
    const body = bytes(request(tenant, [record(mark, { eventName: 'auth.login' })]))
    expect((await send(gateway.endpoints.http, body)).status).toBe(200)
  }
  await until(async () => (await status()).total.in_flight === 0, 30_000)
}

async function kept(mark: string): Promise<string[]> {
  const rows = await jsonHere<StoredRecord>(['query', '--format', 'json', ...shared])
  return rows
    .filter(({ body }) => body === mark)
    .map(({ tenant, purpose, retention }) => `${tenant} ${purpose} ${retention}`)
    .sort()
}

describe('stored rows', () => {
  it('carry the retention of their purpose, or the shorter one of their tenant or of everybody else', async () => {
    await sendAll('first')
    expect(await kept('first')).toEqual([
      'acme security 18mo',
      'acme usage 6d',
      'globex security 18mo',
      'globex usage 90d',
      'stranger security 18mo',
      'stranger usage 30d',
    ])
  })

  it('follow a policy that was reloaded, and those before keep what they were promised', async () => {
    const before = await kept('first')
    const reloaded = gateway.hears('reloaded')
    writeFileSync(join(folder, 'residency.yaml'), policy('180d', '2w', '1mo'))
    await reloaded
    await sendAll('second')
    expect((await kept('second')).filter((line) => line.includes('usage'))).toEqual([
      'acme usage 2w',
      'globex usage 180d',
      'stranger usage 1mo',
    ])
    expect(await kept('first')).toEqual(before)
  })
})

interface Shown {
  readonly store: string
  readonly purpose: string
  readonly retention: string
  readonly state: string
  readonly next_deletion: string | null
  readonly records: number
}

describe('douane retention', () => {
  const later = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const travel = { DOUANE_ALLOW_TIME_TRAVEL: '1' }
  const retention = (...args: string[]) => runHere(['retention', ...args, ...shared], travel)
  const count = async () => (await jsonHere<StoredRecord>(['query', '--format', 'json', ...shared])).length

  const tamper = (text: string) =>
    withStore(
      { options: storeOptions.parse({ database: 'eu' }), folder: join(gateway.dataDir, 'postgres') },
      (client) => client.query(text),
    )

  it('status shows each purpose and class, with what is deleted next', async () => {
    const lines = await jsonHere<Shown>(['retention', 'status', ...shared])
    expect(lines.map(({ purpose, retention, state }) => `${purpose} ${retention} ${state}`)).toEqual([
      'security 18mo ok',
      'usage 180d ok',
      'usage 1mo ok',
      'usage 2w ok',
      'usage 30d ok',
      'usage 6d ok',
      'usage 90d ok',
    ])
    const next = Date.parse(lines.find(({ retention }) => retention === '90d')!.next_deletion!)
    expect(Math.abs(next - Date.now() - 90 * 86_400_000)).toBeLessThan(600_000)
  })

  it('another time only in a trial, or where it is allowed', async () => {
    const refused = await runHere(['retention', 'run', '--as-of', later(7), ...shared])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('DOUANE_ALLOW_TIME_TRAVEL')])
    const before = await count()
    const trial = await runHere(['retention', 'run', '--dry-run', '--as-of', later(8), ...shared])
    expect([trial.code, JSON.parse(trial.stdout)]).toEqual([
      0,
      expect.objectContaining({ purpose: 'usage', retention: '6d', records: 1, whole: true }),
    ])
    expect(await count()).toBe(before)
  })

  it('a legal hold keeps what it names until it is ended; then it goes, with a signed receipt', async () => {
    const before = await count()
    const hold = ['hold', 'add', '--tenant', 'acme', '--reason', 'case 7', '--until', later(90)]
    expect((await retention(...hold)).code).toBe(0)
    expect((await retention('hold', 'add', '--reason', 'all', '--until', later(90))).code).toBe(1)
    expect((await retention('hold', 'add', '--everything', '--reason', 'past', '--until', '2020-01-01')).code).toBe(2)
    expect((await retention('run', '--as-of', later(8))).stdout).toBe('')
    expect(await count()).toBe(before)
    const [listed] = await jsonHere<{ id: string; reason: string; made_by: string }>([
      'retention',
      'hold',
      'list',
      ...shared,
    ])
    expect(listed).toMatchObject({ reason: 'case 7', tenant: 'acme', ended: null })
    await tamper("UPDATE douane.legal_holds SET until = until - interval '80 days'")
    const changed = await retention('hold', 'list')
    expect([changed.code, changed.stderr]).toEqual([1, 'postgres/eu: hold 1 is not what was signed\n'])
    await tamper("UPDATE douane.legal_holds SET until = until + interval '80 days'")
    expect((await retention('hold', 'list')).code).toBe(0)
    expect((await retention('hold', 'end', listed!.id)).code).toBe(0)
    expect((await retention('hold', 'end', listed!.id)).code).toBe(1)
    expect((await retention('run', '--as-of', later(8))).code).toBe(0)
    expect(await count()).toBe(before - 1)
    const version = (await status()).policy_version
    const receipts = await runHere(['retention', 'receipts', '--data-dir', gateway.dataDir])
    expect([receipts.code, JSON.parse(receipts.stdout)]).toEqual([
      0,
      expect.objectContaining({
        store: 'postgres/eu',
        purpose: 'usage',
        retention: '6d',
        records: 1,
        policy_version: version,
      }),
    ])
  })

  it('what outlives its promise is overdue, or held, until it is gone', async () => {
    const old = "'2026-01-05 05:00', '2026-01-05 05:01', 9, 0, 'usage', '6d', 'acme', '{}', '{}'"
    await tamper(`SELECT douane.ensure_partition('usage', '6d', '2026-01-05', '2026-01-06')`)
    await tamper(
      `INSERT INTO douane.logs (time, stored, severity_number, time_nanos, purpose, retention, tenant, attributes, resource)
       VALUES (${old})`,
    )
    const shown = async () => {
      const { code, stdout } = await retention('status', '--format', 'json')
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Shown)
      return [code, lines.find((line) => line.retention === '6d')?.state]
    }
    expect(await shown()).toEqual([1, 'overdue'])
    const hold = ['hold', 'add', '--tenant', 'acme', '--reason', 'case 9', '--until', later(90)]
    const { id } = JSON.parse((await retention(...hold)).stdout) as { id: string }
    expect(await shown()).toEqual([0, 'held'])
    expect((await retention('run')).stdout).toBe('')
    expect((await retention('hold', 'end', id)).code).toBe(0)
    expect(JSON.parse((await retention('run')).stdout)).toMatchObject({ retention: '6d', records: 1 })
    expect((await shown())[0]).toBe(0)
  })

  it('a receipt that was changed afterwards is found', async () => {
    const file = join(gateway.dataDir, 'receipts/deletions/entries/000000')
    const bytes = readFileSync(file)
    writeFileSync(file, bytes.toString('latin1').replace('"records":1', '"records":9'), 'latin1')
    expect((await runHere(['retention', 'receipts', '--data-dir', gateway.dataDir])).code).toBe(1)
    writeFileSync(file, bytes)
  })
})

describe('counts', () => {
  it('are of what came in, whatever was deleted since: on the command line, and for a service that asks', async () => {
    const month = new Date().toISOString().slice(0, 7)
    const lines = await jsonHere<{ purpose: string; records: number }>([
      'meter',
      '--tenant',
      'acme',
      '--month',
      month,
      ...shared,
    ])
    const [security, usage] = lines
    expect(lines).toEqual([
      { store: 'postgres/eu', period: month, tenant: 'acme', purpose: 'security', event: 'auth.login', records: 2 },
      { store: 'postgres/eu', period: month, tenant: 'acme', purpose: 'usage', event: 'auth.login', records: 2 },
    ])
    const csv = await runHere(['meter', '--by', 'day', '--format', 'csv', ...shared])
    expect(csv.stdout.split('\r\n')[0]).toBe('store,period,tenant,purpose,event,records')
    expect((await runHere(['meter', '--month', '2026-13', ...shared])).code).toBe(2)
    const answer = JSON.parse((await getText(gateway.endpoints.admin, '/v1/usage?tenant=acme')).text)
    expect(answer).toMatchObject({
      tenant: 'acme',
      month,
      limits: [{ event: 'auth.login', limit: 10, used: 2, remaining: 8 }],
      usage: [
        { purpose: security!.purpose, records: 2 },
        { purpose: usage!.purpose, records: 2 },
      ],
    })
    expect((await getText(gateway.endpoints.admin, '/v1/usage')).status).toBe(400)
  })
})

describe('readers', () => {
  it('are made, used and taken away', async () => {
    const roles = (...args: string[]) => runHere(['store', 'roles', ...args, ...shared])
    const made = await roles('add', 'usage_only', '--purpose', 'usage', '--tenant', 'globex', '--login')
    expect([made.code, JSON.parse(made.stdout)]).toEqual([
      0,
      { store: 'postgres/eu', role: 'douane_eu_reader_usage_only', password: expect.stringMatching(/^.{32}$/) },
    ])
    expect((await roles('add', 'all')).code).toBe(1)
    expect((await roles('add', 'usage_only', '--everything')).code).toBe(1)
    const rows = await jsonHere<StoredRecord>(['query', '--as', 'usage_only', '--format', 'json', ...shared])
    expect(new Set(rows.map(({ tenant, purpose }) => `${tenant} ${purpose}`))).toEqual(new Set(['globex usage']))
    expect((await jsonHere(['store', 'roles', 'list', ...shared])).map(({ kind }) => kind)).toEqual([
      'gateway',
      'log_admin',
      'reader',
    ])
    expect([(await roles('remove', 'usage_only')).code, (await roles('remove', 'usage_only')).code]).toEqual([0, 1])
  })
})

describe('query', () => {
  const query = (...args: string[]) => runHere(['query', ...args, ...shared])

  it('writes CSV that a spreadsheet takes for text', async () => {
    const awkward = '=1+1,"two"\nlines'
    await sendAll(awkward)
    const { stdout } = await query('--tenant', 'globex', '--purpose', 'security', '--format', 'csv')
    expect(stdout.split('\r\n')[0]).toMatch(/^time,time_unix_nano,.*,body,.*,scope$/)
    expect(stdout).toContain(`,"'=1+1,""two""\nlines",`)
    expect(stdout.split('\r\n').at(-1)).toBe('')
  })

  it('is written into the access audit: who, what was asked without its values, how many rows', async () => {
    const { stdout } = await query('--tenant', 'globex', '--reason', 'ticket 4', '--where', 'log.body == "canary"')
    expect(stdout).toBe('')
    const entries = readFileSync(join(gateway.dataDir, 'keys/audit/entries/000000'), 'latin1')
    expect(entries).not.toContain('canary')
    const last = entries.split('"v":1').slice(-2).join()
    expect(last).toMatch(/"action":"query".*"reason":"ticket 4".*"tenant":"globex","where":"log.body == \?"/)
    expect(last).toMatch(/"action":"queried".*"rows":0/)
    expect((await runHere(['keys', 'audit', 'verify', '--data-dir', gateway.dataDir])).code).toBe(0)
  })

  it('writes OTLP/JSON that a receiver takes as it is', async () => {
    const { stdout } = await query('--tenant', 'globex', '--purpose', 'security', '--format', 'otlp')
    const requests = stdout.split('\n').filter(Boolean)
    expect(requests).toHaveLength(1)
    const [resource] = JSON.parse(requests[0]!).resourceLogs
    const records = resource.scopeLogs[0].logRecords
    expect(records).toHaveLength(3)
    expect(records[0]).toMatchObject({ eventName: 'auth.login', body: { stringValue: 'first' } })
    const wire = decodeRequest(jsonToWire(Buffer.from(requests[0]!)))
    expect(wire.resourceLogs![0]!.scopeLogs![0]!.logRecords).toHaveLength(3)
  })

  it('opens sealed values for a reason only, and finds by subject', async () => {
    expect((await query('--decrypt')).code).toBe(1)
    const rows = await query('--decrypt', '--reason', 'ticket 5', '--purpose', 'security', '--tenant', 'acme')
    expect([rows.code, JSON.parse(rows.stdout.split('\n')[0]!).body]).toEqual([0, 'first'])
    expect((await query('--subject', 'nobody')).stdout).toBe('')
  })

  it('shows nothing where the access audit cannot be written', async () => {
    const elsewhere = temporaryFolder()
    writeFileSync(join(elsewhere, 'keys'), 'in the way')
    const { code, stdout } = await run(['query', ...shared.slice(0, 2), '--data-dir', elsewhere])
    expect([code, stdout]).toEqual([3, ''])
  })

  it('refuses times between which nothing can be', async () => {
    expect(await query('--follow', '--until', '2030-01-01')).toMatchObject({ code: 1, stdout: '' })
    const turned = await query('--since', '2026-02-01', '--until', '2026-01-01')
    expect([turned.code, turned.stderr]).toEqual([1, expect.stringContaining('--since is not before --until')])
  })

  it('--follow shows each record that is stored from now on, once, and ends with SIGINT', async () => {
    const follower = launch(['query', '--follow', '--tenant', 'acme', '--purpose', 'security', ...shared])
    let out = ''
    follower.stdout!.on('data', (chunk) => {
      out += chunk
    })
    const bodies = () =>
      out
        .split('\n')
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as StoredRecord).body)
    await until(async () => {
      await sendAll('probe')
      return bodies().length > 0
    }, 30_000)
    await sendAll('one')
    await sendAll('two')
    await until(() => bodies().includes('two'), 10_000)
    const ended = once(follower, 'exit')
    follower.kill('SIGINT')
    expect(await ended).toEqual([0, null])
    expect(bodies().filter((body) => body !== 'probe')).toEqual(['one', 'two'])
  })
})

it('the gateway itself deletes what is due, and signs the receipt', async () => {
  const reloaded = gateway.hears('reloaded')
  writeFileSync(join(folder, 'residency.yaml'), policy('180d', '2w', '1h'))
  await reloaded
  const dueMs = Date.now() + 5000
  const timeUnixNano = BigInt(dueMs - 3_600_000) * 1_000_000n
  const body = bytes(request('stranger', [record('short', { eventName: 'document.opened', timeUnixNano })]))
  expect((await send(gateway.endpoints.http, body)).status).toBe(200)
  await until(async () => (await status()).total.in_flight === 0, 30_000)
  expect(await kept('short')).toEqual(['stranger usage 1h'])
  await gateway.stop()
  await until(() => Date.now() > dueMs)
  gateway = await start(shared[1]!, gateway.dataDir, { waitMs: 90_000 })
  const receipts = async () => (await runHere(['retention', 'receipts', '--data-dir', gateway.dataDir])).stdout
  await until(async () => (await receipts()).includes('"retention":"1h"'))
  const last = JSON.parse((await receipts()).trim().split('\n').at(-1)!)
  expect(last).toMatchObject({
    purpose: 'usage',
    retention: '1h',
    records: 1,
    policy_version: (await status()).policy_version,
  })
  expect(await kept('short')).toEqual([])
})
