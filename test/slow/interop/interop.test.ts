/**
 * The official SDKs of Python and Go and a real Collector export to the gateway: every record arrives once, with its
 * attributes. What is needed comes from PyPI and the Go proxy into a folder in the system's temporary directory, and
 * stays there for the next run. A toolchain that is missing makes its tests fail, and says so.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, temporaryFolder, until } from '../../e2e/gateway.ts'
import { type Bench, startBench } from '../../e2e/rules/pass_through.ts'
import { expectRecords, sdkAttributes, sdkBody } from '../../e2e/sdk_records.ts'

const recordsSent = 2000
const cache = join(tmpdir(), `douane-interop-${process.getuid?.() ?? ''}`)
const here = (...path: string[]): string => join(import.meta.dirname, ...path)
const exec = promisify(execFile)

let bench: Bench
const rules = new Map<string, number>()
beforeAll(async () => {
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  bench = await startBench()
})
afterAll(async () => {
  const arrived = await bench.finish()
  await cleanUp()
  // Nothing came twice, in whatever time.
  expect(arrived).toEqual(rules)
})

async function toolchain(program: string, ...args: string[]): Promise<void> {
  await exec(program, args).catch(() => {
    throw new Error(`${program} is not installed on this machine: this interoperability was NOT tested`)
  })
}

const ways = [
  ['http', 'none'],
  ['http', 'gzip'],
  ['grpc', 'none'],
  ['grpc', 'gzip'],
] as const

async function expectFrom(
  language: string,
  [protocol, compression]: (typeof ways)[number],
  command: string[],
): Promise<void> {
  const rule = `${language} ${protocol} ${compression}`
  rules.set(rule, recordsSent)
  const [program, ...args] = command as [string, ...string[]]
  const endpoint = bench.gateway.endpoints[protocol]
  await exec(program, [...args, protocol, compression, endpoint, rule, String(recordsSent)])
  expectRecords(await bench.arrived(rule, recordsSent), recordsSent)
}

describe('Python', () => {
  const python = join(cache, 'python/bin/python')
  beforeAll(async () => {
    await toolchain('python3', '--version')
    if (!existsSync(python)) await exec('python3', ['-m', 'venv', join(cache, 'python')])
    await exec(python, ['-m', 'pip', 'install', '--quiet', '--requirement', here('python/requirements.txt')])
  })
  it.each(ways)('over %s, %s', (...way) => expectFrom('python', way, [python, here('python/send.py')]))
})

describe('Go', () => {
  const sender = join(cache, 'go-send')
  beforeAll(async () => {
    await toolchain('go', 'version')
    await exec('go', ['build', '-buildvcs=false', '-o', sender, '.'], { cwd: here('go') })
  })
  it.each(ways)('over %s, %s', (...way) => expectFrom('go', way, [sender]))
})

describe('the Collector', () => {
  const collector = join(cache, 'collector/build/otelcol')
  beforeAll(async () => {
    await toolchain('go', 'version')
    const source = readFileSync(here('collector/builder.yaml'), 'utf8')
    const builder = join(cache, 'collector/builder.yaml')
    if (existsSync(collector) && existsSync(builder) && readFileSync(builder, 'utf8') === source) return
    mkdirSync(join(cache, 'collector'), { recursive: true })
    writeFileSync(builder, source)
    const args = ['run', 'go.opentelemetry.io/collector/cmd/builder@v0.149.0', '--config', builder]
    const cwd = join(cache, 'collector')
    await exec('go', [...args], { cwd, env: { ...process.env, CGO_ENABLED: '0' }, maxBuffer: 2 ** 26 })
  })

  it.each([
    ['otlp', 'gzip'],
    ['otlp', 'none'],
    ['otlphttp', 'gzip'],
    ['otlphttp', 'zstd'],
    ['otlphttp/json', 'none'],
  ])('exports by %s, %s', async (exporter, compression) => {
    const rule = `collector ${exporter} ${compression}`
    rules.set(rule, recordsSent)
    const port = await freePort()
    const { grpc, http } = bench.gateway.endpoints
    const config = join(temporaryFolder(), 'collector.yaml')
    const endpoint = exporter === 'otlp' ? `"${grpc}", tls: { insecure: true }` : `"http://${http}"`
    const encoding = exporter === 'otlphttp/json' ? ', encoding: json' : ''
    writeFileSync(
      config,
      `receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:${port} } } } }
processors: { batch: { timeout: 100ms } }
exporters: { ${exporter}: { endpoint: ${endpoint}, compression: ${compression}${encoding} } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { logs: { receivers: [otlp], processors: [batch], exporters: [${exporter}] } }
`,
    )
    const child = spawn(collector, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] })
    const exited = once(child, 'exit')
    let told = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      told += text
    })
    await until(() => told.includes('Everything is ready') || child.exitCode !== null, 60_000)
    expect(child.exitCode, told).toBeNull()
    await sendBySdk(`http://127.0.0.1:${port}`, rule)
    expectRecords(await bench.arrived(rule, recordsSent), recordsSent)
    child.kill('SIGTERM')
    await exited
  })
})

async function sendBySdk(url: string, rule: string): Promise<void> {
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'sdk', rule }),
    processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url }) })],
  })
  const logger = provider.getLogger('scope', '1.2.3')
  for (let n = 0; n < recordsSent; n++) {
    const fields = { severityNumber: 9, severityText: 'INFO', eventName: 'document.opened' }
    logger.emit({ ...fields, body: sdkBody(n), attributes: sdkAttributes(n) })
  }
  await provider.shutdown()
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
