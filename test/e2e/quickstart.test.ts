/**
 * The quickstart as it is shipped, with its embedded PostgreSQL, on free ports: whose records land where, in which
 * form, what `query`, `decrypt` and `status` tell, and that all of it outlives kill -9.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoredRecord } from '../../exporters/postgres/query.ts'
import type { GatewayStatus } from '../../src/status.ts'
import { cleanUp, files, type Gateway, run, runJson, start, temporaryFolder, until } from './gateway.ts'
import { attributes, bytes, getText, keyValue, record, request, send } from './requests.ts'

const quickstart = join(import.meta.dirname, '../../config/quickstart.yaml')
const freePorts = `
receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:0 }, http: { endpoint: 127.0.0.1:0 } } } }
extensions: { health_check: { endpoint: 127.0.0.1:0 }, admin: { endpoint: 127.0.0.1:0 } }
service: { telemetry: { metrics: { endpoint: 127.0.0.1:0 } } }
`
/** Words that may be nowhere in the clear: in a body, a sealed field, an attribute that stays, a key, a resource. */
const canaries = ['canary-body', 'canary-comment', 'canary-metadata', 'canary.key', 'canary-service']

let gateway: Gateway
let configs: string[]
let shared: string[]
let rows: Record<'eu_de' | 'central', StoredRecord[]>

/** The four sample events, and one with no name, marked with `mark`. */
const events = (mark: string) =>
  ['auth.login', 'export.docx', 'document.opened', 'document.save', ''].map((eventName) =>
    record(`canary-body ${mark} ${eventName}`, {
      ...(eventName !== '' && { eventName }),
      severityNumber: eventName === 'document.save' ? 17 : 9,
      with: {
        mark,
        comment: 'canary-comment',
        plain: 'canary-metadata',
        'canary.key': 'yes',
        'douane.purpose': 'billing',
        'douane.tenant': 'globex',
        'douane.minimized.mask.count': 'forged',
      },
    }),
  )

const more = { 'service.name': 'canary-service', 'douane.region': 'forged' }

beforeAll(async () => {
  const folder = temporaryFolder()
  const ports = files(folder, { 'ports.yaml': freePorts })
  configs = [quickstart, ports]
  shared = ['--config', quickstart, '--config', ports, '--data-dir', join(folder, 'data')]
  gateway = await start(configs, join(folder, 'data'), { waitMs: 90_000 })
  const { http } = gateway.endpoints
  const sends = [
    ...['acme', 'globex', 'initech', 'umbrella'].map((tenant) => request(tenant, events(tenant), more)),
    request(undefined, events('nobody'), more),
    request('', events('empty'), more),
    request('Acme', events('case'), more),
    oddTenant('number', [keyValue('tenant.id', 7n)]),
    oddTenant('twice', [...attributes({ 'tenant.id': 'acme' }), ...attributes({ 'tenant.id': 'globex' })]),
    oddTenant('same', [...attributes({ 'tenant.id': 'acme' }), ...attributes({ 'tenant.id': 'acme' })]),
  ]
  for (const one of sends) expect((await send(http, bytes(one))).status).toBe(200)
  await until(isDelivered, 60_000)
  rows = { eu_de: await query('postgres/eu_de'), central: await query('postgres/central') }
}, 180_000)
afterAll(cleanUp)

const oddTenant = (mark: string, tenant: ReturnType<typeof attributes>) => ({
  resourceLogs: [{ resource: { attributes: tenant }, scopeLogs: [{ logRecords: events(mark) }] }],
})
const query = (store: string, ...more: string[]) =>
  runJson<StoredRecord>(['query', '--store', store, '--format', 'json', ...more, ...shared])
const status = async () => (await runJson<GatewayStatus>(['status', '--format', 'json', ...shared]))[0]!
const isDelivered = async () =>
  (JSON.parse((await getText(gateway.endpoints.admin, '/v1/status')).text) as GatewayStatus).total.in_flight === 0
const of = (store: keyof typeof rows, mark: string) =>
  rows[store].filter(({ attributes }) => attributes['mark'] === mark)
