import { describe, expect, it } from 'vitest'
import { tagPurpose } from '../../processors/tag_purpose.ts'
import type { Host, Verdict } from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import { Mark } from '../../src/otlp/slots.ts'
import { createPurposes } from '../../src/purposes.ts'
import { makeRecord, type Parts } from '../ottl/records.ts'

interface TestHost extends Host {
  readonly counts: Record<string, number>
}

function makeHost(files: Record<string, string> = {}, known?: string[]): TestHost {
  const counts: Record<string, number> = {}
  const counter = (name: string, labels: readonly string[]) => ({
    add: (n: number) => {
      const key = [name, ...labels].join(' ')
      counts[key] = (counts[key] ?? 0) + n
    },
  })
  return {
    id: 'tag_purpose',
    counts,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    purposes: createPurposes(known),
    hashKeys: { current: () => ({ id: '00000000', key: new Uint8Array(32) }) },
    resolve: (path) => path,
    readText: (path) => {
      const text = files[path]
      if (text === undefined) throw new ConfigError(`the file ${path} cannot be read (ENOENT)`)
      return text
    },
    dataDir: () => '',
    nowMs: () => 0,
    counter: ((name: string, _help: string, labels?: readonly string[]) =>
      labels === undefined
        ? counter(name, [])
        : { with: (...values: string[]) => counter(name, values) }) as Host['counter'],
    gauge: () => {},
  }
}

/** Runs one record through a fresh processor: its verdict and its purposes. */
function tag(options: unknown, parts: Parts | LogRecord, host: TestHost = makeHost(), tenant = 'acme') {
  const processor = tagPurpose.create(tagPurpose.config.parse(options), host)
  const record = 'slots' in parts ? parts : makeRecord(parts)
  record.request.tenants[0] = tenant
  processor.begin?.(record.request)
  const verdict: Verdict = processor.record!(record)
  processor.end?.(record.request)
  return { verdict, purposes: host.purposes.names(record.purposes), record }
}

const rules = [
  { purpose: 'security', when: 'log.severity_number >= SEVERITY_NUMBER_ERROR or HasPrefix(log.event_name, "auth.")' },
  { purpose: ['usage', 'billing'], when: 'log.attributes["event.kind"] == "export"' },
  { purpose: 'support', when: 'IsMatch(log.body, "time.?out")' },
]

describe('rules', () => {
  it('all apply, and their purposes are joined', () => {
    const parts = {
      record: { severityNumber: 17, body: { stringValue: 'time out' } },
      attributes: { 'event.kind': 'export' },
    }
    const host = makeHost()
    expect(tag({ rules }, parts, host)).toMatchObject({
      verdict: 'keep',
      purposes: ['billing', 'security', 'support', 'usage'],
    })
    expect(host.counts).toEqual({ 'rule_matches 0': 1, 'rule_matches 1': 1, 'rule_matches 2': 1 })
  })

  it('that do not match leave the default, which is quarantine when nothing is said', () => {
    expect(tag({ rules }, { record: { severityNumber: 9 } })).toMatchObject({ verdict: 'quarantine', purposes: [] })
    expect(tag({ rules, default: ['support'] }, {})).toMatchObject({ verdict: 'keep', purposes: ['support'] })
    expect(tag({ rules: [], default: 'quarantine' }, {})).toMatchObject({ verdict: 'quarantine', purposes: [] })
    expect(tag({ rules: [], default: 'usage' }, {})).toMatchObject({ verdict: 'keep', purposes: ['usage'] })
  })

  it('join what an earlier processor found', () => {
    const host = makeHost()
    const record = makeRecord({ record: { severityNumber: 17 } })
    record.purposes = host.purposes.bit('billing')
    expect(tag({ rules }, record, host).purposes).toEqual(['billing', 'security'])
  })

  it('compare a missing attribute without failing', () => {
    const when = [
      'attributes["n"] > 3',
      'attributes["n"] == "x"',
      'attributes["n"] != nil',
      'attributes["n"]["k"] == 1',
    ]
    for (const each of when) {
      expect(tag({ rules: [{ purpose: 'usage', when: each }], default: ['support'] }, {}).purposes).toEqual(['support'])
    }
  })
})

