/**
 * `douane scan [FILE]…`: what personal data and secrets log files hold, before anything is deployed.
 *
 * Reads plain text, JSON lines and OTLP/JSON, gzip and zstd too; FILE left out or `-` = stdin. One line of output for each
 * line of input: `{"line":N,"findings":[{"detector","type","start","end","confidence"}]}` with UTF-16 offsets, and a
 * summary by type and by path on stderr. `table` prints the summary alone; `sarif` is for code-scanning tools. What was
 * found is never printed.
 */
import { createReadStream, statSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { ConfigError } from './errors.ts'
import { findingsOf, type LocatedFinding } from './scan/findings.ts'
import { JsonWalk } from './scan/json_walk.ts'
import { Progress } from './scan/progress.ts'
import { readLines } from './scan/read_lines.ts'
import { ScanSummary, sarifEnd, sarifResult, sarifStart, summaryTable } from './scan/report.ts'

export interface ScanOptions {
  readonly format: 'jsonl' | 'table' | 'sarif'
  /** Each line is `{"text": "…"}`: the text is scanned, and offsets count in it. */
  readonly jsonlText: boolean
  /** Report URLs too. */
  readonly urls?: boolean
}

/** Scans `files` (none or `-`: `input`) and writes to `out`. Throws `ConfigError` when one cannot be read. */
export async function scanFiles(
  files: readonly string[],
  options: ScanOptions,
  out: Writable,
  messages: NodeJS.WritableStream & { readonly isTTY?: boolean },
  input: Readable = process.stdin,
): Promise<ScanSummary> {
  const summary = new ScanSummary()
  const writer = new Writer(out)
  const names = files.length === 0 ? ['-'] : files
  const progress = new Progress(messages, sizeOf(names), Date.now)
  if (options.format === 'sarif') await writer.write(sarifStart)
  let results = 0
  for (const name of names) {
    const path = name === '-' ? 'stdin' : name
    let lines = 0
    for await (const [line, text, findings] of scanned(name, input, options, summary, progress)) {
      lines = line
      for (const finding of findings) summary.add(path, line, text, finding)
      if (options.format === 'jsonl')
        await writer.write(`${JSON.stringify({ ...(names.length > 1 && { file: path }), line, findings })}\n`)
      else if (options.format === 'sarif')
        for (const finding of findings) {
          const comma = results++ === 0 ? '' : ','
          await writer.write(`${comma}\n${JSON.stringify(sarifResult(path, lines, finding))}`)
        }
      progress.show(summary.lines, summary.findings)
    }
  }
  progress.end()
  if (options.format === 'sarif') await writer.write(sarifEnd(summary))
  const table = summaryTable(summary)
  if (options.format === 'table') await writer.write(table)
  else messages.write(table)
  await writer.flush()
  return summary
}

type Scanned = readonly [line: number, text: string, findings: readonly LocatedFinding[]]

async function* scanned(
  name: string,
  input: Readable,
  options: ScanOptions,
  summary: ScanSummary,
  progress: Progress,
): AsyncGenerator<Scanned> {
  let walk = new JsonWalk()
  const context = { urls: options.urls ?? false }
  let number = 0
  try {
    const source = name === '-' ? input : createReadStream(name)
    for await (const line of readLines(source, (bytes) => progress.bytes(bytes))) {
      number++
      summary.lines++
      let text = line
      if (options.jsonlText) {
        const row = textOf(line)
        if (row === undefined) summary.unreadable++
        text = row ?? ''
        // Each text is for itself.
        walk = new JsonWalk()
      }
      const findings = findingsOf(text, walk, context)
      if (findings.length > 0) summary.linesWithFindings++
      yield [number, text, findings]
    }
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause) || cause instanceof ConfigError) throw cause
    const what = `the file ${name} cannot be read (${String(cause.code)})`
    throw new ConfigError(what, [], 'Check its name and the right to read it.')
  }
}

/** Bytes of all files; 0 where one of them has no size. */
function sizeOf(names: readonly string[]): number {
  const sizes = names.map((name) => (name === '-' ? 0 : (statSync(name, { throwIfNoEntry: false })?.size ?? 0)))
  return sizes.includes(0) ? 0 : sizes.reduce((sum, size) => sum + size, 0)
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
}
