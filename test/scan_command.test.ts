/** `douane scan`: one line out for one line in, whatever the notation, and never what was found. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../src/errors.ts'
import { Progress } from '../src/scan/progress.ts'
import { type ScanOptions, scanFiles } from '../src/scan_command.ts'

const secret = 'jane.doe@example.com'

async function run(file: string | undefined, options: Partial<ScanOptions> = {}, input = Readable.from([])) {
  const out = new PassThrough()
  const messages = new PassThrough()
  const told = Promise.all([out, messages].map(async (stream) => (await stream.toArray()).join('')))
  const summary = await scanFiles(
    file === undefined ? [] : [file],
    { format: 'jsonl', jsonlText: false, ...options },
    out,
    messages,
    input,
  )
  out.end()
  messages.end()
  const [printed, said] = (await told) as [string, string]
  return { printed, said, summary, lines: printed.split('\n').filter(Boolean) }
}
const written = (bytes: string | Buffer): string => {
  const file = join(mkdtempSync(join(tmpdir(), 'douane-scan-')), 'log')
  writeFileSync(file, bytes)
  return file
}

describe('scan', () => {
  const log = `nothing here\nmail ${secret} ok\r\n\nlast é ${secret}`
  const expected = [
    { line: 1, findings: [] },
    { line: 2, findings: [{ detector: 'email', type: 'email', start: 5, end: 25, confidence: 0.95 }] },
    { line: 3, findings: [] },
    { line: 4, findings: [{ detector: 'email', type: 'email', start: 7, end: 27, confidence: 0.95 }] },
  ]
  test('a file, gzip, stdin in pieces: the same lines', async () => {
    const bytes = Buffer.from(log)
    const pieces = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
    for (const { lines } of [
      await run(written(log)),
      await run(written(gzipSync(log))),
      await run(written(zstdCompressSync(log))),
      await run('-', {}, Readable.from(pieces)),
    ])
      expect(lines.map((line) => JSON.parse(line))).toEqual(expected)
  })
  test('JSON lines with a text: offsets count in the text', async () => {
    const { lines, summary } = await run(written(`{"text":"a \\"${secret}"}\nno json\n`), { jsonlText: true })
    expect(JSON.parse(lines[0]!).findings[0]).toMatchObject({ start: 3, end: 23 })
    expect(JSON.parse(lines[1]!)).toEqual({ line: 2, findings: [] })
    expect(summary.unreadable).toBe(1)
  })
  test('OTLP/JSON on one line', async () => {
    const { lines } = await run(
      written(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"to ${secret}"}}]}]}]}`),
    )
    expect(JSON.parse(lines[0]!).findings.map((f: { type: string }) => f.type)).toEqual(['email'])
  })
  test('the summary and the table show shapes, never what was found; sarif holds a result a finding', async () => {
    const table = await run(written(log), { format: 'table' })
    expect(table.printed).toContain('4 lines, 2 with findings')
    expect(table.printed).toContain('aaaa.aaa@aaaaaaa.aaa')
    const sarif = await run(written(log), { format: 'sarif' })
    expect(JSON.parse(sarif.printed).runs[0].results).toHaveLength(2)
    for (const { printed, said } of [table, sarif]) expect(printed + said).not.toContain(secret)
  })
  test('paths: in JSON its names, in OTLP/JSON those of OTTL, also over many lines; names that are personal are not told', async () => {
    const pretty = JSON.stringify(
      {
        resourceLogs: [
          {
            resource: { attributes: [{ key: 'owner', value: { stringValue: secret } }] },
            scopeLogs: [
              {
                scope: { name: secret },
                logRecords: [
                  {
                    body: { kvlistValue: { values: [{ key: 'iban', value: { stringValue: 'BE71096123456769' } }] } },
                    attributes: [{ key: 'bsn', value: { intValue: '123456782' } }],
                  },
                ],
              },
            ],
          },
        ],
      },
      undefined,
      2,
    )
    const lines = `${pretty}\n{"user":{"mail":"\\u006aane.doe@example.com"},"${secret}":{"iban":"BE71096123456769"}}\nplain ${secret}\n`
    const { lines: told, printed, said } = await run(written(lines))
    const findings = told.flatMap((line) => JSON.parse(line).findings as { type: string; path?: string }[])
    expect(findings.map(({ type, path }) => [type, path])).toEqual([
      ['email', 'resource.attributes["owner"]'],
      ['email', 'scope.name'],
      ['iban', 'log.body.iban'],
      ['nl_bsn', 'log.attributes["bsn"]'],
      ['email', 'user.mail'],
      ['email', '(a name that is personal itself)'],
      ['iban', '(a name that is personal itself)'],
      ['email', undefined],
    ])
    expect(JSON.parse(told.at(-2)!).findings[0]).toMatchObject({ start: 17, end: 42 })
    expect(said).toMatch(/log\.attributes\["bsn"\] +nl_bsn +1 +line \d+ +999999999/)
    expect(printed + said).not.toContain('ane.doe')
  })
  test('several files are told apart', async () => {
    const files = [written(log), written(`${secret}\n`)]
    const out = new PassThrough()
    const summary = await scanFiles(files, { format: 'jsonl', jsonlText: false }, out, new PassThrough().resume())
    out.end()
    const rows = (await out.toArray())
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(rows.map(({ file, line }) => [file, line])).toEqual([
      ...[1, 2, 3, 4].map((n) => [files[0], n]),
      [files[1], 1],
    ])
    expect(summary).toMatchObject({ lines: 5, linesWithFindings: 3, findings: 3 })
  })
  test('the example of docs/detectors.md', async () => {
    const page = readFileSync(join(import.meta.dirname, '../docs/detectors.md'), 'utf8')
    const [, input, output] = /\$ cat app\.jsonl\n([\s\S]*?)\n\$ douane scan [^\n]*\n([\s\S]*?)\n```/.exec(page)!
    const { printed } = await run(written(`${input}\n`), { format: 'table' })
    expect(printed.replace(/ +$/gm, '').trimEnd()).toBe(output)
  })
  test('progress: on a terminal, a few times a second, and gone at the end', () => {
    const shown: string[] = []
    const terminal = Object.assign(new PassThrough(), { isTTY: true, write: (text: string) => shown.push(text) > 0 })
    let now = 1000
    const progress = new Progress(terminal as never, 2_000_000, () => now)
    progress.bytes(500_000)
    for (let line = 0; line < 1024; line += 256) progress.show(line, 3)
    now += 250
    progress.show(1024, 4)
    progress.end()
    expect(shown).toEqual([
      '\r\x1b[K0.5 MB (25 %), 0 lines, 3 findings',
      '\r\x1b[K0.5 MB (25 %), 1024 lines, 4 findings',
      '\r\x1b[K',
    ])
    const pipe = new PassThrough()
    new Progress(pipe, 0, () => now).show(0, 0)
    expect(pipe.readableLength).toBe(0)
  })
  test('a file that is not there: what to do, told as wrong input', async () => {
    await expect(run('/nowhere/at/all.log')).rejects.toThrow(ConfigError)
  })
})