describe('a rule that cannot be evaluated', () => {
  const failing = [rules[0], { purpose: 'usage', when: 'HasPrefix(attributes["path"], "/api")' }]
  const parts = { record: { severityNumber: 17 }, attributes: { path: 5n } }

  it.each([
    [undefined, { verdict: 'quarantine', purposes: [] }],
    ['quarantine', { verdict: 'quarantine', purposes: [] }],
    ['reject', { verdict: 'reject', purposes: [] }],
    ['default_purpose', { verdict: 'keep', purposes: ['support'] }],
  ])('takes the whole record by error_mode %s, other matches or not', (error_mode, expected) => {
    const host = makeHost()
    expect(tag({ rules: failing, default: ['support'], error_mode }, parts, host)).toMatchObject(expected)
    expect(host.counts['rule_errors 1']).toBe(1)
  })

  it('is quarantined by default_purpose where the default is quarantine', () => {
    expect(tag({ rules: failing, error_mode: 'default_purpose' }, parts).verdict).toBe('quarantine')
  })

  it('does not fail where and / or never came to it', () => {
    const guarded = [{ purpose: 'usage', when: 'IsString(attributes["path"]) and HasPrefix(attributes["path"], "/")' }]
    expect(tag({ rules: guarded, default: ['support'] }, parts)).toMatchObject({
      verdict: 'keep',
      purposes: ['support'],
    })
  })

  it('also when it is one that is asked by itself', () => {
    const open = [{ purpose: 'usage', when: 'attributes["path"] / 0 == 1' }]
    const host = makeHost()
    expect(tag({ rules: open, default: ['support'] }, parts, host).verdict).toBe('quarantine')
    expect(host.counts['rule_errors 0']).toBe(1)
  })
})

describe('the configuration', () => {
  const messages = (options: unknown): string[] => {
    const parsed = tagPurpose.config.safeParse(options)
    return parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  }

  it('tells every wrong rule at once, with its place', () => {
    const wrong = [
      { purpose: 'security', when: 'evnt_name == "a"' },
      { purpose: 'security', when: 'severity_number >= "x"' },
      { purpose: 'Bad Name', when: 'true' },
      { purpose: [], when: 'true' },
    ]
    const told = messages({ rules: wrong })
    expect(told).toHaveLength(4)
    expect(told[0]).toMatch(
      /^rules\.0\.when: condition, line 1, column 1: there is no field evnt_name; did you mean event_name\?$/,
    )
    expect(told[1]).toMatch(/^rules\.1\.when: .*never equals text/)
  })

  it('refuses unknown options and modes', () => {
    expect(messages({ rule: [] })).not.toEqual([])
    expect(messages({ error_mode: 'ignore' })).not.toEqual([])
    expect(messages({ rules: [{ purpose: 'a', when: 'true', else: 'b' }] })).not.toEqual([])
  })

  it('refuses purposes that the policy does not know, and says where', () => {
    const create = () =>
      tagPurpose.create(
        tagPurpose.config.parse({ rules: [{ purpose: 'securty', when: 'true' }] }),
        makeHost({}, ['security']),
      )
    expect(create).toThrow(ConfigError)
    try {
      create()
    } catch (error) {
      expect(error).toMatchObject({ path: ['rules', 0, 'purpose'], fix: 'did you mean security?' })
    }
  })
})

