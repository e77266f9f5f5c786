/**
 * What is kept about a person, in words that he understands: what, since when, why, until when, where.
 */
import type { GatewayConfig } from '../../config/gateway_config.ts'
import { groupRows, type RowGroup } from '../../exporters/postgres/people.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { unlimited } from '../../exporters/postgres/shelves.ts'
import { limits } from '../limits.ts'
import { retentionIn } from '../policy.ts'
import { compareRetention, parseRetention, type Retention, retentionEndMs } from '../units.ts'
import type { RegionStore, Request } from './request.ts'

/** Everything of one purpose in one store. */
export interface KeptRows {
  readonly store: string
  readonly region: string
  readonly purpose: string
  /** Why records are kept for it, as the policy says. */
  readonly description: string
  readonly records: number
  readonly oldest: string
  readonly newest: string
  readonly events: Readonly<Record<string, number>>
  /** Records with content that only the decrypt side can open. */
  readonly sealed: number
  /** How long each is kept, as written; null: without an end. */
  readonly retention: string | null
  /** When the last of them is deleted. */
  readonly kept_until: string | null
}

export async function summarize({ asked, rows, stores }: Request): Promise<KeptRows[]> {
  const kept: KeptRows[] = []
  for (const store of stores) {
    const groups = await withStore(store, (client, schema) => groupRows(client, schema, rows))
    for (const group of Map.groupBy(groups, ({ purpose, retention }) => `${purpose}\0${retention}`).values()) {
      kept.push(keptRows(asked.config, store, asked.person.tenant, group))
    }
  }
  return kept
}

function keptRows(config: GatewayConfig, store: RegionStore, tenant: string, groups: readonly RowGroup[]): KeptRows {
  const { purpose, retention } = groups[0]!
  const policies = [...config.connectors.values()].map(({ policy }) => policy)
  const promise = shorter(
    retention === unlimited ? undefined : parseRetention(retention),
    retentionIn(policies)(purpose, tenant),
  )
  const ms = (pick: (group: RowGroup) => Date) => groups.map((group) => pick(group).getTime())
  const newestMs = Math.max(...ms(({ newest }) => newest))
  return {
    store: store.id,
    region: store.region,
    purpose,
    description: policies.map((policy) => policy.purposes.get(purpose)?.description).find(Boolean) ?? '',
    records: groups.reduce((sum, { records }) => sum + records, 0),
    oldest: new Date(Math.min(...ms(({ oldest }) => oldest))).toISOString(),
    newest: new Date(newestMs).toISOString(),
    events: Object.fromEntries(groups.map(({ event, records }) => [event, records])),
    sealed: groups.reduce((sum, { sealed }) => sum + sealed, 0),
    retention: promise?.text ?? null,
    kept_until: promise ? new Date(retentionEndMs(newestMs, promise)).toISOString() : null,
  }
}

function shorter(stored: Retention | undefined, text: string | undefined): Retention | undefined {
  const today = text === undefined ? undefined : parseRetention(text)
  if (!stored || !today) return stored ?? today
  return compareRetention(today, stored) < 0 ? today : stored
}

const day = (time: string): string => time.slice(0, 10)
const counted = (n: number, one: string): string => `${n.toLocaleString('en')} ${one}${n === 1 ? '' : 's'}`

/** One paragraph a region, one item a purpose. */
export function summaryText(kept: readonly KeptRows[], config: GatewayConfig, asked: readonly string[]): string {
  if (kept.length === 0) return `Nothing is stored about this person in ${asked.join(', ') || 'any region'}.\n`
  const regions = new Map([...config.connectors.values()].flatMap(({ policy }) => [...policy.regions]))
  const paragraphs = [...Map.groupBy(kept, ({ region }) => region)].map(([region, items]) => {
    const where = regions.get(region)?.jurisdictions.join(', ')
    const head = `Stored in ${region || 'an unnamed region'}${where ? ` (${where})` : ''}:`
    return [head, ...items.map(itemText)].join('\n')
  })
  return `${paragraphs.join('\n\n')}\n`
}

function itemText({
  records,
  purpose,
  description,
  oldest,
  newest,
  events,
  sealed,
  retention,
  kept_until,
}: KeptRows): string {
  const why = description === '' ? purpose : `${purpose}: ${description}`
  const range = day(oldest) === day(newest) ? `of ${day(oldest)}` : `from ${day(oldest)} to ${day(newest)}`
  const named = Object.entries(events).filter(([event]) => event !== '')
  const shown = named.slice(0, limits.summaryEventsMax).map(([event, n]) => `${event} (${n.toLocaleString('en')})`)
  const more = named.length > shown.length ? [`${named.length - shown.length} other kinds`] : []
  const what = shown.length > 0 ? `\n    What happened: ${[...shown, ...more].join(', ')}.` : ''
  const content =
    sealed > 0 ? `\n    The content of ${counted(sealed, 'record')} is encrypted; reading it is logged.` : ''
  const until =
    retention === null || kept_until === null
      ? 'No end is set.'
      : `Each is deleted ${inWords(retention)} after its time, the last one on ${day(kept_until)}.`
  return `  - ${counted(records, 'record')} ${range}, kept for ${why}.${what}${content}\n    ${until}`
}

const unitWords: Readonly<Record<string, string>> = { h: 'hour', d: 'day', w: 'week', mo: 'month', y: 'year' }

/** `1y6mo` → `1 year 6 months`. */
const inWords = (retention: string): string =>
  [...retention.split('@')[0]!.matchAll(/(\d+)(mo|h|d|w|y)/g)]
    .map(([, n, unit]) => counted(Number(n), unitWords[unit!]!))
    .join(' ')
