/** Every configuration that comes with the program loads, and does what its comments say. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { builtIn } from '../../config/built_in.ts'
import { dryRun } from '../../config/dry_run.ts'
import { loadConfig } from '../../config/load.ts'
import { formatProblem } from '../../config/problem.ts'
import { loadPolicy } from '../../config/residency.ts'

const folder = join(import.meta.dirname, '../../config')
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
const configs = files.filter((name) => !/residency\.yaml$/.test(name))
const load = (name: string) => loadConfig([join(folder, name)], { env: {}, registries: builtIn })

test.each(configs)('%s loads without a problem or a warning, and its components accept it', async (name) => {
  const loaded = load(name)
  expect([...loaded.problems, ...loaded.warnings].map(formatProblem)).toEqual([])
  // Certificates that an example names are the user's own: not there when the tests run.
  const problems = (await dryRun(loaded, loaded.config!)).map(formatProblem)
  expect(problems.filter((problem) => !/\b\w+_file cannot be read \(ENOENT\)/.test(problem))).toEqual([])
})

test.each(files.filter((name) => /residency\.yaml$/.test(name)))('%s is a policy', (name) => {
  expect(loadPolicy(join(folder, name)).problems.map(formatProblem)).toEqual([])
})

describe('the quickstart', () => {
  const { config } = load('quickstart.yaml')
  test('listens on loopback only, on the ports that the documents name', () => {
    const { protocols, tenant } = config!.receivers.get('otlp')!.options
    expect([protocols.grpc?.endpoint, protocols.http?.endpoint]).toEqual(['127.0.0.1:4317', '127.0.0.1:4318'])
    expect(tenant.from).toEqual(['credential', 'resource.attributes["tenant.id"]'])
    expect([...config!.extensions.values()].map(({ options }) => options)).toMatchObject([
      { endpoint: '127.0.0.1:13133' },
      { endpoint: '127.0.0.1:13134' },
    ])
    expect(config!.service.telemetry?.metrics?.endpoint).toBe('127.0.0.1:8888')
  })
  test('has the whole chain, and a store in each region', () => {
    expect(config!.pipelines[0]).toEqual({
      id: 'logs/in',
      receivers: ['otlp'],
      processors: ['normalize_clock', 'tag_purpose', 'minimize', 'encrypt'],
      exporters: ['residency'],
    })
    expect([...config!.exporters.values()].map(({ id, region }) => [id, region])).toEqual([
      ['postgres/eu_de', 'eu-de'],
      ['postgres/central', 'eu-nl'],
    ])
  })
  test('knows three tenants and quarantines everybody else', () => {
    const { policy } = config!.connectors.get('residency')!
    const residencies = [...policy.tenants].map(([name, { residency }]) => [name, residency])
    expect(residencies).toEqual([
      ['acme', 'local'],
      ['globex', 'central'],
      ['initech', 'split'],
    ])
    expect(policy.default.residency).toBe('quarantine')
  })
})
