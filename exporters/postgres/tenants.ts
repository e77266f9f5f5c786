/** Whose rows a partition holds. */
import type pg from 'pg'

/** From one tenant to the next by the index on (tenant, time), instead of reading the whole partition. */
export async function tenantsOf(client: pg.ClientBase, table: string): Promise<(string | null)[]> {
  const { rows } = await client.query<{ tenant: string | null }>(
    `WITH RECURSIVE each AS (
       (SELECT tenant FROM ${table} WHERE tenant IS NOT NULL ORDER BY tenant LIMIT 1)
       UNION ALL
       SELECT (SELECT tenant FROM ${table} l WHERE l.tenant > each.tenant ORDER BY l.tenant LIMIT 1)
       FROM each WHERE each.tenant IS NOT NULL)
     SELECT tenant FROM each WHERE tenant IS NOT NULL
     UNION ALL SELECT NULL WHERE EXISTS (SELECT FROM ${table} WHERE tenant IS NULL)`,
  )
  return rows.map(({ tenant }) => tenant)
}
