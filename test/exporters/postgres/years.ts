/**
 * Simulated time over a store: each day records are stored, each night retention runs, and after each night every
 * record is looked for.
 *
 * The oracle is PostgreSQL's own calendar (`timestamp + interval`), which shares nothing with the code under test. The
 * process is in a time zone with daylight saving, which must not matter. Records lie at a day's first and last
 * millisecond, and in hours that daylight saving takes out or repeats; days are those of UTC or of the policy's time zone.
 */
import pg from 'pg'
import { expect } from 'vitest'
import { runRetention } from '../../../exporters/postgres/retention.ts'
import { inZone, parseRetention } from '../../../src/units.ts'
import { batchOf, makeHost, never, openStore, record, requestOf, type TestServer } from './fixture.ts'

/** Retention as the policy writes it, and as PostgreSQL does. */
export const periods: Readonly<Record<string, string>> = {
  '6d': '6 days',
  '30d': '30 days',
  '1mo': '1 month',
  '90d': '90 days',
  '180d': '180 days',
  '2mo3d': '2 months 3 days',
  '18mo': '18 months',
  '7y': '7 years',
}

export interface Simulation {
  readonly database: string
  readonly fromMs: number
  readonly days: number
  readonly retentions: readonly string[]
  /** The policy's time zone. */
  readonly zone?: string
  /** A tenant's own retention, by that of the purpose. */
  readonly shorter: Readonly<Record<string, string>>
  /** Tenant `held` is under a legal hold from one night to another. */
  readonly hold: { readonly fromDay: number; readonly toDay: number }
}

interface Canary {
  readonly dueMs: number
  readonly what: string
}

const dayMs = 86_400_000
const hourMs = 3_600_000
/** Of a day: its ends, and the hour that Berlin's clocks leave out in spring and repeat in autumn. */
const momentsMs = [0, hourMs - 1, hourMs + 1_800_000, dayMs - 1]
const nightMs = 10 * 60_000
const tenants = ['acme', 'globex', 'held'] as const

export async function simulate(server: TestServer, simulation: Simulation) {
  process.env['TZ'] = 'Europe/Berlin'
  expect(new Date(Date.UTC(2024, 6, 1)).getTimezoneOffset()).toBe(-120)
  const { database, fromMs, days, retentions, shorter, hold, zone = 'UTC' } = simulation
  const retentionOf = (purpose: string, tenant: string) => {
    const text = retentions[Number(purpose.slice(1))]!
    return inZone(parseRetention(tenant === 'acme' ? (shorter[text] ?? text) : text), zone).text
  }
  const clock = { ms: fromMs }
  const host = { ...makeHost(server.folder), nowMs: () => clock.ms, retention: retentionOf }
  const store = await openStore(server, database, host)
  const client = new pg.Client(server.embedded.connection(database))
  await client.connect()
  const canaries: Canary[] = []
  const counts = { stored: 0, nights: 0 }
  const holdUntilMs = fromMs + hold.toDay * dayMs
  try {
    for (let day = 0; day < days; day++) {
      clock.ms = fromMs + (day + 1) * dayMs - 1
      const made = canariesOf(fromMs + day * dayMs, retentions, retentionOf)
      const dues = await duesOf(client, made, zone)
      const records = made.map(({ purpose, tenant, timeMs }, i) => {
        const name = String(canaries.length + i)
        return record(purpose, { timeUnixNano: BigInt(timeMs) * 1_000_000n, eventName: name }, tenant)
      })
      expect(await store.send(batchOf(requestOf(records)), never)).toEqual({ is: 'accepted' })
      for (const [i, { purpose, tenant, timeMs }] of made.entries()) {
        const isHeld = tenant === 'held' && dues[i]! > fromMs + hold.fromDay * dayMs + nightMs
        const dueMs = isHeld && dues[i]! < holdUntilMs ? holdUntilMs : dues[i]!
        canaries.push({ dueMs, what: `${purpose} ${tenant} ${new Date(timeMs).toISOString()}` })
      }
      counts.stored += made.length
      const asOfMs = fromMs + (day + 1) * dayMs + nightMs
      let report = await runRetention(client, 'douane', { asOfMs, retentionOf })
      // The store looks by itself every ten minutes, in the time of this machine.
      while (report.busy) report = await runRetention(client, 'douane', { asOfMs, retentionOf })
      expect(report).toMatchObject({ heldBack: false })
      counts.nights++
      await checkNight(client, canaries, asOfMs)
      if (day + 1 === hold.fromDay) {
        await client.query("INSERT INTO douane.legal_holds (tenant, reason, until) VALUES ('held', 'a case', $1)", [
          new Date(holdUntilMs),
        ])
      }
    }
    // The store deletes by itself too, as often as the machine's clock says: so the books tell how many.
    const { rows } = await client.query<{ left: number; noted: number }>(
      "SELECT (SELECT count(*)::int FROM douane.logs) AS left, (SELECT sum(records)::int FROM douane.deletions WHERE partition LIKE 'logs%') AS noted",
    )
    const { left, noted } = rows[0]!
    expect(left + noted).toBe(counts.stored)
    return { ...counts, deleted: noted }
  } finally {
    await client.end()
    await store.close()
  }
}

/** A day's records: each purpose and tenant at a moment of its own, so that all moments come round. */
function canariesOf(
  dayStartMs: number,
  retentions: readonly string[],
  retentionOf: (purpose: string, tenant: string) => string,
) {
  return retentions.flatMap((_, p) =>
    tenants.map((tenant, t) => ({
      purpose: `p${p}`,
      tenant,
      timeMs: dayStartMs + momentsMs[(dayStartMs / dayMs + p + t) % momentsMs.length]!,
      period: periods[retentionOf(`p${p}`, tenant).split('@')[0]!]!,
    })),
  )
}

/** Midnight in the zone, so much later, and the time since midnight; days and hours are added as such. */
async function duesOf(
  client: pg.Client,
  made: readonly { timeMs: number; period: string }[],
  zone: string,
): Promise<number[]> {
  const { rows } = await client.query<{ due: Date }>(
    `SELECT CASE WHEN extract(year FROM i) = 0 AND extract(month FROM i) = 0 THEN t + extract(epoch FROM i) * interval '1 s'
       ELSE (midnight + date_trunc('month', i)) AT TIME ZONE $3 + (t - midnight AT TIME ZONE $3)
         + extract(day FROM i) * interval '24 hours' END AS due
     FROM unnest($1::timestamptz[], $2::text[]) WITH ORDINALITY AS of(t, p, n),
       LATERAL (SELECT p::interval AS i, date_trunc('day', t AT TIME ZONE $3) AS midnight) m ORDER BY n`,
    [made.map(({ timeMs }) => new Date(timeMs).toISOString()), made.map(({ period }) => period), zone],
  )
  return rows.map(({ due }) => due.getTime())
}

async function checkNight(client: pg.Client, canaries: readonly Canary[], asOfMs: number): Promise<void> {
  const { rows } = await client.query<{ name: string }>('SELECT event_name AS name FROM douane.logs')
  const kept = new Set(rows.map(({ name }) => Number(name)))
  const early: string[] = []
  const late: string[] = []
  for (const [i, { dueMs, what }] of canaries.entries()) {
    if (dueMs > asOfMs && !kept.has(i)) early.push(what)
    if (dueMs <= asOfMs - dayMs && kept.has(i)) late.push(what)
  }
  expect({ night: new Date(asOfMs).toISOString(), early, late }).toMatchObject({ early: [], late: [] })
}
