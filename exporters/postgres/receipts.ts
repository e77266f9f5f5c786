/**
 * Hands receipts of what was deleted to who signs and keeps them.
 *
 * A deletion and its line in `deletions` are one transaction; the receipt follows. A crash in between leaves the line
 * without `receipted`, and the next run hands it over. So each deletion gets a receipt, and after a crash perhaps two
 * with the same id.
 */
import pg from 'pg'
import type { Receipt } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'

type Keep = (receipts: readonly Receipt[]) => Promise<void>

/** Returns how many receipts were handed over. `store` is the exporter's id. */
export async function handOverReceipts(
  client: pg.Client | pg.PoolClient,
  schema: string,
  store: string,
  keep: Keep,
): Promise<number> {
  const table = `${pg.escapeIdentifier(schema)}.deletions`
  for (let handed = 0; ; ) {
    await client.query('BEGIN')
    try {
      const { rows } = await client.query(
        `SELECT id, made, as_of, purpose, retention, tenant, partition, records, oldest, newest, policy_version
         FROM ${table} WHERE NOT receipted ORDER BY id LIMIT ${limits.receiptsAtOnceMax} FOR UPDATE`,
      )
      await keep(rows.map((row) => receiptOf(store, row)))
      await client.query(`UPDATE ${table} SET receipted = true WHERE id = ANY($1)`, [rows.map(({ id }) => id)])
      await client.query('COMMIT')
      handed += rows.length
      if (rows.length < limits.receiptsAtOnceMax) return handed
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      throw error
    }
  }
}

const iso = (time: Date | null): string | null => time?.toISOString() ?? null

function receiptOf(store: string, row: Record<string, unknown>): Receipt {
  return {
    store,
    deletion: String(row['id']),
    deleted: (row['made'] as Date).toISOString(),
    as_of: (row['as_of'] as Date).toISOString(),
    purpose: row['purpose'] as string,
    retention: row['retention'] as string,
    tenant: row['tenant'] as string | null,
    partition: row['partition'] as string,
    records: Number(row['records']),
    oldest: iso(row['oldest'] as Date | null),
    newest: iso(row['newest'] as Date | null),
    policy_version: row['policy_version'] as string,
  }
}
