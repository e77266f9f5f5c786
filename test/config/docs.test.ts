/** docs/config.md and docs/telemetry.md against the program, both ways. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { configJsonSchema, type JsonSchema, policyJsonSchema } from '../../config/schema.ts'
import { limits } from '../../src/limits.ts'
import {
  accountMetrics,
  exporterMetrics,
  processMetrics,
  processorMetrics,
  queueMetrics,
  receiverMetrics,
} from '../../src/telemetry/collector_metrics.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'

const root = join(import.meta.dirname, '../..')
const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8')
const config = page('config.md')
const telemetry = page('telemetry.md')

/** The names of all options in a schema, without those of maps that users name. */
function optionNames(schema: JsonSchema): string[] {
  const { properties = {}, additionalProperties, anyOf = [], items } = schema
  const below = [...Object.values(properties), ...anyOf, additionalProperties, items]
  return [...Object.keys(properties), ...below.flatMap((part) => (part instanceof Object ? optionNames(part) : []))]
}
/** First cells of a page's tables: what stands in backticks. */
const tabled = (text: string, column: number): string[] =>
  text.split('\n').flatMap((line) => {
    const cell = line.startsWith('|') ? line.split('|')[column] : undefined
    return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
  })

describe('docs/config.md', () => {
  const sections = configJsonSchema({ processors: [], exporters: [] }).properties!
  const connector = sections['connectors']!.patternProperties!['^residency(/[\\w.-]+)?$']!.anyOf![0]!
  const extensions = Object.values(sections['extensions']!.patternProperties!).map(({ anyOf }) => anyOf![0]!)
  const known = [sections['service']!, connector, ...extensions, policyJsonSchema()].flatMap(optionNames)
  const ofTelemetry = optionNames(sections['service']!.properties!['telemetry']!)

  test('names every option of the service, extensions, connectors and the policy', () => {
    const missing = known.filter((name) => !ofTelemetry.includes(name) && !config.includes(`\`${name}\``))
    expect([...new Set(missing)]).toEqual([])
  })
  test('names no option that there is not', () => {
    const own = ['health_check', 'admin', 'api_keys', 'oidc', 'mutual_tls', 'residency']
    const files = readdirSync(join(root, 'config'))
    const residencies = ['local', 'central', 'split', 'quarantine', 'reject']
    const tables = [...tabled(config, 1), ...tabled(config.slice(config.indexOf('## `extensions`')), 2)]
    expect(tables.filter((name) => ![...known, ...own, ...files, ...residencies].includes(name))).toEqual([])
  })
  test('names the limits as they are', () => {
    expect(limits.configBytesMax).toBe(32 * 1024 * 1024)
    const { configNodesMax, configDepthMax, purposesMax, configProblemsMax } = limits
    const line = `At most 32 MiB a file, ${configNodesMax.toLocaleString('en')} values (aliases counted each time), ${configDepthMax} levels, ${purposesMax} purposes, ${configProblemsMax.toLocaleString('en')} problems told.`
    expect(config).toContain(line)
  })
})

describe('docs/telemetry.md', () => {
  /** What the program gives names to: its own metrics by running, those of the gateway by reading the sources. */
  async function metricNames(): Promise<string[]> {
    const metrics = new Metrics()
    receiverMetrics(metrics, 'r', 'http')
    processorMetrics(metrics, 'p')
    exporterMetrics(metrics, 'e')
    queueMetrics(metrics, 'e', () => 0, 0)
    processMetrics(metrics)
    accountMetrics(metrics, () => [])
    const shared = [...(await metrics.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!)
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    )
    const literals = sources.flatMap((name) => [
      ...readFileSync(join(root, 'src', name), 'utf8').matchAll(/'(douane_[a-z0-9_]+)'/g),
    ])
    return [...new Set([...shared, ...literals.map(([, name]) => name!)])].toSorted()
  }
  test('lists every metric of the gateway, and no other', async () => {
    const listed = tabled(telemetry, 1).filter((name) => /^(?:otelcol|douane)_/.test(name))
    expect(listed.toSorted()).toEqual(await metricNames())
  })
  test('names every option of the own telemetry, and no other', () => {
    const options = configJsonSchema({ processors: [], exporters: [] }).properties!['service']!.properties![
      'telemetry'
    ]!
    const names = Object.entries(options.properties!).flatMap(([section, { properties = {} }]) =>
      Object.keys(properties).map((name) => `${section}.${name}`),
    )
    expect(tabled(telemetry, 1).filter((name) => /^(?:metrics|logs)\./.test(name))).toEqual(names)
  })
  test('names the bounds as they are', () => {
    for (const text of [
      `up to ${limits.metricLabelSetsMax.toLocaleString('en')} sets`,
      `more than ${limits.logLinesPerEventMax} times in ${limits.logEventWindowMs / 1000} seconds`,
      `cut at ${limits.logFieldLengthMax.toLocaleString('en')} characters`,
      `at most ${limits.ownLogRecordsMax.toLocaleString('en')} records wait`,
    ]) {
      expect(telemetry.replaceAll('\n', ' ')).toContain(text)
    }
    expect(limits.ownLogFlushMsMax).toBe(3000)
  })
})
