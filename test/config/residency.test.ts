import { describe, expect, test } from 'vitest'
import { formatProblem } from '../../config/problem.ts'
import { loadPolicy, parsePolicy } from '../../config/residency.ts'
import { Source } from '../../config/tree.ts'
import { countsIn, retentionIn } from '../../src/policy.ts'
import { written } from './registries.ts'

const good = `
regions:
  eu-de: { jurisdiction: [DE, EU], pipeline: logs/eu_de }
  eu-fr: { jurisdiction: [FR, EU], pipeline: logs/eu_fr }
  eu-nl: { jurisdiction: [NL, EU], pipeline: logs/central, central: true }
purposes:
  security: { description: Detect attacks, retention: 18mo, content: encrypt }
  support:  { retention: 1mo, content: keep }
  billing:  { retention: 7y, allowed_keys: ["invoice.*", user.id] }
tenants:
  acme:    { residency: local, region: eu-de }
  globex:  { residency: central }
  initech: { residency: split, region: eu-de, central_purposes: [billing] }
  hooli:   { residency: local, regions: [eu-de, eu-fr], jurisdictions: [DE, FR] }
  umbrella: { residency: reject }
  stark:
    residency: split
    region: eu-de
    central_purposes: [billing, support]
    purposes:
      security: { residency: local, retention: 6d }
      support: { content: drop }
default: { residency: quarantine }
`
const parse = (text: string) => parsePolicy(new Source('residency.yaml', text))
const told = (text: string): string[] => parse(text).problems.map(formatProblem)

/** The good policy with one tenant's rule. */
const tenant = (rule: string): string => good.replace('tenants:\n', `tenants:\n  t: ${rule}\n`)

describe('a good policy', () => {
  const { policy, problems } = parse(good)
  test('is plain data with its defaults filled in', () => {
    expect(problems).toEqual([])
    expect(policy?.central).toBe('eu-nl')
    expect(policy?.regions.get('eu-de')).toEqual({
      name: 'eu-de',
      jurisdictions: ['DE', 'EU'],
      pipeline: 'logs/eu_de',
      central: false,
    })
    expect(policy?.purposes.get('billing')).toEqual({
      name: 'billing',
      description: '',
      retention: { text: '7y', months: 84, ms: 0 },
      content: 'drop',
      allowedKeys: ['invoice.*', 'user.id'],
    })
    expect(policy?.tenants.get('acme')).toEqual({
      residency: 'local',
      regions: ['eu-de'],
      centralPurposes: [],
      purposes: new Map(),
    })
    expect(policy?.tenants.get('globex')).toMatchObject({ residency: 'central', regions: [] })
    expect(policy?.tenants.get('hooli')).toMatchObject({ regions: ['eu-de', 'eu-fr'], jurisdictions: ['DE', 'FR'] })
    expect(policy?.tenants.get('stark')?.purposes.get('security')).toMatchObject({
      residency: 'local',
      retention: { text: '6d' },
    })
    expect(policy?.default.residency).toBe('quarantine')
  })

  test('can be handed to another thread', () => {
    expect(structuredClone(policy)).toEqual(policy)
  })

  test('without a default quarantines whoever is not listed', () => {
    const short = good.replace('default: { residency: quarantine }\n', '')
    expect(parse(short).policy?.default.residency).toBe('quarantine')
    expect(parse(short).policy?.version).toBe(policy?.version)
  })
})

test('a time zone is the calendar of all its periods; counts and limits are for people who ask', () => {
  const zoned = `time_zone: Europe/Brussels\n${good.replace('retention: 7y', 'retention: 7y, counts: 10y')}`
  const { policy, problems } = parse(
    zoned.replace('tenants:\n', 'tenants:\n  t: { residency: central, usage_limits: { llm.request: 5 } }\n'),
  )
  expect(problems).toEqual([])
  expect(policy?.tenants.get('t')?.usageLimits).toEqual({ 'llm.request': 5 })
  expect(retentionIn([policy!])('billing', 'acme')).toBe('7y@Europe:Brussels')
  expect(countsIn([policy!])('billing')).toBe('10y@Europe:Brussels')
  expect(countsIn([policy!])('security')).toBeUndefined()
  expect(told(`time_zone: Mars\n${good}`)).toEqual([
    expect.stringContaining('time_zone: is not a time zone such as Europe/Brussels or UTC'),
  ])
  expect(told(good.replace('retention: 7y', 'retention: 7y@Europe:Brussels'))).toHaveLength(1)
})

