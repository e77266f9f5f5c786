/** The static proof: it holds for what the loader accepts, and names the path for each way of breaking it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { builtIn } from '../../config/built_in.ts'
import type { ExporterSection, GatewayConfig } from '../../config/gateway_config.ts'
import { loadConfig } from '../../config/load.ts'
import { Router, type RouteTarget } from '../../src/pipeline/residency.ts'
import type { TenantRule } from '../../src/policy.ts'
import { createPurposes } from '../../src/purposes.ts'
import { checkResidency } from '../../src/residency/check.ts'
import { mapHtml, mapMermaid, mapSvg, mapTable } from '../../src/residency/draw.ts'
import { residencyMap } from '../../src/residency/map.ts'
import { reachOf } from '../../src/residency/reach.ts'
import { seeded } from '../oracle/random.ts'
import { randomPolicy } from '../pipeline/random_policy.ts'
import { cleanUp, config as configText, policy as policyText, temporaryFolder } from './rig.ts'

afterEach(cleanUp)

function load(tenants: string, byDefault?: string): GatewayConfig {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'config.yaml'), configText('http://127.0.0.1:1', 'http://127.0.0.1:2'))
  writeFileSync(join(folder, 'residency.yaml'), policyText(tenants, byDefault))
  const { config, problems } = loadConfig([join(folder, 'config.yaml')], { env: {}, registries: builtIn })
  expect(problems).toEqual([])
  return config!
}
const example = () =>
  load(`
  acme: { residency: local, region: eu-de, jurisdictions: [DE] }
  initech: { residency: split, region: eu-de, central_purposes: [billing], jurisdictions: [EU] }`)

/** The same configuration with other exporters. The loader would refuse it; the proof must not need the loader. */
const withExporters = (config: GatewayConfig, change: (section: ExporterSection) => object): GatewayConfig => ({
  ...config,
  exporters: new Map(
    [...config.exporters].map(([id, section]) => [id, { ...section, ...change(section) } as ExporterSection]),
  ),
})

function withRule(config: GatewayConfig, tenant: string, change: Partial<TenantRule>): GatewayConfig {
  const [[id, section]] = [...config.connectors] as [[string, NonNullable<ReturnType<typeof config.connectors.get>>]]
  const tenants = new Map(section.policy.tenants)
  tenants.set(tenant, { ...tenants.get(tenant)!, ...change })
  return { ...config, connectors: new Map([[id, { ...section, policy: { ...section.policy, tenants } }]]) }
}

describe('residency check', () => {
  test('holds for a policy that the loader accepts, and names every way out', () => {
    const proof = checkResidency(example())
    expect(proof).toMatchObject({ holds: true, offences: [] })
    expect(proof.paths.map(({ steps }) => steps.join(' → '))).toEqual([
      'otlp → logs/in → residency → eu-de → logs/home → otlp_http/home',
      'otlp → logs/in → residency → eu-nl → logs/central → otlp_http/central',
    ])
    expect(proof.rests).toContain('dead letters of otlp_http/central')
  })

  test('an exporter that lies elsewhere, or nowhere', () => {
    const moved = withExporters(example(), ({ id }) => (id === 'otlp_http/home' ? { region: 'eu-nl' } : {}))
    const { holds, offences } = checkResidency(moved)
    expect(holds).toBe(false)
    expect(offences).toContain(
      'otlp_http/home lies in eu-nl, not in eu-de: otlp → logs/in → residency → eu-de → logs/home → otlp_http/home',
    )
    // The compiled route, asked by itself, shows who is hurt.
    expect(offences).toContain('acme, billing: is sent to eu-nl: otlp → logs/in → residency → otlp_http/home')
    const nowhere = withExporters(example(), () => ({ region: undefined }))
    expect(checkResidency(nowhere).offences.filter((text) => text.includes('says of no region'))).toHaveLength(2)
  })

  test('an exporter beside the connector that sends', () => {
    const config = example()
    const pipelines = config.pipelines.map((pipeline) =>
      pipeline.id === 'logs/in' ? { ...pipeline, exporters: ['residency', 'otlp_http/home'] } : pipeline,
    )
    expect(checkResidency({ ...config, pipelines }).offences).toEqual([
      "every tenant's records go around residency: otlp → logs/in → otlp_http/home",
    ])
  })

  test("a region outside the tenant's jurisdictions", () => {
    const config = withRule(example(), 'acme', { jurisdictions: ['NL'] })
    expect(checkResidency(config).offences).toContain(
      'acme, security: may be in NL, eu-de lies in DE, EU: otlp → logs/in → residency → eu-de',
    )
    const split = withRule(example(), 'initech', { jurisdictions: ['DE'] })
    const { offences } = checkResidency(split)
    expect(offences).toContain(
      'initech, billing: may be in DE, eu-nl lies in NL, EU: otlp → logs/in → residency → eu-nl',
    )
    expect(offences.some((text) => text.startsWith('initech, security'))).toBe(false)
  })

  test('no connector, a pipeline that is not there, a region that routes on', () => {
    const config = example()
    const direct = config.pipelines.map((one) => ({ ...one, exporters: ['otlp_http/home'] }))
    expect(checkResidency({ ...config, pipelines: direct }).holds).toBe(false)
    const gone = config.pipelines.filter(({ id }) => id !== 'logs/central')
    expect(checkResidency({ ...config, pipelines: gone }).offences).toContain(
      'there is no such pipeline: otlp → logs/in → residency → eu-nl → logs/central',
    )
    const on = config.pipelines.map((one) => (one.id === 'logs/home' ? { ...one, exporters: ['residency'] } : one))
    expect(checkResidency({ ...config, pipelines: on }).holds).toBe(false)
  })
})

