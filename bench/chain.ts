/**
 * What each part of the pipeline costs a record: from bytes to the bytes of each copy, without sockets and queues.
 *
 *   node bench/chain.ts [--records 200] [--seconds 1]
 *
 * Each line is one pipeline; all are run in turn, several rounds, and the best round of each is printed (nanoseconds
 * of CPU time a record). Read the differences, not the absolutes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { builtIn } from '../config/built_in.ts'
import { loadConfig } from '../config/load.ts'
import { buildOffline } from '../src/offline.ts'
import { payloads } from './payload.ts'

const { values } = parseArgs({
  options: { records: { type: 'string', default: '200' }, seconds: { type: 'string', default: '1' } },
})
const records = Number(values.records)

const receivers = 'receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }'
const tag = `tag_purpose: { rules: [{ purpose: security, when: 'log.severity_number >= SEVERITY_NUMBER_ERROR or HasPrefix(log.event_name, "auth.") or IsMatch(log.body, "logged (in|out)|denied")' }, { purpose: billing, when: 'IsMatch(log.event_name, "^(export|invoice)\\\\.")' }, { purpose: support, when: 'IsMatch(log.body, "timeout|retry|slow")' }], default: [usage] }`
const processors = {
  clock: ['normalize_clock', 'normalize_clock: { mode: correct }'],
  tag: ['tag_purpose', tag],
  minimize: ['minimize', 'minimize: {}'],
  uncached: ['minimize', 'minimize: { hash_cache: false }'],
} as const
type Part = keyof typeof processors | 'route'

const policy = `
regions:
  eu-de: { jurisdiction: [DE], pipeline: logs/local }
  eu-nl: { jurisdiction: [NL], pipeline: logs/central, central: true }
purposes:
  security: { retention: 18mo, content: keep }
  support: { retention: 1mo, content: keep }
  billing: { retention: 7y, content: keep }
  usage: { retention: 1mo, content: keep }
tenants:
  acme: { residency: local, region: eu-de }
  globex: { residency: central }
default: { residency: quarantine }
`

const folder = mkdtempSync(join(tmpdir(), 'douane-bench-'))
writeFileSync(join(folder, 'residency.yaml'), policy)

function configOf(parts: readonly Part[]): string {
  const chosen = parts.filter((part) => part !== 'route').map((part) => processors[part])
  const chain = chosen.map(([name]) => name).join(', ')
  const isRouted = parts.includes('route')
  return [
    receivers,
    `processors: { ${chosen.map(([, text]) => text).join(', ')} }`,
    isRouted ? 'connectors: { residency: { policy: residency.yaml } }' : '',
    'exporters: { otlp_http/a: { endpoint: "http://127.0.0.1:1", region: eu-de }, otlp_http/b: { endpoint: "http://127.0.0.1:1", region: eu-nl } }',
    'service:',
    '  pipelines:',
    `    logs/in: { receivers: [otlp], processors: [${chain}], exporters: [${isRouted ? 'residency' : 'otlp_http/a'}] }`,
    isRouted ? '    logs/local: { receivers: [residency], exporters: [otlp_http/a] }' : '',
    isRouted ? '    logs/central: { receivers: [residency], exporters: [otlp_http/b] }' : '',
  ].join('\n')
}

const pipelines: Record<string, readonly Part[]> = {
  'read and splice': [],
  normalize_clock: ['clock'],
  'tag_purpose (3 rules)': ['tag'],
  minimize: ['minimize'],
  'minimize, no cache of hashes': ['uncached'],
  'route (two regions)': ['tag', 'route'],
  'the whole chain': ['clock', 'tag', 'minimize', 'route'],
  'the whole chain, no cache': ['clock', 'tag', 'uncached', 'route'],
}

const bodies = payloads(records)
const runs = Object.entries(pipelines).map(([name, parts]) => {
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, configOf(parts))
  const loaded = loadConfig([file], { env: {}, registries: builtIn })
  if (loaded.config === undefined) throw new Error(JSON.stringify(loaded.problems, undefined, 2))
  let bytes = 0
  const offline = buildOffline(
    loaded.config,
    (_, parcel) => {
      bytes += parcel.body.length
    },
    Date.now,
  )
  return { name, inbound: offline.generation.inputs[0]!.inbound, best: Number.POSITIVE_INFINITY, bytes: () => bytes }
})

async function round(inbound: (typeof runs)[number]['inbound'], ms: number): Promise<number> {
  const until = performance.now() + ms
  const before = process.cpuUsage()
  let count = 0
  while (performance.now() < until) {
    for (const body of bodies) {
      const now = BigInt(Date.now()) * 1_000_000n
      await inbound.accept({ body, sender: {}, headers: {}, receivedUnixNano: now, receivedMonotonicNano: now })
      count += records
    }
  }
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / count
}

for (let i = 0; i < 6; i++) {
  for (const run of runs) run.best = Math.min(run.best, await round(run.inbound, Number(values.seconds) * 500))
  if (process.stderr.isTTY) process.stderr.write(`\rround ${i + 1} of 6`)
}
for (const { name, best } of runs) process.stdout.write(`${best.toFixed(0).padStart(7)} ns/record  ${name}\n`)
rmSync(folder, { recursive: true })
