/**
 * What `douane scan` tells at the end: counts by type, and by type and path, each with a masked example: the shape of a
 * finding, never itself. SARIF 2.1.0 (OASIS) for code-scanning tools.
 */
import { limits } from '../limits.ts'
import type { LocatedFinding } from './findings.ts'

interface Row {
  findings: number
  readonly firstLine: number
  readonly file: string
  readonly example: string
}

export class ScanSummary {
  lines = 0
  linesWithFindings = 0
  findings = 0
  /** Lines that are not `{"text": …}` where that was promised. */
  unreadable = 0
  readonly byType = new Map<string, Row>()
  /** By type and path, as far as paths are known. */
  readonly byPath = new Map<string, Row & { readonly type: string; readonly path: string }>()

  add(file: string, line: number, text: string, { type, start, end, path }: LocatedFinding): void {
    this.findings++
    const row = (): Row => ({ findings: 1, firstLine: line, file, example: shapeOf(text, start, end) })
    const known = this.byType.get(type)
    if (known) known.findings++
    else this.byType.set(type, row())
    if (path === undefined) return
    const name = `${type} ${path}`
    const place = this.byPath.get(name)
    if (place) place.findings++
    else if (this.byPath.size < limits.scannedPathsMax) this.byPath.set(name, { ...row(), type, path })
    else this.#other(type, row())
  }

  #other(type: string, row: Row): void {
    const known = this.byPath.get(type)
    if (known) known.findings++
    else this.byPath.set(type, { ...row, type, path: '(other paths)' })
  }
}

/** Letters as `a`/`A`, digits as `9`. */
export function shapeOf(text: string, start: number, end: number): string {
  const shape = text
    .slice(start, Math.min(end, start + 32))
    .replace(/\p{Lu}/gu, 'A')
    .replace(/\p{L}/gu, 'a')
    .replace(/\p{N}/gu, '9')
  return end - start > 32 ? `${shape}…` : shape
}

export function summaryTable(summary: ScanSummary): string {
  const { lines, linesWithFindings, unreadable, byType, byPath } = summary
  const head = `${lines} lines, ${linesWithFindings} with findings${unreadable > 0 ? `, ${unreadable} unreadable` : ''}\n`
  if (byType.size === 0) return head
  const byCount = <T extends Row>(rows: Iterable<T>): T[] => [...rows].sort((a, b) => b.findings - a.findings)
  const types = byCount([...byType].map(([type, row]) => ({ ...row, type })))
  const cells = (row: Row): string =>
    `${String(row.findings).padStart(9)}   line ${String(row.firstLine).padEnd(8)} ${row.example}\n`
  const title = `${'findings'.padStart(9)}   first at      shape\n`
  const out = head + 'type'.padEnd(22) + title + types.map((row) => row.type.padEnd(22) + cells(row)).join('')
  if (byPath.size === 0) return out
  const places = byCount(byPath.values()).slice(0, limits.scannedPathsShownMax)
  const width = Math.max(4, ...places.map(({ path }) => Math.min(60, path.length))) + 2
  const more = byPath.size > places.length ? `and ${byPath.size - places.length} more\n` : ''
  const rows = places.map((row) => row.path.slice(0, 60).padEnd(width) + row.type.padEnd(22) + cells(row))
  return `${out}\n${'path'.padEnd(width)}${'type'.padEnd(22)}${title}${rows.join('')}${more}`
}

/** One result; columns count UTF-16 code units. */
export const sarifResult = (uri: string, line: number, finding: LocatedFinding): object => ({
  ruleId: finding.type,
  level: finding.type === 'secret' ? 'error' : 'warning',
  message: {
    text: `${finding.type} (detector ${finding.detector})${finding.path === undefined ? '' : ` in ${finding.path}`}`,
  },
  rank: Math.round(finding.confidence * 100),
  locations: [
    {
      physicalLocation: {
        artifactLocation: { uri },
        region: { startLine: line, startColumn: finding.start + 1, endColumn: finding.end + 1 },
      },
    },
  ],
})

/** What stands before and after the results, so that they need not be held: there may be millions. */
export const sarifStart =
  '{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"columnKind":"utf16CodeUnits","results":['
export const sarifEnd = (summary: ScanSummary): string => {
  const rules = [...summary.byType.keys()].map((id) => ({ id, shortDescription: { text: `${id} in a log` } }))
  return `],"tool":${JSON.stringify({ driver: { name: 'douane scan', rules } })}}]}\n`
}
