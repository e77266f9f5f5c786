/**
 * Writes each query into the access audit (src/keys/audit.ts): who asks what, before the first row is shown, and how
 * many rows were shown, at the end. A query whose end is missing was cut off.
 *
 * The filter is written down without values that may be personal: a condition without its texts and numbers, and of a
 * trace only that one was named.
 */
import { join } from 'node:path'
import { formatNanos } from '../../exporters/postgres/record_time.ts'
import { AccessLog } from '../keys/audit.ts'
import { currentUser } from '../keys/decrypt.ts'
import { tokenize } from '../ottl/lexer.ts'

export interface Asked {
  readonly dataDir: string
  readonly tenant?: string
  readonly purpose?: string
  readonly since?: bigint
  readonly until?: bigint
  readonly traceId?: string
  readonly subject?: string
  readonly as?: string
  readonly decrypt?: boolean
  readonly where?: string
  readonly limit?: number
  readonly follow?: boolean
  readonly reason?: string
  readonly who?: string
}

export interface QueryAudit {
  /** The same rows, counted as they go by. */
  counted<Row>(rows: AsyncIterable<Row>): AsyncGenerator<Row, void, void>
  end(): Promise<void>
}

/** Resolves when the question is on disk. Rejects with `KeyError` or `DependencyError`: then nothing may be shown. */
export async function openAudit(store: string, asked: Asked): Promise<QueryAudit> {
  const log = await AccessLog.open(join(asked.dataDir, 'keys'))
  const who = currentUser(asked.who)
  const { reason = '' } = asked
  const filter = filterOf(asked)
  let rows = 0
  const append = (action: 'query' | 'queried', more: Record<string, number>) =>
    log.append([{ action, atMs: Date.now(), who, reason, what: [{ store, ...filter, ...more }] }])
  try {
    await append('query', {})
  } catch (error) {
    await log.close()
    throw error
  }
  return {
    async *counted(found) {
      for await (const row of found) {
        rows++
        yield row
      }
    },
    end: async () => {
      try {
        await append('queried', { rows })
      } finally {
        await log.close()
      }
    },
  }
}

function filterOf(asked: Asked): Record<string, string> {
  const { tenant, purpose, since, until, traceId, subject, where, limit, follow, as, decrypt } = asked
  const shown = {
    as,
    tenant,
    purpose,
    since: since && formatNanos(since),
    until: until && formatNanos(until),
    limit: limit?.toString(),
    where: where && withoutValues(where),
  }
  const given = Object.entries(shown).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    ...Object.fromEntries(given),
    ...(traceId !== undefined && { trace_id: 'given' }),
    ...(subject !== undefined && { subject: 'given' }),
    ...(decrypt && { decrypt: 'yes' }),
    ...(follow && { follow: 'yes' }),
  }
}

/** An OTTL condition with its names, keys and operators, and `?` for each value. It has been parsed before. */
export function withoutValues(condition: string): string {
  const tokens = tokenize(condition)
  let shown = ''
  let at = 0
  for (const [i, { kind, start, end }] of tokens.entries()) {
    const opening = tokens[i - 1]
    const indexed = tokens[i - 2]
    // A key stands in brackets behind a name or another key; brackets elsewhere are a list of values.
    const isKey =
      opening?.text === '[' && opening.kind === 'sign' && (indexed?.kind === 'lower' || indexed?.text === ']')
    const isValue = kind === 'string' || kind === 'int' || kind === 'float' || kind === 'bytes'
    shown += condition.slice(at, start) + (isValue && !isKey ? '?' : condition.slice(start, end))
    at = end
  }
  return shown
}
