import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../src/errors.ts'
import { load, told } from './registries.ts'

const good = `
receivers:
  otlp: { protocols: { http: } }
processors:
  minimize: { keys: { enduser.email: hash } }
exporters:
  otlp_http/a: { endpoint: "http://127.0.0.1:1", region: eu-de, timeout: 10s }
service:
  pipelines:
    logs: { receivers: [otlp], processors: [minimize], exporters: [otlp_http/a] }
`

describe('a good configuration', () => {
  test('gives the options of each component with their defaults', () => {
    const { config, problems, warnings } = load({ 'a.yaml': good })
    expect(problems).toEqual([])
    expect(warnings).toEqual([])
    expect(config?.receivers.get('otlp')?.options.protocols.http?.endpoint).toBe('127.0.0.1:4318')
    expect(config?.processors.get('minimize')?.options).toEqual({ keys: { 'enduser.email': 'hash' }, window: 5000 })
    const exporter = config?.exporters.get('otlp_http/a')
    expect(exporter?.options).toEqual({ endpoint: 'http://127.0.0.1:1', compression: 'gzip' })
    expect(exporter?.component.name).toBe('otlp_http')
    expect(exporter).toMatchObject({ region: 'eu-de', timeoutMs: 10_000 })
    expect(exporter?.retry).toMatchObject({ enabled: true, max_elapsed_time: 0 })
    expect(exporter?.queue).toMatchObject({ enabled: true, sizer: 'bytes' })
    expect(config?.pipelines).toEqual([
      { id: 'logs', receivers: ['otlp'], processors: ['minimize'], exporters: ['otlp_http/a'] },
    ])
  })

  test('an alias is the same component', () => {
    const { config } = load({ 'a.yaml': good.replaceAll('otlp_http/a', 'otlphttp/a') })
    expect(config?.exporters.get('otlphttp/a')?.component.name).toBe('otlp_http')
  })

  test('only extensions that the service names are started', () => {
    const text = `${good}\n  extensions: [health_check]\nextensions: { health_check: , admin: { endpoint: "127.0.0.1:0" } }\n`
    const { config, warnings } = load({ 'a.yaml': text })
    expect([...config!.extensions.keys()]).toEqual(['health_check'])
    expect(config!.extensions.get('health_check')!.options).toEqual({ endpoint: '127.0.0.1:13133', path: '/' })
    expect(told({ problems: warnings })).toEqual([
      'a.yaml:13:31 extensions.admin: is defined but not started; name it under service.extensions',
    ])
  })
})

describe('several files', () => {
  const over = `
exporters:
  otlp_http/a: { endpoint: "http://127.0.0.1:2" }
service: { pipelines: { logs: { processors: [] } } }
`
  test('maps are merged, lists and values replaced by the later file', () => {
    const { config } = load({ 'a.yaml': good, 'b.yaml': over })
    expect(config?.exporters.get('otlp_http/a')).toMatchObject({
      region: 'eu-de',
      options: { endpoint: 'http://127.0.0.1:2' },
    })
    expect(config?.pipelines[0]).toMatchObject({ processors: [], receivers: ['otlp'] })
  })

  test('an empty section in a later file takes nothing away', () => {
    expect(load({ 'a.yaml': good, 'b.yaml': 'exporters:\n  otlp_http/a:\n' }).problems).toEqual([])
  })

  test('a problem names the file in which the value stands', () => {
    const loaded = load({ 'a.yaml': good, 'b.yaml': 'exporters: { otlp_http/a: { compression: brotli } }' })
    expect(told(loaded)).toEqual([
      'b.yaml:1:42 exporters.otlp_http/a.compression: "brotli" is not allowed; allowed: none, gzip, zstd',
    ])
  })

  test('a relative path starts from the file that names it', () => {
    const { config } = load({ 'a.yaml': good.replace('127.0.0.1:1"', 'x.sock"') })
    const section = config!.exporters.get('otlp_http/a')!
    expect(section.resolve('out.jsonl')).toMatch(/douane-config-[^/]+\/out\.jsonl$/)
    expect(section.resolve('/var/out.jsonl')).toBe(join('/var', 'out.jsonl'))
  })
})