describe('the version', () => {
  const version = (text: string) => parse(text).policy?.version
  test('is the same for the same content: comments, order and style do not count', () => {
    const lines = good.split('\n')
    const swapped = [...lines.slice(0, 2), lines[3], lines[2], ...lines.slice(4)].join('\n')
    expect(version(`# a comment\n${swapped}`.replace('[DE, EU]', '["DE",   EU]'))).toBe(version(good))
    expect(version(good)).toMatch(/^[0-9a-f]{16}$/)
  })
  test.each([
    ['1mo', '2mo'],
    ['acme: ', 'acmf: '],
    ['content: encrypt', 'content: drop'],
    ['[eu-de, eu-fr]', '[eu-fr, eu-de]'],
    ['retention: 6d', 'retention: 5d'],
    ['user.id', 'user.ids'],
  ])('%s → %s is another version', (from, to) => {
    expect(version(good.replace(from, to))).toMatch(/^[0-9a-f]{16}$/)
    expect(version(good.replace(from, to))).not.toBe(version(good))
  })
})

describe('refused', () => {
  test.each([
    [
      'an unknown region',
      '{ residency: local, region: eu-ed }',
      ':11:34 tenants.t.region: no region "eu-ed"; allowed: eu-de, eu-fr, eu-nl; did you mean eu-de?',
    ],
    [
      'local without a region',
      '{ residency: local }',
      ':11:19 tenants.t.residency: local needs a region; allowed: eu-de, eu-fr, eu-nl; add region:',
    ],
    [
      'split without a region',
      '{ residency: split, central_purposes: [billing] }',
      ':11:19 tenants.t.residency: split needs a region; allowed: eu-de, eu-fr, eu-nl; add region:',
    ],
    [
      'split without purposes',
      '{ residency: split, region: eu-de }',
      ':11:3 tenants.t.central_purposes: split needs the purposes that go central; allowed: security, support, billing; add central_purposes, or make the tenant local',
    ],
    [
      'central purposes of a local tenant',
      '{ residency: local, region: eu-de, central_purposes: [billing] }',
      ':11:59 tenants.t.central_purposes: only a split tenant has central_purposes, this one is local',
    ],
    [
      'an unknown purpose',
      '{ residency: split, region: eu-de, central_purposes: [biling] }',
      ':11:60 tenants.t.central_purposes[0]: no purpose "biling"; allowed: security, support, billing; did you mean billing?',
    ],
    [
      'a central purpose that keeps content',
      '{ residency: split, region: eu-de, central_purposes: [support] }',
      ':11:60 tenants.t.central_purposes[0]: support keeps content in the clear (content: keep), which may not go central; make its content drop or encrypt, or take it off the list',
    ],
    [
      'a region outside the jurisdictions',
      '{ residency: local, region: eu-de, jurisdictions: [FR] }',
      ":11:56 tenants.t.jurisdictions: region eu-de lies in DE, EU, outside this tenant's jurisdictions; allowed: FR; choose another region or residency, or allow a jurisdiction of the region",
    ],
    [
      'a region to fail over to outside them',
      '{ residency: local, regions: [eu-de, eu-fr], jurisdictions: [DE] }',
      /region eu-fr lies in FR, EU, outside/,
    ],
    [
      'the central region outside them',
      '{ residency: central, jurisdictions: [DE] }',
      /region eu-nl lies in NL, EU, outside/,
    ],
    [
      'the central region of a split tenant outside them',
      '{ residency: split, region: eu-de, central_purposes: [billing], jurisdictions: [DE] }',
      /region eu-nl lies in NL, EU, outside/,
    ],
    [
      'a purpose override that reaches outside them',
      '{ residency: local, region: eu-de, jurisdictions: [DE], purposes: { billing: { residency: central } } }',
      /region eu-nl lies in NL, EU, outside/,
    ],
    [
      'region and regions',
      '{ residency: local, region: eu-de, regions: [eu-de] }',
      /region and regions exclude each other; keep regions/,
    ],
    [
      'a region twice',
      '{ residency: local, regions: [eu-de, eu-de] }',
      ':11:43 tenants.t.regions[1]: eu-de is named twice',
    ],
    [
      'a region of a quarantined tenant',
      '{ residency: quarantine, region: eu-de }',
      /a tenant that is quarantine has no region of its own; remove it/,
    ],
    [
      'a longer retention',
      '{ residency: central, purposes: { support: { retention: 2mo } } }',
      ':11:62 tenants.t.purposes.support.retention: 2mo is longer than the purpose allows; allowed: up to 1mo',
    ],
    [
      'laxer content',
      '{ residency: central, purposes: { security: { content: keep } } }',
      ':11:61 tenants.t.purposes.security.content: keep is laxer than the purpose allows; allowed: drop, encrypt',
    ],
    [
      'an unknown residency',
      '{ residency: centrall }',
      ':11:19 tenants.t.residency: "centrall" is not allowed; allowed: local, central, split, quarantine, reject; did you mean central?',
    ],
    [
      'an unknown option',
      '{ residency: central, regoin: eu-de }',
      ':11:28 tenants.t.regoin: unknown option; allowed: residency, region, regions, central_purposes, jurisdictions, purposes, usage_limits; did you mean region?',
    ],
    ['no residency', '{}', ':11:3 tenants.t.residency: is missing; allowed: local, central, split, quarantine, reject'],
    ['an empty rule', '', ':11:3 tenants.t.residency: is missing; allowed: local, central, split, quarantine, reject'],
  ])('%s', (_name, rule, expected) => {
    const lines = told(tenant(rule))
    expect(parse(tenant(rule)).policy).toBeUndefined()
    expect(lines).toHaveLength(1)
    if (typeof expected === 'string') expect(lines[0]).toBe(`residency.yaml${expected}`)
    else expect(lines[0]).toMatch(expected)
  })

  test.each([
    ['a purpose without retention', 'retention: 1mo, ', '', /purposes\.support\.retention: is missing/],
    ['a retention in minutes', '1mo', '18m', /purposes\.support\.retention: not a retention/],
    ['a duplicate tenant', 'globex: ', 'acme: ', /tenants\.acme: written twice, first on line 11/],
    [
      'two central regions',
      '[FR, EU],',
      '[FR, EU], central: true,',
      /regions\.eu-nl\.central: eu-fr is central already; one region may be/,
    ],
    [
      'a region without jurisdiction',
      'jurisdiction: [DE, EU], ',
      '',
      /regions\.eu-de\.jurisdiction: is missing; allowed: a list/,
    ],
    ['an empty jurisdiction', '[DE, EU]', '[]', /regions\.eu-de\.jurisdiction: the list is empty/],
    ['a purpose name with capitals', 'support: ', 'Support: ', /purposes\.Support: is no purpose name/],
    ['no purposes', /purposes:[\s\S]*tenants:/, 'tenants:', /purposes: is missing; add a section purposes:/],
    ['a section that is unknown', 'default:', 'defaults:', /defaults: unknown section; .* did you mean default\?/],
    [
      'a default that needs a region',
      'residency: quarantine',
      'residency: local',
      /default\.residency: local needs a region/,
    ],
    [
      'central without a central region',
      ', central: true',
      '',
      /tenants\.globex\.residency: central needs a central region; mark one region/,
    ],
  ])('%s', (_name, from, to, expected) => {
    const text = good.replace(from, to)
    expect(text).not.toBe(good)
    expect(parse(text).policy).toBeUndefined()
    expect(told(text).join('\n')).toMatch(expected)
  })

  test('too many purposes', () => {
    const many = Array.from({ length: 31 }, (_, i) => `  p${i}: { retention: 1d }\n`).join('')
    expect(told(good.replace('purposes:\n', `purposes:\n${many}`)).join('\n')).toMatch(/34 purposes; allowed: up to 30/)
  })

  test('a mistake in a region is told once, not by each tenant', () => {
    expect(told(good.replace('pipeline: logs/eu_de', 'pipline: logs/eu_de'))).toEqual([
      expect.stringContaining('regions.eu-de.pipeline: is missing'),
      expect.stringContaining('regions.eu-de.pipline: unknown option'),
    ])
  })

  test('a file that is not there', () => {
    expect(loadPolicy('/nowhere/residency.yaml').problems.map(formatProblem)).toEqual([
      '/nowhere/residency.yaml:1:1 cannot be read (ENOENT); check the path and its rights',
    ])
    expect(loadPolicy(written({})['folder']!).problems.map(formatProblem)[0]).toMatch(/cannot be read \(EISDIR\)/)
  })
})

test('ten thousand tenants load; bench/residency.ts says how fast', () => {
  const rules = ['{ residency: split, region: eu-de, central_purposes: [billing] }', '{ residency: central }']
  const tenants = Array.from({ length: 10_000 }, (_, i) => `  tenant-${i}: ${rules[i % 2]}\n`).join('')
  const text = good.replace('tenants:\n', `tenants:\n${tenants}`)
  expect(parse(text).policy?.tenants.size).toBe(10_006)
})
