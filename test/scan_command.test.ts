/** `douane scan`: one line out for one line in, whatever the notation, and never what was found. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../src/errors.ts'
import { type ScanOptions, scanFile } from '../src/scan_command.ts'

const secret = 'jane.doe@example.com'

async function run(file: string | undefined, options: Partial<ScanOptions> = {}, input = Readable.from([])) {
  const out = new PassThrough()
  const messages = new PassThrough()
  const told = Promise.all([out, messages].map(async (stream) => (await stream.toArray()).join('')))
  const summary = await scanFile(file, { format: 'jsonl', jsonlText: false, ...options }, out, messages, input)
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
  test('a file that is not there: what to do, told as wrong input', async () => {
    await expect(run('/nowhere/at/all.log')).rejects.toThrow(ConfigError)
  })
})