const landed = (store: keyof typeof rows, mark: string) =>
  of(store, mark)
    .map(({ event_name, purpose }) => `${event_name ?? ''} ${purpose}`)
    .sort()

/** One row a record and purpose: an error in `document.save` is support, as is what no rule knows. */
const everything = [
  ' support',
  'auth.login security',
  'document.opened usage',
  'document.save support',
  'export.docx billing',
]

describe('where records land', () => {
  it('acme is local, globex central, initech split: the central copy holds two purposes', () => {
    expect([landed('eu_de', 'acme'), landed('central', 'acme')]).toEqual([everything, []])
    expect([landed('eu_de', 'globex'), landed('central', 'globex')]).toEqual([[], everything])
    expect([landed('eu_de', 'initech'), landed('central', 'initech')]).toEqual([
      everything,
      ['document.opened usage', 'export.docx billing'],
    ])
    expect(landed('eu_de', 'same')).toEqual(everything)
  })

  it.each(['umbrella', 'nobody', 'empty', 'case', 'number', 'twice'])('%s is in no store', (mark) => {
    expect([landed('eu_de', mark), landed('central', mark)]).toEqual([[], []])
  })

  it('the account says so, and balances', async () => {
    const { total, tenants } = await status()
    expect(total).toMatchObject({
      received: 50,
      stored: 20,
      quarantined: 30,
      rejected: 0,
      dropped: 0,
      dead_lettered: 0,
      lost: 0,
    })
    for (const line of [total, ...Object.values(tenants)]) {
      const { received, ...rest } = line
      expect(Object.values(rest).reduce((sum, n) => sum + n)).toBe(received)
    }
    expect(tenants['acme']).toMatchObject({ received: 10, stored: 10 })
    const { text } = await getText(gateway.endpoints.metrics, '/metrics')
    expect(text).toMatch(/^douane_account_records(_total)?\{tenant="acme",state="stored"\} 10$/m)
  })
})

describe('what is stored', () => {
  it('content is sealed where the purpose says encrypt, absent where it says drop; metadata stays', () => {
    for (const row of of('eu_de', 'acme')) {
      expect(row.attributes['plain']).toBe('canary-metadata')
      expect(row.service_name).toBe('canary-service')
      if (row.purpose === 'security' || row.purpose === 'support') {
        expect([row.body, row.attributes['comment']]).toEqual([
          expect.stringMatching(/^cose:/),
          expect.stringMatching(/^cose:/),
        ])
      } else expect([row.body, 'comment' in row.attributes]).toEqual([null, false])
    }
  })

  it('the central copy of a split tenant holds no content, not even sealed', () => {
    const copies = of('central', 'initech')
    expect(copies.length).toBe(2)
    expect(JSON.stringify(copies)).not.toMatch(/cose:|canary-body|canary-comment/)
    expect(JSON.stringify(copies)).toContain('canary-metadata')
  })

  it('attributes under douane. are ours alone', () => {
    for (const row of [...of('eu_de', 'acme'), ...of('central', 'globex')]) {
      const { 'douane.purpose': purpose, 'douane.tenant': tenant, 'douane.region': region } = row.attributes
      expect([purpose, tenant, region]).toEqual([[row.purpose], row.tenant, row.region])
      expect(JSON.stringify(row)).not.toContain('forged')
    }
  })

  it('decrypt opens what is sealed, for a reason that it writes down, and only for who has the keys', async () => {
    const sealed = of('eu_de', 'acme').filter(({ body }) => body !== null)
    const input = sealed.map((row) => `${JSON.stringify(row)}\n`).join('')
    const opened = await runJson<StoredRecord>(['decrypt', '--reason', 'ticket 4711', ...shared], input)
    expect(opened.map(({ body }) => body)).toEqual(
      sealed.map(({ event_name }) => `canary-body acme ${event_name ?? ''}`),
    )
    expect(opened.every(({ attributes }) => attributes['comment'] === 'canary-comment')).toBe(true)
    const without = await run(['decrypt', ...shared], { input })
    expect(without.code).toBe(2)
    const elsewhere = await run(['decrypt', '--reason', 'none', '--data-dir', temporaryFolder()], { input })
    expect(elsewhere.stdout).not.toContain('canary-body')
  })
})

