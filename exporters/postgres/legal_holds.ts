/**
 * Legal holds: rows that match one are kept whatever their retention says, until the hold ends.
 */
import pg from 'pg'

/** What is left out matches all. */
export interface HoldScope {
  readonly tenant?: string
  readonly purpose?: string
  readonly subject?: string
}

export interface Hold extends Required<{ [K in keyof HoldScope]: string | null }> {
  readonly id: string
  readonly reason: string
  readonly made: Date
  readonly made_by: string | null
  readonly until: Date
  readonly ended: Date | null
  readonly ended_by: string | null
}

const shown = 'id, tenant, purpose, subject_ref AS subject, reason, made, made_by, until, ended, ended_by'
const tableOf = (schema: string) => `${pg.escapeIdentifier(schema)}.legal_holds`

export async function addHold(
  client: pg.Client,
  schema: string,
  hold: HoldScope & { reason: string; until: Date; who: string },
): Promise<Hold> {
  const { tenant = null, purpose = null, subject = null, reason, until, who } = hold
  const { rows } = await client.query<Hold>(
    `INSERT INTO ${tableOf(schema)} (tenant, purpose, subject_ref, reason, until, made_by)
     VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${shown}`,
    [tenant, purpose, subject, reason, until, who],
  )
  return rows[0]!
}

/** All that were ever made, oldest first. */
export async function listHolds(client: pg.Client, schema: string): Promise<Hold[]> {
  const { rows } = await client.query<Hold>(`SELECT ${shown} FROM ${tableOf(schema)} ORDER BY id`)
  return rows
}

/** Tenants of holds that are in force; null: all tenants. */
export async function heldTenants(
  client: pg.Client,
  schema: string,
  nowMs: number,
): Promise<{ tenant: string | null }[]> {
  const holds = await listHolds(client, schema)
  return holds.filter(({ ended, until }) => ended === null && until.getTime() > nowMs).map(({ tenant }) => ({ tenant }))
}

/** Ends a hold before its time; the next run deletes what is due. Undefined: no such hold, or ended already. */
export async function endHold(client: pg.Client, schema: string, id: string, who: string): Promise<Hold | undefined> {
  const { rows } = await client.query<Hold>(
    `UPDATE ${tableOf(schema)} SET ended = now(), ended_by = $2 WHERE id = $1 AND ended IS NULL RETURNING ${shown}`,
    [id, who],
  )
  return rows[0]
}
