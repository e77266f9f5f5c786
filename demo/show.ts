/** What the demo prints: two tables, plain text where nobody looks. */
import Table from 'cli-table3'
import type { StoredRecord } from '../exporters/postgres/query.ts'
import { colours as pc } from '../src/commands/colours.ts'

const plain = process.stdout.isTTY ? {} : { head: [], border: [] }

export const title = (text: string): string => `\n${pc.bold(text)}\n`

/** A line per tenant: what was sent, and what each store and the quarantine hold of it. */
export function overview(
  tenants: readonly string[],
  sentEach: number,
  stores: Readonly<Record<string, readonly StoredRecord[]>>,
  quarantined: (tenant: string) => number,
): string {
  const table = new Table({ head: ['tenant', 'sent', ...Object.keys(stores), 'quarantine'], style: plain })
  for (const tenant of tenants) {
    const cells = Object.values(stores).map((rows) => byPurpose(rows.filter((row) => row.tenant === tenant)))
    table.push([tenant, String(sentEach), ...cells, String(quarantined(tenant) || '-')])
  }
  return `${table}\n`
}

function byPurpose(rows: readonly StoredRecord[]): string {
  const counts = new Map<string, number>()
  for (const { purpose } of rows) counts.set(purpose, (counts.get(purpose) ?? 0) + 1)
  const lines = [...counts].map(([purpose, count]) => `${purpose} ${count}`)
  return lines.sort().join('\n') || '-'
}

interface Sent {
  readonly body?: unknown
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** Field by field: as it was sent, as it is stored, and opened. */
export function comparison(sent: Sent, stored: StoredRecord, opened: StoredRecord): string {
  const table = new Table({
    head: ['field', 'sent', 'stored', 'opened'],
    style: plain,
    colWidths: [24, 38, 38, 38],
    wordWrap: true,
    wrapOnWordBoundary: false,
  })
  table.push(['body', shown(sent.body), cut(stored.body), shown(opened.body)])
  const keys = new Set([...Object.keys(sent.attributes ?? {}), ...Object.keys(stored.attributes)])
  for (const key of ['demo.run', 'demo.event']) keys.delete(key)
  for (const key of [...keys].sort()) {
    const [before, after, open] = [sent.attributes?.[key], stored.attributes[key], opened.attributes[key]]
    const isChanged = shown(before) !== shown(after)
    table.push([isChanged ? pc.yellow(key) : key, shown(before), cut(after), shown(open)])
  }
  return `${table}\n`
}

const shown = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)

/** A sealed value or a hash is long and says nothing: its start is enough. */
function cut(value: unknown): string {
  const text = shown(value)
  return /^(cose|hmac):/.test(text) && text.length > 36 ? `${text.slice(0, 30)}…` : text
}