test('what the policy says in words is what the route does: 1,000 random policies', () => {
  for (let seed = 0; seed < 1000; seed++) {
    const policy = randomPolicy(seeded(seed))
    const names = [...policy.regions.keys()]
    const targets = new Map(
      names.map((name, i): [string, RouteTarget[]] => [name, [{ destination: i, purposes: 'apart' }]]),
    )
    const purposes = createPurposes(policy.purposes.keys())
    const router = new Router(policy, targets, purposes, { seal: () => '' })
    for (const [tenant, rule] of [...policy.tenants, ['stranger', policy.default] as const]) {
      for (const purpose of policy.purposes.keys()) {
        const route = router.route(tenant, purposes.bit(purpose))
        const outcome = reachOf(rule, purpose, policy)
        const found =
          route.is === 'copies'
            ? route.copies.map(({ destination, form }) => [names[destination], form.content]).toSorted()
            : route.is
        const contents = { keep: 'keep', encrypt: 'seal', drop: 'drop' } as const
        const due =
          outcome.is === 'goes'
            ? outcome.to.map(({ region, content }) => [region, contents[content]]).toSorted()
            : outcome.is
        expect(found, `seed ${seed}, ${tenant}, ${purpose}`).toEqual(due)
      }
    }
  }
})

describe('residency map', () => {
  const mapped = (config: GatewayConfig) => residencyMap([...config.connectors.values()][0]!, config)

  test('tenants with one rule stand in one row; everybody else comes last', () => {
    const map = mapped(
      load('  b: { residency: central }\n  a: { residency: central }\n  c: { residency: local, region: eu-de }'),
    )
    expect(map.rows.map(({ who }) => who)).toEqual(['a, b', 'c', 'everybody else'])
    expect(map.rows[1]!.cells.find(({ purpose }) => purpose === 'security')).toEqual({
      purpose: 'security',
      outcome: 'goes',
      to: [{ region: 'eu-de', form: 'content sealed' }],
      retention: '18mo',
    })
    expect(mapTable(map)).toContain('eu-de: content sealed')
  })

  test('names cannot break out of a picture, and nothing is fetched', () => {
    const evil = '"<script>alert(1)</script>&]--> x"'
    const map = mapped(load(`  ${JSON.stringify(evil)}: { residency: local, region: eu-de }`))
    for (const text of [mapSvg(map), mapHtml(map), mapMermaid(map)]) {
      expect(text).not.toContain('<script')
      expect(text.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|@import|src=/)
    }
    const open = mapSvg(map).match(/<[a-z]+(?:>|[^>]*[^/]>)/g)!.length
    expect(mapSvg(map).match(/<\/[a-z]+>/g)).toHaveLength(open)
    expect(
      mapMermaid(map)
        .split('\n')
        .filter((line) => line.includes('script')),
    ).toHaveLength(1)
  })
})
