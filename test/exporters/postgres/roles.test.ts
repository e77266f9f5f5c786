/**
 * Who may do what in a store, tried by logging in as each role and crossing each line.
 */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { followStore } from '../../../exporters/postgres/follow.ts'
import { queryStore, type StoreQuery } from '../../../exporters/postgres/query.ts'
import { addReader, derivedPassword, listRoles, removeReader, roleName } from '../../../exporters/postgres/roles.ts'
import { withStore } from '../../../exporters/postgres/session.ts'
import { PostgresStore } from '../../../exporters/postgres/store.ts'
import {
  batchOf,
  makeHost,
  never,
  openStore,
  optionsFor,
  record,
  requestOf,
  startServer,
  type TestServer,
} from './fixture.ts'

const database = 'rights'
let server: TestServer
let store: PostgresStore
const logins: Record<string, pg.ClientConfig> = {}

const place = () => ({ options: optionsFor(database), folder: server.folder })

beforeAll(async () => {
  server = await startServer()
  store = await openStore(server, database)
  const records = ['acme', 'globex'].flatMap((tenant) =>
    ['support', 'security'].map((purpose) => record(purpose, { eventName: `${tenant}.${purpose}` }, tenant)),
  )
  expect(await store.send(batchOf(requestOf(records)), never)).toEqual({ is: 'accepted' })
  const owner = server.embedded.connection(database)
  const gateway = roleName(database, 'douane', 'gateway')
  logins['gateway'] = { ...owner, user: gateway, password: derivedPassword(String(owner.password), gateway) }
  await withStore(place(), async (client, schema) => {
    const readers = { narrow: { purposes: ['support'], tenants: ['acme'] }, purpose: { purposes: ['support'] } }
    for (const [name, of] of Object.entries(readers)) {
      const made = await addReader(client, schema, { name, ...of }, { who: 'test', login: true })
      logins[name] = { ...owner, user: made.role, password: made.password! }
    }
    await client.query(`CREATE ROLE admin LOGIN PASSWORD 'x' IN ROLE ${roleName(database, schema, 'log_admin')}`)
    await client.query(`CREATE ROLE stranger LOGIN PASSWORD 'x'`)
  })
  logins['admin'] = { ...owner, user: 'admin', password: 'x' }
  logins['stranger'] = { ...owner, user: 'stranger', password: 'x' }
})
afterAll(async () => {
  await store.close()
  await server.close()
})

/** The rows, or the SQLSTATE that refused it. */
async function as(who: string, text: string): Promise<unknown[] | string> {
  const client = new pg.Client({ ...logins[who], options: '-c search_path=douane' })
  try {
    await client.connect()
    return (await client.query({ text, rowMode: 'array' })).rows.flat()
  } catch (error) {
    return (error as pg.DatabaseError).code ?? 'cut'
  } finally {
    await client.end().catch(() => {})
  }
}

const denied = '42501'
const leaf = 'logs_support__unlimited__202611'
const events = 'SELECT event_name FROM logs ORDER BY 1'
const columns = '(time, stored, severity_number, time_nanos, purpose, retention, attributes, resource)'
const values = `VALUES (now(), now(), 9, 0, 'support', 'unlimited', '{}', '{}')`

/** What nobody but the owner may do. */
const changes = [
  'DELETE FROM logs',
  `DELETE FROM ${leaf}`,
  `UPDATE logs SET tenant = 'mine'`,
  `UPDATE ${leaf} SET tenant = 'mine'`,
  'TRUNCATE logs',
  `TRUNCATE ${leaf}`,
  `DROP TABLE ${leaf}`,
  `ALTER TABLE logs DETACH PARTITION logs_support`,
  `ALTER TABLE ${leaf} DISABLE TRIGGER ALL`,
  'ALTER TABLE logs DISABLE ROW LEVEL SECURITY',
  'DELETE FROM batches',
  'DELETE FROM deletions',
  'DELETE FROM usage_added',
  'UPDATE usage_daily SET records = 0',
  `INSERT INTO legal_holds (reason, until) VALUES ('mine', now())`,
  `INSERT INTO roles (name, kind) VALUES ('mine', 'gateway')`,
  'CREATE TABLE mine (n int)',
  'CREATE POLICY mine ON logs USING (true)',
  `SET ROLE ${'douane'}`,
  'CREATE ROLE mine',
]