describe('the event catalogue', () => {
  const file = `
events:
  - name: auth.login
    description: Somebody signed in
    purpose: security
    category: access
    required: ['log.attributes["enduser.id"]', log.time_unix_nano]
    content: [log.body, 'log.attributes["comment"]']
  - { name: 'export.*', purpose: [billing, usage] }
  - { name: 'export.internal.*', purpose: support }
`
  const options = { catalogue: 'events.yaml' }
  const host = () => makeHost({ 'events.yaml': file })
  const login = (attributes: Record<string, unknown>) => ({
    record: { eventName: 'auth.login', timeUnixNano: '1', body: { stringValue: 'x' } },
    attributes,
  })

  it('gives purposes by name, the longest prefix first', () => {
    const purposesOf = (eventName: string) => tag(options, { record: { eventName } }, host()).purposes
    expect(purposesOf('export.docx')).toEqual(['billing', 'usage'])
    expect(purposesOf('export.internal.x')).toEqual(['support'])
    expect(purposesOf(`export.${'x'.repeat(500)}`)).toEqual(['billing', 'usage'])
    expect(purposesOf('auth.logout')).toEqual([])
  })

  it('marks content', () => {
    const { record } = tag(options, login({ 'enduser.id': 'u', comment: 'c', other: 'o' }), host())
    const marks = (slot: number) => record.slots.marks(slot)
    expect(marks(record.body)).toBe(Mark.Content | Mark.Seal)
    expect(marks(record.attributes.find('comment'))).toBe(Mark.Content | Mark.Seal)
    expect(marks(record.attributes.find('other'))).toBe(0)
  })

  it.each([
    ['count', 'keep'],
    ['annotate', 'keep'],
    ['quarantine', 'quarantine'],
    ['reject', 'reject'],
  ])('counts an event that lacks a required field, and does what `incomplete: %s` says', (incomplete, verdict) => {
    const known = host()
    const tagged = tag({ ...options, incomplete }, login({ 'enduser.id': '' }), known)
    expect(tagged.verdict).toBe(verdict)
    expect(known.counts['incomplete_events auth.login']).toBe(1)
    const slot = tagged.record.attributes.find('douane.incomplete')
    if (incomplete === 'annotate') {
      expect(tagged.record.slots.value(slot)).toEqual({
        kind: 'array',
        values: [{ kind: 'string', value: 'log.attributes["enduser.id"]' }],
      })
    } else expect(slot).toBe(-1)
  })

  it('leaves a complete event alone', () => {
    const known = host()
    expect(tag({ ...options, incomplete: 'reject' }, login({ 'enduser.id': 'u' }), known).verdict).toBe('keep')
    expect(known.counts['incomplete_events auth.login']).toBeUndefined()
  })

  it('is refused with every problem and its line', () => {
    const bad = `events:
  - { name: 'a*b', purpose: security }
  - { name: x, purpose: Nope }
`
    const create = (text: string) =>
      tagPurpose.create(tagPurpose.config.parse(options), makeHost({ 'events.yaml': text }, ['security']))
    expect(() => create(bad)).toThrow(/events\.yaml:2:13 .*\n.*events\.yaml:3:25 /)
    const worse = `events:
  - { name: x, purpose: security, required: [log.bdy], content: [resource.attributes] }
  - { name: x, purpose: securty }
`
    expect(() => create(worse)).toThrow(
      /2:46 .*did you mean .*\n.*2:66 content is log\.body.*\n.*3:13 .*listed twice\n.*3:25 .*securty/s,
    )
    expect(() => create('events: [')).toThrow(/not YAML/)
    expect(() => tagPurpose.create(tagPurpose.config.parse({ catalogue: 'none.yaml' }), makeHost())).toThrow(
      /cannot be read/,
    )
  })
})

describe('purposes that senders propose', () => {
  const from_attribute = { path: 'log.attributes["purpose"]', allow: ['usage', 'billing'], tenants: ['acme'] }
  const options = { default: ['support'], from_attribute }
  const purposesOf = (purpose: unknown, tenant = 'acme', host = makeHost()) =>
    tag(options, { attributes: { purpose } }, host, tenant).purposes

  it('count where the tenant is trusted, as text or a list', () => {
    expect(purposesOf('usage')).toEqual(['usage'])
    expect(purposesOf(['usage', 'billing'])).toEqual(['billing', 'usage'])
  })

  it('are ignored and counted where they are not allowed', () => {
    for (const [purpose, tenant] of [
      ['security', 'acme'],
      ['usage', 'globex'],
      ['usage', ''],
      [5n, 'acme'],
      [['usage', 5n], 'acme'],
    ] as const) {
      const host = makeHost()
      expect(purposesOf(purpose, tenant, host)).toEqual(['support'])
      expect(host.counts['proposals refused']).toBe(1)
    }
  })

  it('are not read where nobody configured it', () => {
    expect(tag({ default: ['support'] }, { attributes: { purpose: 'usage' } }).purposes).toEqual(['support'])
  })
})