describe('problems', () => {
  test('all of them are told at once, in the order of the file, with the fix', () => {
    const loaded = load({
      'a.yaml': `receivers: { otlp: { protocols: { http: } } }
processors:
  minimize:
    keyz: {}
    keys: { a: hsh }
    rules: [{ when: x, share: 2 }, { whn: y }]
    form: { width: 0 }
  minimise: {}
exporters:
  otlp_http/a: { compression: 5, headers: { a: 1 }, retry_on_failure: { max_intervall: 1s }, timeout: 5 }
extenions: {}
service:
  workers: 0
  pipelines:
    logs: { receivers: [otpl], processors: [minimize, minimize], exporters: otlp_http/a }
    traces: { receivers: [otlp], exporters: [otlp_http/a] }
`,
    })
    expect(loaded.config).toBeUndefined()
    expect(told(loaded)).toEqual([
      'a.yaml:4:5 processors.minimize.keyz: unknown option; allowed: keys, salt, rules, form, window; did you mean keys?',
      'a.yaml:5:16 processors.minimize.keys.a: "hsh" is not allowed; allowed: drop, mask, hash; did you mean hash?',
      'a.yaml:6:31 processors.minimize.rules[0].share: must be at most 1',
      'a.yaml:6:36 processors.minimize.rules[1].when: is missing; allowed: a text',
      'a.yaml:6:38 processors.minimize.rules[1].whn: unknown option; allowed: when, share; did you mean when?',
      'a.yaml:7:20 processors.minimize.form.width: must be at least 1',
      'a.yaml:8:3 processors.minimise: no processor of type "minimise"; allowed: minimize; did you mean minimize?',
      'a.yaml:10:3 exporters.otlp_http/a.endpoint: is missing; allowed: a text',
      'a.yaml:10:31 exporters.otlp_http/a.compression: is a number; allowed: none, gzip, zstd',
      'a.yaml:10:48 exporters.otlp_http/a.headers.a: is a number; allowed: a text; put it in quotes, with its unit where it has one (5s)',
      'a.yaml:10:73 exporters.otlp_http/a.retry_on_failure.max_intervall: unknown option; allowed: enabled, initial_interval, max_interval, multiplier, randomization_factor, max_elapsed_time; did you mean max_interval?',
      'a.yaml:10:103 exporters.otlp_http/a.timeout: is a number; allowed: a text; put it in quotes, with its unit where it has one (5s)',
      'a.yaml:11:1 extenions: unknown section; allowed: receivers, processors, connectors, exporters, extensions, service; did you mean extensions?',
      'a.yaml:13:12 service.workers: must be at least 1',
      'a.yaml:15:25 service.pipelines.logs.receivers[0]: no receiver "otpl" is defined; allowed: otlp; did you mean otlp?',
      'a.yaml:15:55 service.pipelines.logs.processors[1]: minimize stands here twice; keep one of them',
      'a.yaml:15:77 service.pipelines.logs.exporters: is a text; allowed: a list; put it in [ ]',
      'a.yaml:16:5 service.pipelines.traces: traces are not handled; allowed: logs, logs/name; send them elsewhere',
    ])
  })

  test.each([
    ['form: tall', 'form: "tall" is not allowed; allowed: short, long'],
    ['form: { hight: 1, width: 1 }', 'form.hight: unknown option; allowed: width'],
    ['form: [1]', 'form: has the wrong form; allowed: short, long or a map of options'],
    ['form: 1', 'form: has the wrong form; allowed: short, long or a map of options'],
    [
      'window: 5 seconds',
      'window: not a duration: write a number with ns, us, ms, s, m, h or d, such as 500ms, 5s or 1m30s',
    ],
    ['keys: [a]', 'keys: is a list; allowed: a map'],
    ['rules: {}', 'rules: is a map of options; allowed: a list'],
    ['salt: { a: 1 }', 'salt: is a map of options; allowed: a text'],
    ['salt: true', 'salt: is true or false; allowed: a text; put it in quotes'],
    ['salt:', 'salt: is empty; allowed: a text'],
  ])('%s', (option, expected) => {
    const loaded = load({
      'a.yaml': good.replace('minimize: { keys: { enduser.email: hash } }', `minimize:\n    ${option}`),
    })
    expect(told(loaded).map((line) => line.replace(/^a\.yaml:\d+:\d+ processors\.minimize\./, ''))).toEqual([expected])
  })

  test.each([
    ['no service', good.slice(0, good.indexOf('service:')), /^a\.yaml:2:1 service: is missing; add service:/],
    [
      'no pipelines',
      `${good.slice(0, good.indexOf('  pipelines:'))}  pipelines: {}\n`,
      /service\.pipelines: no pipeline is defined/,
    ],
    ['a bad id', good.replaceAll('otlp_http/a', 'otlp_http/a b'), /is no id; allowed: otlp_http, otlp_http\/name/],
    ['a list of sections', '- a\n', /is not a map; allowed: receivers/],
    [
      'a section that is a list',
      good.replace(/processors:\n.*\n/, 'processors: [minimize]\n'),
      /processors: is not a map/,
    ],
    ['an empty file', '', /service: is missing/],
  ])('%s', (_name, text, expected) => {
    expect(told(load({ 'a.yaml': text })).join('\n')).toMatch(expected)
  })

  test('a file that is not there is a problem, not an exception', () => {
    const loaded = load({ 'a.yaml': good })
    expect(loaded.problems).toEqual([])
    const missing = load({ 'a.yaml': 'service: { pipelines: } \nconnectors: { residency: { policy: nowhere.yaml } }' })
    expect(told(missing).join('\n')).toMatch(/nowhere\.yaml:1:1 cannot be read \(ENOENT\)/)
  })

  test('no problem quotes a value that could be a secret', () => {
    const text = good.replace(
      'endpoint: "http://127.0.0.1:1"',
      'endpoint: [hunter2], headers: hunter2, hunter2: { hunter3: 1 }',
    )
    const all = told(load({ 'a.yaml': text }))
      .join('\n')
      .replaceAll('otlp_http/a.hunter2', '')
    expect(all).toContain('endpoint: is a list')
    expect(all).not.toContain('hunter')
  })

  test('what a component throws later is told at its place', () => {
    const loaded = load({ 'a.yaml': good })
    const error = new ConfigError('the condition is wrong', ['keys', 'enduser.email'], 'write it anew')
    const problem = loaded.problemOf(error, ['processors', 'minimize'])
    expect(told({ problems: [problem] })).toEqual([
      'a.yaml:5:38 processors.minimize.keys["enduser.email"]: the condition is wrong; write it anew',
    ])
    expect(loaded.locate(['processors', 'minimize', 'nothing', 'there'])).toMatchObject({ line: 5, column: 3 })
  })
})