describe('query', () => {
  it('finds by purpose, tenant, condition, time and limit', async () => {
    const purposes = (await query('postgres/eu_de', '--purpose', 'billing', '--tenant', 'acme')).map(
      ({ purpose }) => purpose,
    )
    expect(new Set(purposes)).toEqual(new Set(['billing']))
    const where = 'log.severity_number >= SEVERITY_NUMBER_ERROR and log.attributes["mark"] == "acme"'
    expect((await query('postgres/eu_de', '--where', where)).map(({ event_name }) => event_name)).toEqual([
      'document.save',
    ])
    expect((await query('postgres/eu_de', '--limit', '3')).length).toBe(3)
    expect(await query('postgres/eu_de', '--until', '2020-01-01T00:00:00Z')).toEqual([])
    expect((await query('postgres/eu_de', '--since', '1h')).length).toBe(rows.eu_de.length)
  })

  it('finds the data directory by a relative name too', async () => {
    const args = ['query', '--store', 'postgres/eu_de', '--limit', '1', '--config', quickstart, '--data-dir', 'data']
    const { code, stdout, stderr } = await run(args, { cwd: dirname(gateway.dataDir) })
    expect([code, stderr, stdout.split('\n').length]).toEqual([0, '', 2])
  })

  it('a wrong store or condition is told', async () => {
    const store = await run(['query', '--store', 'postgres/eu', ...shared])
    expect([store.code, store.stderr]).toEqual([1, expect.stringContaining('postgres/eu_de')])
    const where = await run(['query', '--store', 'postgres/eu_de', '--where', 'log.bdy == "x"', ...shared])
    expect([where.code, where.stderr]).toEqual([1, expect.stringContaining('bdy')])
  })
})

describe('npm run demo', () => {
  it('shows where four tenants’ records went, and the same record as it was sent, is stored and was opened', async () => {
    const demo = join(import.meta.dirname, '../../demo/demo.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [demo, '--data-dir', gateway.dataDir])
    for (const line of [/acme +│ 80 /, /globex +│ 80 /, /initech +│ 80 /, /umbrella +│ 80 +│ - +│ - +│ 80 /])
      expect(stdout).toMatch(line)
    const [, ...times] = /db\.response\.time_ms +│ (\d+) +│ (\d+) +│ (\d+) /.exec(stdout)!
    expect(new Set(times).size).toBe(1)
    const [, sent, stored, opened] = /body +│ (could not save.*?) +│ (cose:\S+) +│ (could not save.*?) +│/.exec(stdout)!
    expect(opened).toBe(sent)
    expect(stored).toMatch(/^cose:/)
  }, 60_000)
})

describe('at rest and afterwards', () => {
  it('outside the stores the data directory holds nothing in the clear, quarantine included', () => {
    const found: string[] = []
    let seen = 0
    const visit = (folder: string): void => {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name)
        if (entry.isDirectory()) {
          if (entry.name !== 'postgres') visit(path)
        } else if (entry.isFile()) {
          seen++
          const text = readFileSync(path, 'latin1')
          found.push(...canaries.filter((canary) => text.includes(canary)).map((canary) => `${canary} in ${path}`))
        }
      }
    }
    visit(gateway.dataDir)
    expect(found).toEqual([])
    expect(seen).toBeGreaterThan(5)
    expect(statSync(join(gateway.dataDir, 'quarantine')).mode & 0o777).toBe(0o700)
  })

  it('after kill -9 it starts again, with every row and what was quarantined; after a stop query still reads', async () => {
    await send(gateway.endpoints.http, bytes(request('acme', events('last'), more)))
    await gateway.kill()
    gateway = await start(configs, gateway.dataDir, { waitMs: 90_000 })
    await until(isDelivered, 60_000)
    const { code, stderr } = await gateway.stop()
    expect([code, /left in the queues/.test(stderr)]).toEqual([0, false])
    const marks = (await query('postgres/eu_de')).map(({ attributes }) => attributes['mark']).filter(Boolean)
    expect(marks.length).toBe(rows.eu_de.length + 5)
    expect(marks.filter((mark) => mark === 'last').length).toBe(5)
  }, 180_000)
})