describe.each(['gateway', 'narrow', 'purpose', 'admin', 'stranger'])('%s', (who) => {
  test('can neither delete nor change anything, nor give itself more rights', async () => {
    for (const change of changes) expect([change, await as(who, change)]).toEqual([change, denied])
    expect(await server.sql(database, 'SELECT count(*)::int AS n FROM logs')).toEqual([{ n: 4 }])
  })
})

describe('the gateway', () => {
  test('inserts, by COPY too, and reads nothing of it', async () => {
    expect(await as('gateway', `INSERT INTO ${leaf} ${columns} ${values}`)).toEqual([])
    await server.sql(database, `DELETE FROM ${leaf} WHERE event_name IS NULL`)
    for (const table of ['logs', leaf, 'usage_added', 'usage', 'deletions', 'legal_holds', 'roles']) {
      expect([table, await as('gateway', `SELECT * FROM ${table}`)]).toEqual([table, denied])
    }
    expect(await as('gateway', 'SELECT id FROM batches')).toBe(denied)
    expect(await as('gateway', `COPY ${leaf} TO STDOUT`)).toBe(denied)
    expect(await as('gateway', `INSERT INTO ${leaf} ${columns} ${values} RETURNING tenant`)).toBe(denied)
  })

  test('is how the store writes', async () => {
    const rows = await server.sql(
      database,
      "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'douane' AND usename <> 'douane'",
    )
    expect(rows).toEqual([{ usename: logins['gateway']!.user }])
  })
})

describe('readers', () => {
  test('see their purposes and tenants, whatever they ask', async () => {
    expect(await as('narrow', events)).toEqual(['acme.support'])
    expect(await as('purpose', events)).toEqual(['acme.support', 'globex.support'])
    expect(await as('admin', events)).toEqual(['acme.security', 'acme.support', 'globex.security', 'globex.support'])
    expect(await as('stranger', events)).toBe('42501')
    expect(await as('narrow', `${events.replace('ORDER', "WHERE tenant = 'globex' OR true ORDER")}`)).toEqual([
      'acme.support',
    ])
  })

  test('count only what they may see', async () => {
    const count = 'SELECT tenant, event_name, records FROM usage ORDER BY 2'
    expect(await as('narrow', count)).toEqual(['acme', 'acme.support', '1'])
    expect(await as('admin', 'SELECT count(*)::int FROM usage')).toEqual([4])
  })

  test('cannot go round by partitions, nor insert, nor look into the books', async () => {
    for (const who of ['narrow', 'purpose', 'admin', 'stranger']) {
      for (const table of [leaf, 'logs_security', 'logs_support__unlimited']) {
        expect([who, table, await as(who, `SELECT * FROM ${table}`)]).toEqual([who, table, denied])
      }
      expect(await as(who, `INSERT INTO logs ${columns} ${values}`)).toBe(denied)
      expect(await as(who, `SELECT douane.ensure_partition('mine', '1d', NULL, NULL)`)).toBe(denied)
      expect(await as(who, `SELECT douane.batch_refused('batch-1')`)).toBe(denied)
    }
    for (const table of ['deletions', 'legal_holds', 'roles']) expect(await as('narrow', `TABLE ${table}`)).toBe(denied)
    expect(await as('admin', 'SELECT count(*)::int FROM legal_holds')).toEqual([0])
  })

  test('a condition that leaks what it looks at sees only their rows', async () => {
    const leaking = `CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
      AS $$ BEGIN RAISE NOTICE 'seen %', $1; RETURN true; END $$`
    const client = new pg.Client({ ...logins['narrow'], options: '-c search_path=douane' })
    await client.connect()
    const seen: string[] = []
    client.on('notice', ({ message }) => seen.push(message ?? ''))
    // Temporary objects are the one thing that anybody may make.
    await client.query(leaking)
    await client.query('SELECT FROM logs WHERE pg_temp.leak(event_name)')
    await client.end()
    expect(seen).toEqual(['seen acme.support'])
  })

  test('query reads as log_admin, or as a reader that is named', async () => {
    const names = async (reader?: string, query: StoreQuery = {}) => {
      const found: (string | null)[] = []
      for await (const { event_name } of queryStore(place(), query, reader)) found.push(event_name)
      return found.toSorted()
    }
    expect(await names()).toHaveLength(4)
    expect(await names('narrow')).toEqual(['acme.support'])
    expect(await names('purpose', { tenant: 'globex' })).toEqual(['globex.support'])
    const stop = new AbortController()
    const followed = followStore(place(), { limit: 9 }, stop.signal, 'narrow')
    expect((await followed.next()).value?.event_name).toBe('acme.support')
    stop.abort()
    expect((await followed.next()).done).toBe(true)
    await expect(names('nobody')).rejects.toThrow('the store has no reader nobody')
  })

  test('of a store that was restored from another database get nothing', async () => {
    await server.sql(database, `INSERT INTO roles (name, kind) VALUES ('douane_elsewhere_log_admin', 'log_admin')`)
    await (await openStore(server, database)).close()
    expect((await withStore(place(), listRoles)).map(({ role }) => role)).not.toContain('douane_elsewhere_log_admin')
    expect(await server.sql(database, `SELECT FROM pg_roles WHERE rolname LIKE 'douane_elsewhere%'`)).toEqual([])
  })

  test('are listed with who has been given them, and go without a trace', async () => {
    const roles = await withStore(place(), listRoles)
    expect(roles.map(({ kind, purposes, tenants, login }) => ({ kind, purposes, tenants, login }))).toEqual([
      { kind: 'gateway', purposes: null, tenants: null, login: true },
      { kind: 'log_admin', purposes: null, tenants: null, login: false },
      { kind: 'reader', purposes: ['support'], tenants: ['acme'], login: true },
      { kind: 'reader', purposes: ['support'], tenants: null, login: true },
    ])
    expect(roles[1]!.members).toEqual(['admin', 'douane'])
    expect(await withStore(place(), (client, schema) => removeReader(client, schema, 'purpose'))).toBe(true)
    expect(await withStore(place(), (client, schema) => removeReader(client, schema, 'purpose'))).toBe(false)
    expect(await as('purpose', events)).toBe('28P01')
    expect(await withStore(place(), (client, schema) => removeReader(client, schema, roles[0]!.role))).toBe(false)
  })
})