describe('YAML', () => {
  test.each([
    ['a duplicate key', 'a: 1\nb: 2\na: 3\n', 'a.yaml:3:1 a: written twice, first on line 1; keep one of them'],
    [
      'a duplicate in a flow map',
      'x: { k: 1, k: 2 }',
      'a.yaml:1:12 x.k: written twice, first on line 1; keep one of them',
    ],
    ['a bad indentation', 'a:\n  b: 1\n c: 2\n', /^a\.yaml:3:\d+ not YAML 1\.2: /],
    ['an unclosed quote', 'a: "x\n', /^a\.yaml:\d+:\d+ not YAML 1\.2: /],
    ['an unknown alias', 'a: *x\n', 'a.yaml:1:4 a: no anchor &x before this alias'],
    ['an alias that holds itself', 'a: &x [*x]\n', /nested deeper than|no anchor/],
    ['a tag', 'a: !secret x\n', /not YAML 1\.2: .*tag/i],
    ['two documents', 'a: 1\n---\nb: 1\n', /^a\.yaml:2:1 a second document; give each file one/],
    ['__proto__', '__proto__: { a: 1 }\n', 'a.yaml:1:1 the key __proto__ is not allowed'],
    ['an unquoted expansion in a flow map', 'a: { b: $' + '{env:X} }\n', /put an expansion in quotes/],
  ])('%s', (_name, text, expected) => {
    const lines = told(load({ 'a.yaml': text }))
    if (typeof expected === 'string') expect(lines).toContain(expected)
    else expect(lines.join('\n')).toMatch(expected)
  })

  test('nested aliases cannot blow up', () => {
    let text = 'l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n'
    for (let level = 1; level < 9; level++) {
      text += `l${level}: &l${level} [${Array(10)
        .fill(`*l${level - 1}`)
        .join(', ')}]\n`
    }
    expect(told(load({ 'a.yaml': text })).join('\n')).toMatch(/more than 500000 values, aliases counted each time/)
  })

  test('anchors and merge keys work; explicit keys win', () => {
    const { config, problems } = load({
      'a.yaml': good.replace(
        /exporters:\n.*\n/,
        `exporters:
  otlp_http/a: &base { endpoint: "http://127.0.0.1:1", compression: zstd }
  otlp_http/b: { <<: *base, endpoint: "http://127.0.0.1:2" }
`,
      ),
    })
    expect(problems).toEqual([])
    expect(config?.exporters.get('otlp_http/b')?.options).toEqual({
      endpoint: 'http://127.0.0.1:2',
      compression: 'zstd',
    })
  })

  test('yes, no and country codes are text, as YAML 1.2 has it', () => {
    const text = good.replace('"http://127.0.0.1:1"', 'NO')
    expect(load({ 'a.yaml': text }).config?.exporters.get('otlp_http/a')?.options).toMatchObject({ endpoint: 'NO' })
  })
})
