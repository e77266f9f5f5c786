/**
 * `douane scan [FILE]`: what personal data and secrets a log file holds, before anything is deployed.
 *
 * Reads plain text, JSON lines and OTLP/JSON, gzip too; FILE left out or `-` = stdin. One line of output for each line of
 * input: `{"line":N,"findings":[{"detector","type","start","end","confidence"}]}` with UTF-16 offsets, and a summary by
 * type on stderr. `table` prints the summary alone, with one masked example each; `sarif` is for code-scanning tools.
 * What was found is never printed.
 */
import { createReadStream } from 'node:fs'
import { finished, Readable, type Writable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { detect, type Finding } from '../processors/minimize/detect/index.ts'
import { ConfigError } from './errors.ts'
import { limits } from './limits.ts'

export interface ScanOptions {
  readonly format: 'jsonl' | 'table' | 'sarif'
  /** Each line is `{"text": "…"}`: the text is scanned, and offsets count in it. */
  readonly jsonlText: boolean
  /** Report URLs too. */
  readonly urls?: boolean
}

export interface ScanSummary {
  lines: number
  linesWithFindings: number
  /** Lines that are not `{"text": …}` where that was promised. */
  unreadable: number
  byType: Map<string, { findings: number; firstLine: number; example: string }>
}

/** Scans `file` (undefined or `-`: `input`) and writes to `out`. Throws `ConfigError` when it cannot be read. */
export async function scanFile(
  file: string | undefined,
  options: ScanOptions,
  out: Writable,
  messages: Writable,
  input: Readable = process.stdin,
): Promise<ScanSummary> {
  const summary: ScanSummary = { lines: 0, linesWithFindings: 0, unreadable: 0, byType: new Map() }
  const writer = new Writer(out)
  const sarif: object[] = []
  const path = file === undefined || file === '-' ? 'stdin' : file
  try {
    for await (const line of linesOf(path === 'stdin' ? input : createReadStream(path))) {
      const findings = scanLine(line, options, summary)
      if (options.format === 'jsonl') await writer.write(`${JSON.stringify({ line: summary.lines, findings })}\n`)
      else if (options.format === 'sarif')
        for (const finding of findings) sarif.push(sarifResult(path, summary.lines, finding))
    }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause)
      throw new ConfigError(
        `the file ${path} cannot be read (${String(cause.code)})`,
        [],
        'Check its name and the right to read it.',
      )
    throw cause
  }
  if (options.format === 'sarif') await writer.write(`${JSON.stringify(sarifLog(sarif, summary), undefined, 2)}\n`)
  await writer.flush()
  const table = summaryTable(summary)
  if (options.format === 'table') await new Writer(out).end(table)
  else messages.write(table)
  return summary
}

function scanLine(line: string, options: ScanOptions, summary: ScanSummary): Finding[] {
  summary.lines++
  let text = line
  if (options.jsonlText) {
    const row = textOf(line)
    if (row === undefined) summary.unreadable++
    text = row ?? ''
  }
  const findings = detect(text, { urls: options.urls ?? false })
  if (findings.length > 0) summary.linesWithFindings++
  for (const { type, start, end } of findings) {
    const known = summary.byType.get(type)
    if (known) known.findings++
    else summary.byType.set(type, { findings: 1, firstLine: summary.lines, example: masked(text, start, end) })
  }
  return findings
}

function textOf(line: string): string | undefined {
  try {
    const row: unknown = JSON.parse(line)
    return typeof row === 'object' && row !== null && 'text' in row && typeof row.text === 'string'
      ? row.text
      : undefined
  } catch {
    return undefined
  }
}

/** The shape of a finding without its content: letters as `a`/`A`, digits as `9`. */
function masked(text: string, start: number, end: number): string {
  const shape = text
    .slice(start, Math.min(end, start + 32))
    .replace(/\p{Lu}/gu, 'A')
    .replace(/\p{L}/gu, 'a')
    .replace(/\p{N}/gu, '9')
  return end - start > 32 ? `${shape}…` : shape
}

/** Lines without their ends. A line longer than the detectors look at is handed over as it is: it is told as unscanned. */
async function* linesOf(source: Readable): AsyncGenerator<string> {
  let stream: Readable | undefined
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of source as AsyncIterable<Buffer | string>) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    if (stream === undefined) {
      if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
        yield* linesOf(gunzipped(bytes, source))
        return
      }
      stream = source
    }
    const text = rest + decoder.decode(bytes, { stream: true })
    let from = 0
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      yield text.charCodeAt(at - 1) === 13 && at > from ? text.slice(from, at - 1) : text.slice(from, at)
      from = at + 1
    }
    rest = text.slice(from)
    if (rest.length > limits.bodyBytesMax) throw new ConfigError('a line is too long', [], 'Split the file into lines.')
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}

/** The same stream with its first chunk put back, inflated. */
function gunzipped(first: Buffer, source: Readable): Readable {
  const gunzip = createGunzip()
  async function* whole(): AsyncGenerator<Buffer> {
    yield first
    for await (const chunk of { [Symbol.asyncIterator]: () => source.iterator({ destroyOnReturn: false }) })
      yield chunk as Buffer
  }
  const raw = Readable.from(whole())
  finished(raw, (error) => {
    if (error) gunzip.destroy(error)
  })
  return raw.pipe(gunzip)
}

/** Collects output, and waits when the reader is slower. */
class Writer {
  readonly #out: Writable
  #pending = ''
  constructor(out: Writable) {
    this.#out = out
  }
  async write(text: string): Promise<void> {
    this.#pending += text
    if (this.#pending.length > 64 * 1024) await this.flush()
  }
  async flush(): Promise<void> {
    const text = this.#pending
    this.#pending = ''
    if (text !== '' && !this.#out.write(text)) await new Promise<void>((resolve) => this.#out.once('drain', resolve))
  }
  async end(text: string): Promise<void> {
    await this.write(text)
    await this.flush()
  }
}

function summaryTable(summary: ScanSummary): string {
  const rows = [...summary.byType].sort(([, a], [, b]) => b.findings - a.findings)
  const head = `${summary.lines} lines, ${summary.linesWithFindings} with findings${summary.unreadable > 0 ? `, ${summary.unreadable} unreadable` : ''}\n`
  const lines = rows.map(
    ([type, { findings, firstLine, example }]) =>
      `${type.padEnd(22)} ${String(findings).padStart(9)}   line ${String(firstLine).padEnd(8)} ${example}\n`,
  )
  return (
    head +
    (rows.length > 0 ? `${'type'.padEnd(22)} ${'findings'.padStart(9)}   first at      shape\n` : '') +
    lines.join('')
  )
}

const sarifResult = (uri: string, line: number, { detector, type, start, end, confidence }: Finding): object => ({
  ruleId: type,
  level: type === 'secret' ? 'error' : 'warning',
  message: { text: `${type} (detector ${detector})` },
  rank: Math.round(confidence * 100),
  locations: [
    {
      physicalLocation: {
        artifactLocation: { uri },
        region: { startLine: line, startColumn: start + 1, endColumn: end + 1 },
      },
    },
  ],
})

/** SARIF 2.1.0 (OASIS); columns count UTF-16 code units. */
const sarifLog = (results: object[], summary: ScanSummary): object => ({
  $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
  version: '2.1.0',
  runs: [
    {
      tool: { driver: { name: 'douane scan', rules: [...summary.byType.keys()].map((id) => ({ id })) } },
      columnKind: 'utf16CodeUnits',
      results,
    },
  ],
})
