/**
 * What sealing costs within the whole chain, from bytes to the bytes of each copy, with real keys on disk:
 *
 *   node bench/encrypt_chain.ts [--seconds 1] [--people 1000000] [--only TEXT]
 *
 * First the chain without and with two sealed fields a record (body and `user.id`), without and with a person for each
 * record (5,000 of them); all in turn, several rounds, best of each, nanoseconds of CPU time a record. Then, where
 * `--people` is given, records of as many people whom nobody has met: a new secret each, durable before it is used.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { builtIn } from '../config/built_in.ts'
import { loadConfig } from '../config/load.ts'
import type { Log } from '../src/contract.ts'
import { buildGeneration } from '../src/generation.ts'
import { openHashKeys } from '../src/keys/hash_keys.ts'
import { openSealer } from '../src/keys/sealer.ts'
import { KeyTable } from '../src/otlp/keys.ts'
import { Account } from '../src/pipeline/account.ts'
import type { Inbound } from '../src/pipeline/inbound.ts'
import { Metrics } from '../src/telemetry/metrics.ts'
import { encodeRequest } from '../test/oracle/otlp.ts'
import { payloads } from './payload.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    people: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
  },
})
const records = 200
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }
const folder = mkdtempSync(join(tmpdir(), 'douane-bench-'))
const dir = join(folder, 'keys')
const sealer = await openSealer({ dir, nowMs: Date.now, log: quiet })
const hashKeys = openHashKeys({ dir, nowMs: Date.now })

const policy = (content: string) => `
regions: { eu-de: { jurisdiction: [DE], pipeline: logs/local } }
purposes:
  security: { retention: 18mo, content: ${content} }
  usage: { retention: 1mo, content: ${content} }
tenants:
  acme: { residency: local, region: eu-de }
  globex: { residency: local, region: eu-de }
default: { residency: quarantine }
`
const whole = {
  normalize_clock: '{ mode: correct }',
  tag_purpose: `{ rules: [{ purpose: security, when: 'log.severity_number >= SEVERITY_NUMBER_ERROR' }], default: [usage] }`,
  minimize: '{}',
}
const sealed = `fields: ['log.body', 'log.attributes["user.id"]']`

/** Built like a running gateway's, but for what takes the copies: that only counts bytes. */
function pipeline(processors: Record<string, string>, content: string): { inbound: Inbound; bytes: () => number } {
  writeFileSync(join(folder, 'residency.yaml'), policy(content))
  const file = join(folder, 'gateway.yaml')
  const names = Object.keys(processors)
  const lines = [
    'receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }',
    `processors: { ${names.map((name) => `${name}: ${processors[name]}`).join(', ')} }`,
    'connectors: { residency: { policy: residency.yaml } }',
    'exporters: { otlp_http/a: { endpoint: "http://127.0.0.1:1", region: eu-de } }',
    'service:',
    '  pipelines:',
    `    logs/in: { receivers: [otlp], processors: [${names.join(', ')}], exporters: [residency] }`,
    '    logs/local: { receivers: [residency], exporters: [otlp_http/a] }',
  ]
  writeFileSync(file, lines.join('\n'))
  const { config, problems } = loadConfig([file], { env: {}, registries: builtIn })
  if (config === undefined) throw new Error(JSON.stringify(problems, undefined, 2))
  let bytes = 0
  const target = (id: string) => ({
    id,
    offer: async ({ body }: { body: Uint8Array }) => {
      bytes += body.length
    },
  })
  const around = { dataDir: folder, log: quiet, metrics: new Metrics(), keys: new KeyTable(), account: new Account() }
  const { inputs } = buildGeneration(
    config,
    { ...around, sealer, subjects: sealer, hashKeys, quarantine: target('quarantine'), nowMs: Date.now },
    target,
  )
  return { inbound: inputs[0]!.inbound, bytes: () => bytes }
}

async function send(inbound: Inbound, body: Buffer): Promise<void> {
  const now = BigInt(Date.now()) * 1_000_000n
  const { answer } = await inbound.accept({
    body,
    sender: {},
    headers: {},
    receivedUnixNano: now,
    receivedMonotonicNano: now,
  })
  if (answer.is !== 'ok') throw new Error(JSON.stringify(answer))
}

const person = `subject: 'log.attributes["user.id"]'`
const runs = [
  { name: 'the whole chain, nothing sealed', ...pipeline(whole, 'keep') },
  { name: 'the whole chain, two fields sealed', ...pipeline({ ...whole, encrypt: `{ ${sealed} }` }, 'encrypt') },
  {
    name: 'the whole chain, two fields of 5,000 people',
    ...pipeline({ ...whole, encrypt: `{ ${sealed}, ${person} }` }, 'encrypt'),
  },
  { name: 'read, route and splice alone, nothing sealed', ...pipeline({ tag_purpose: whole.tag_purpose }, 'keep') },
  {
    name: 'read, route and splice alone, two fields sealed',
    ...pipeline({ tag_purpose: whole.tag_purpose, encrypt: `{ ${sealed} }` }, 'encrypt'),
  },
]
  .filter(({ name }) => name.includes(values.only))
  .map((run) => ({ ...run, best: Number.POSITIVE_INFINITY }))
const bodies = payloads(records)

for (let round = 0; round < 6; round++) {
  for (const run of runs) {
    const until = performance.now() + Number(values.seconds) * 500
    const before = process.cpuUsage()
    let count = 0
    while (performance.now() < until) {
      for (const body of bodies) await send(run.inbound, body)
      count += bodies.length * records
    }
    const { user, system } = process.cpuUsage(before)
    run.best = Math.min(run.best, ((user + system) * 1000) / count)
  }
}
for (const { name, best } of runs) console.log(`${best.toFixed(0).padStart(7)} ns/record  ${name}`)

const people = Number(values.people)
if (people > 0) {
  const { inbound } = pipeline({ encrypt: `{ ${sealed}, ${person} }`, tag_purpose: whole.tag_purpose }, 'encrypt')
  const atOnce = 2000
  const prepared = (first: number): Buffer => {
    const logRecords = Array.from({ length: atOnce }, (_, i) => ({
      body: { stringValue: `document ${first + i} was opened` },
      attributes: [{ key: 'user.id', value: { stringValue: `person-${first + i}@example.org` } }],
    }))
    const attributes = [{ key: 'tenant.id', value: { stringValue: 'acme' } }]
    return encodeRequest({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] })
  }
  let cpuMicros = 0
  let wallMs = 0
  for (let first = 0; first < people; first += atOnce) {
    const body = prepared(first)
    const [before, began] = [process.cpuUsage(), performance.now()]
    await send(inbound, body)
    const { user, system } = process.cpuUsage(before)
    cpuMicros += user + system
    wallMs += performance.now() - began
  }
  const perSecond = (ms: number) => `${((people / ms) * 1000).toFixed(0)} records/s`
  const memory = process.memoryUsage()
  console.log(
    `${people} people whom nobody has met, two fields each: ${perSecond(wallMs)}, ${perSecond(cpuMicros / 1000)} of CPU`,
  )
  console.log(
    `heap ${(memory.heapUsed / 2 ** 20).toFixed(0)} MiB, buffers ${(memory.arrayBuffers / 2 ** 20).toFixed(0)} MiB`,
  )
}
sealer.close()
rmSync(folder, { recursive: true })
