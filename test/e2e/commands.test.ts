/** The verbs that need no running gateway, as a user or a script calls them: what they print, and how they end. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { decodeRequest, type LogRecord, type Request } from '../oracle/otlp.ts'
import { cleanUp, files, run, runJson, temporaryFolder } from './gateway.ts'
import { attribute, bytes, record, recordsOf, request } from './requests.ts'

const config = (name: string): string[] => ['--config', join(import.meta.dirname, '../../config', name)]
const quickstart = config('quickstart.yaml')
const main = join(import.meta.dirname, '../../src/main.ts')
afterAll(cleanUp)

const words = 'the invoice goes to mara@customer.example'
const sample = {
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'tenant.id', value: { stringValue: 'initech' } }] },
      scopeLogs: [
        {
          logRecords: [
            {
              timeUnixNano: '1795226131682000000',
              eventName: 'export.docx',
              body: { stringValue: words },
              attributes: [{ key: 'enduser.email', value: { stringValue: 'tom@initech.example' } }],
            },
          ],
        },
      ],
    },
  ],
}

describe('explain', () => {
  it('shows each step and what each destination would get, for programs', async () => {
    const [told] = await runJson<{
      before: unknown
      steps: { processor: string; after: unknown }[]
      destinations: { destination: string; region: string; gets: unknown }[]
      answer: unknown
    }>(['explain', '--format', 'json', ...quickstart], JSON.stringify(sample))
    expect(told!.steps.map(({ processor }) => processor)).toEqual([
      'normalize_clock',
      'tag_purpose',
      'minimize',
      'encrypt',
    ])
    expect(JSON.stringify(told!.before)).toContain(words)
    expect(JSON.stringify(told!.steps[2]!.after)).toContain('the invoice goes to <email>')
    expect(JSON.stringify(told!.steps[3]!.after)).toContain('cose:')
    expect(told!.destinations.map(({ destination, region }) => [destination, region])).toEqual([
      ['postgres/eu_de', 'eu-de'],
      ['postgres/central', 'eu-nl'],
    ])
    for (const { gets } of told!.destinations) {
      expect(JSON.stringify(gets)).not.toMatch(/mara|tom@|invoice|cose:/)
      expect(JSON.stringify(gets)).toMatch(/hmac:[0-9a-f]+:[0-9a-f]+/)
    }
    expect(told!.answer).toEqual({ is: 'ok' })
  })

  it('takes one log line, plain text without colours when piped; refuses an empty sample and broken JSON', async () => {
    const [line, empty, broken] = await Promise.all([
      run(['explain', '--tenant', 'acme', ...quickstart], { input: `${words}\n` }),
      run(['explain', ...quickstart], { input: ' \n' }),
      run(['explain', ...quickstart], { input: '{"resourceLogs": [' }),
    ])
    expect(line.code).toBe(0)
    expect(line.stdout).toContain('→ postgres/eu_de')
    expect(line.stdout).not.toContain('\u001b')
    expect([empty.code, broken.code]).toEqual([1, 1])
    expect(broken.stderr).toMatch(/byte \d+/)
  })
})

interface ReplayLine {
  readonly line: number
  readonly destination: string
  readonly body: string
}

describe('replay', () => {
  const startNano = 1_795_226_131_000_000_000n
  const line = (n: number, one: Request, more: object = {}): string =>
    JSON.stringify({
      received_unix_nano: String(startNano + BigInt(n) * 1_000_000_000n),
      body: bytes(one).toString('base64'),
      ...more,
    })
  const at = (text: string, more: Parameters<typeof record>[1] = {}): LogRecord =>
    record(text, { timeUnixNano: startNano, observedTimeUnixNano: startNano, ...more })
  const capture = [
    line(0, request(undefined, [at('zero', { eventName: 'auth.login' })]), { sender: { key: 'acme' } }),
    line(1, request('globex', [at('one', { eventName: 'document.opened', with: { 'enduser.email': 'a@b.example' } })])),
    line(2, request('initech', [at('two', { eventName: 'export.docx' }), at('three')])),
    line(3, request('umbrella', [at('four')])),
    line(2, request(undefined, [at('five', { timeUnixNano: startNano + 3_600_000_000_000n })]), {
      sender: { key: 'acme' },
      headers: { date: 'Sat, 21 Nov 2026 01:55:31 GMT', 'user-agent': 'test/1' },
      received_monotonic_nano: '77',
    }),
    line(6, request('globex', [at('six')]), { sender: { key: 'acme' } }),
  ]
  const replayed = async (lines: readonly string[], of = quickstart) => {
    const file = files(temporaryFolder(), { 'capture.jsonl': `${lines.join('\n')}\n` })
    const { code, stdout, stderr } = await run(['replay', ...of, file])
    const out = stdout.split('\n').filter((text) => text !== '')
    return { code, stdout, stderr, out: out.map((text) => JSON.parse(text) as ReplayLine) }
  }

  it('gives every copy in order with its account; the same again; and a shorter capture gives the same so far', async () => {
    const [first, again, shorter] = await Promise.all([
      replayed(capture),
      replayed(capture),
      replayed(capture.slice(0, 3)),
    ])
    expect([first.code, again.stdout]).toEqual([0, first.stdout])
    expect(first.stdout.startsWith(shorter.stdout)).toBe(true)
    expect(first.out.map(({ line, destination }) => `${line} ${destination}`)).toEqual([
      '1 postgres/eu_de',
      '2 postgres/central',
      '3 postgres/eu_de',
      '3 postgres/central',
      '4 quarantine',
      '5 postgres/eu_de',
    ])
    const account = JSON.parse(first.stderr.split('\n').findLast((text) => text.includes('"account"'))!).account
    expect(account).toMatchObject({ received: 7, stored: 5, quarantined: 1, rejected: 1, in_flight: 0 })
    // The last line's credential does not speak for the tenant it names.
    expect(first.stderr).toMatch(/line 6: bad: .*tenant/)
  })

  it('what leaves is minimized, sealed and set right by the clock of the capture', async () => {
    const { out } = await replayed(capture)
    const of = (line: number, destination: string): LogRecord[] =>
      recordsOf(
        out
          .filter((one) => one.line === line && one.destination === destination)
          .map(({ body }) => decodeRequest(Buffer.from(body, 'base64'))),
      )
    expect(of(1, 'postgres/eu_de')[0]!.body?.stringValue).toMatch(/^cose:/)
    const [opened] = of(2, 'postgres/central')
    expect(opened!.body).toBeUndefined()
    expect(attribute(opened!, 'enduser.email')?.stringValue).toMatch(/^hmac:[0-9a-f]+:[0-9a-f]{16,}$/)
    expect(attribute(opened!, 'douane.minimized.hash.count')?.intValue).toBe(1n)
    const [future] = of(5, 'postgres/eu_de')
    const clock = future!.attributes!.filter(({ key }) => /^douane\.(clock|time)\./.test(key!)).map(({ key }) => key)
    expect(clock.length).toBeGreaterThan(0)
    expect(of(1, 'postgres/eu_de')[0]!.attributes!.some(({ key }) => /^douane\.clock\./.test(key!))).toBe(false)
  })

  it('works without residency; a wrong line is told by its number', async () => {
    const agreed = capture.slice(0, 5)
    const through = await replayed(agreed, config('passthrough.yaml'))
    expect([through.code, through.out.length]).toEqual([0, agreed.length])
    const texts = recordsOf(through.out.map(({ body }) => decodeRequest(Buffer.from(body, 'base64')))).map(
      ({ body }) => body?.stringValue,
    )
    expect(texts).toEqual(['zero', 'one', 'two', 'three', 'four', 'five'])
    const wrong = await replayed([capture[0]!, '{"received_unix_nano":"x"}'])
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('line 2')])
    const missing = await run(['replay', ...quickstart, '/nowhere/capture.jsonl'])
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('capture.jsonl')])
  })
})

describe('the configuration', () => {
  it('validate, components, schema and print-config end with 0; secrets are redacted', async () => {
    const secret = files(temporaryFolder(), {
      'secret.yaml': `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
exporters:
  otlp_http: { endpoint: "https://logs.example", headers: { authorization: "Bearer s3cret", x-key: "\${env:X_KEY}" } }
  postgres: { url: "postgres://user:s3cret@db.example/logs", region: eu }
service: { pipelines: { logs: { receivers: [otlp], exporters: [otlp_http, postgres] } } }
`,
    })
    const [valid, components, schema, printed, unset] = await Promise.all([
      run(['validate', ...quickstart]),
      run(['components']),
      runJson(['schema']).catch(async () => [JSON.parse((await run(['schema'])).stdout)]),
      run(['print-config', '--config', secret], { env: { X_KEY: 's3cret' } }),
      run(['print-config', '--config', secret]),
    ])
    expect([valid.code, components.code]).toEqual([0, 0])
    for (const name of [
      'normalize_clock',
      'tag_purpose',
      'minimize',
      'encrypt',
      'postgres',
      'otlp_grpc',
      'residency',
    ]) {
      expect(components.stdout).toContain(name)
    }
    expect(schema[0]).toMatchObject({ type: 'object' })
    expect(printed.code).toBe(0)
    expect(printed.stdout).toContain('logs.example')
    expect(printed.stdout).not.toContain('s3cret')
    expect([unset.code, unset.stderr]).toEqual([1, expect.stringMatching(/secret\.yaml:\d+:\d+ .*X_KEY/)])
  })

  it('help ends with 0; no verb, an unknown one, a missing argument: 2', async () => {
    const ended = await Promise.all([run(['--help']), run(['query', '--help']), run([]), run(['rnu']), run(['replay'])])
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 2, 2, 2])
  })

  it('a value that an option does not take is wrong usage, whatever the verb', async () => {
    const wrong = [
      ['query', '--since', 'yesterday'],
      ['query', '--trace-id', 'zz'],
      ['meter', '--month', '2026-00'],
      ['meter', '--until', '2026-02-30'],
      ['residency', 'map', '--format', 'png'],
      ['residency', 'check', '--format', 'yaml'],
      ['residency', 'report', '--tenant', 'acme', '--since', 'ever'],
      ['retention', 'run', '--as-of', '2026-02-30'],
    ]
    const ended = await Promise.all(wrong.map((args) => run(args)))
    expect(ended.map(({ code, stderr }) => `${code} ${/is invalid/.exec(stderr)}`)).toEqual(
      wrong.map(() => '2 is invalid'),
    )
  })

  it('scan ends as CI wants it', async () => {
    const input = { input: `mail ${words}\n` }
    const ended = await Promise.all([
      run(['scan'], input),
      run(['scan', '--fail-on-findings'], input),
      run(['scan', '--fail-on-findings', 'secret,iban'], input),
      run(['scan', '--fail-on-findings', 'email', '--format', 'table'], input),
      run(['scan', '/nowhere/at/all.log'], input),
      // A name that nothing finds, and a file taken for one, would let everything pass.
      run(['scan', '--fail-on-findings', 'secrets'], input),
      run(['scan', '--fail-on-findings', 'app.log'], input),
    ])
    expect(ended.map(({ code }) => code)).toEqual([0, 1, 0, 1, 1, 2, 2])
    expect(ended[5]!.stderr).toContain('Did you mean secret?')
    expect(ended.map(({ stdout }) => stdout).join('')).not.toContain('mara@')
  })

  it('a reader that has seen enough is no error', async () => {
    const child = spawn(process.execPath, [main, 'schema'], { stdio: ['ignore', 'pipe', 'pipe'] })
    let told = ''
    child.stderr.on('data', (text) => {
      told += text
    })
    child.stdout.destroy()
    const [code] = await once(child, 'exit')
    expect([code, told]).toEqual([0, ''])
  })

  it.runIf(existsSync('/dev/full'))('output that a full disk does not take: 3, and told', async () => {
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [main, 'schema'], { stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    let told = ''
    child.stderr!.on('data', (text) => {
      told += text
    })
    const [code] = await once(child, 'close')
    expect([code, told]).toEqual([3, expect.stringContaining('cannot be written (ENOSPC)')])
  })

  it('an empty data directory is wrong usage, not the folder that one stands in', async () => {
    const folder = temporaryFolder()
    const [byFlag, byVariable] = await Promise.all([
      run(['run', '--data-dir', ''], { cwd: folder }),
      run(['run'], { cwd: folder, env: { DOUANE_DATA_DIR: '' } }),
    ])
    expect([byFlag.code, byVariable.code]).toEqual([2, 2])
    expect(readdirSync(folder)).toEqual([])
  })

  it('status without a gateway: 3, and what to do', async () => {
    const { code, stderr } = await run(['status', '--data-dir', temporaryFolder()])
    expect([code, stderr]).toEqual([3, expect.stringContaining('douane run')])
  })
})