describe('a server by URL', () => {
  const urlOf = (user: string) => `postgres://${user}:x@/urls?host=${server.embedded.connection('urls').host}`

  test('an owner without other rights works as the gateway; a user of its own needs the role', async () => {
    const sql = (text: string) => server.sql('postgres', text)
    await sql(`CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'x'`)
    await sql(`CREATE ROLE writer LOGIN PASSWORD 'x'`)
    await sql('CREATE DATABASE urls OWNER keeper')
    const alone = new PostgresStore(optionsFor('urls', { url: urlOf('keeper') }), makeHost(server.folder))
    await alone.start()
    expect(await alone.send(batchOf(requestOf([record('usage')])), never)).toEqual({ is: 'accepted' })
    await alone.close()
    const options = optionsFor('urls', { url: urlOf('writer'), owner_url: urlOf('keeper') })
    const writer = new PostgresStore(options, makeHost(server.folder))
    await expect(writer.start()).rejects.toThrow("PostgreSQL's user writer may not")
    const gateway = roleName('urls', 'douane', 'gateway')
    await server.sql('urls', `SET ROLE keeper; GRANT ${gateway} TO writer`)
    await writer.start()
    expect(await writer.send(batchOf(requestOf([record('usage'), record('billing')])), never)).toEqual({
      is: 'accepted',
    })
    await writer.close()
    const found: unknown[] = []
    for await (const each of queryStore({ options, folder: server.folder }, {})) found.push(each)
    expect(found).toHaveLength(3)
  })

  test('an owner who may make no roles stores all the same, and is told', async () => {
    await server.sql('postgres', 'ALTER ROLE keeper NOCREATEROLE')
    await server.sql('postgres', 'CREATE DATABASE plain OWNER keeper')
    const told: string[] = []
    const host = makeHost(server.folder)
    const log = { ...host.log, warn: (event: string) => told.push(event) }
    const options = optionsFor('plain', { url: urlOf('keeper').replace('/urls', '/plain') })
    const plain = new PostgresStore(options, { ...host, log } as typeof host)
    await plain.start()
    expect(await plain.send(batchOf(requestOf([record('usage')])), never)).toEqual({ is: 'accepted' })
    await plain.close()
    expect(told).toEqual(['no roles: the user of the store may not make any'])
  })
})
