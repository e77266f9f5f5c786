/**
 * Who may do what in a store, as roles of PostgreSQL.
 *
 *   owner       owns the tables: migrates, deletes what is due. The user of `owner_url`, or of `url`
 *   gateway     inserts rows, and can neither read, change nor delete them
 *   log_admin   reads everything, changes nothing
 *   reader …    reads the rows of some purposes and tenants: row-level security decides
 *
 * A role's name begins with `douane_<database>`, since all databases of a server share their roles. On the embedded
 * server the gateway logs in as its role; its password follows from the owner's. Elsewhere the database's administrator
 * makes logins and grants them these roles.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import pg from 'pg'
import { ConfigError, DependencyError } from '../../src/errors.ts'

type Client = pg.Client | pg.PoolClient

/** A role that reads. Missing lists: all purposes, all tenants. */
export interface Reader {
  readonly name: string
  readonly purposes?: readonly string[]
  readonly tenants?: readonly string[]
}

export interface StoreRole {
  readonly role: string
  readonly kind: 'gateway' | 'log_admin' | 'reader'
  readonly purposes: readonly string[] | null
  readonly tenants: readonly string[] | null
  readonly made: Date
  readonly made_by: string | null
  readonly login: boolean
  /** Roles that have been given this one. */
  readonly members: readonly string[]
}

/** Who reads everything. */
export const logAdmin = 'log_admin'

const identifierCharsMax = 63
const guarded = ['logs', 'usage_added', 'usage_daily'] as const
const readable = ['logs', 'usage_added', 'usage_daily', 'usage', 'schema_version'] as const
const books = ['batches', 'partitions', 'legal_holds', 'deletions', 'retention_runs', 'roles'] as const

const safeName = (text: string): string => text.toLowerCase().replace(/[^a-z0-9_]/g, '_')
const stemOf = (database: string, schema: string): string =>
  safeName(`douane_${database}${schema === 'douane' ? '' : `_${schema}`}_`).slice(0, identifierCharsMax - 9)

/** The name of a role; two different stores or readers never share one. */
export function roleName(database: string, schema: string, what: string): string {
  const plain = `douane_${database}${schema === 'douane' ? '' : `_${schema}`}_${what}`
  const safe = safeName(plain)
  if (safe === plain && safe.length <= identifierCharsMax) return safe
  const mark = createHash('sha256').update(`${database}\0${schema}\0${what}`).digest('hex').slice(0, 8)
  return `${safe.slice(0, identifierCharsMax - 9)}_${mark}`
}

/** The password of a role that logs in to the embedded server. */
export const derivedPassword = (ownerPassword: string, role: string): string =>
  createHmac('sha256', ownerPassword).update(`login ${role}`).digest('base64url')

export async function databaseOf(client: Client): Promise<string> {
  const { rows } = await client.query('SELECT current_database() AS name')
  return rows[0].name
}

/** Whether this connection has the rights of the tables' owner. True as well where there are none yet. */
export async function isOwner(client: Client, schema: string): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT pg_has_role(current_user, nspowner, 'USAGE') AS owns FROM pg_namespace WHERE nspname = $1`,
    [schema],
  )
  return rows[0]?.owns ?? true
}

/**
 * Makes the roles `gateway` and `log_admin` and gives them, and the readers that there are, their rights. Only the owner
 * can. Returns the gateway's role; undefined where this user may not make roles. `ownerPassword`: the gateway's role logs
 * in by itself.
 */
export async function ensureRoles(client: Client, schema: string, ownerPassword?: string): Promise<string | undefined> {
  const database = await databaseOf(client)
  const gateway = roleName(database, schema, 'gateway')
  if (await hasAll(client, schema, gateway, ownerPassword !== undefined)) return gateway
  const { rows } = await client.query(
    'SELECT rolsuper OR rolcreaterole AS can FROM pg_roles WHERE rolname = current_user',
  )
  if (!rows[0]?.can) return undefined
  await inTransaction(client, async () => {
    await client.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`douane roles ${schema}`])
    const name = pg.escapeIdentifier(schema)
    await client.query(
      `INSERT INTO ${name}.roles (name, kind) VALUES ($1, 'gateway'), ($2, 'log_admin') ON CONFLICT DO NOTHING`,
      [gateway, roleName(database, schema, 'log_admin')],
    )
    // A backup of another database, restored here, brings the names of that one's roles along: they get nothing here.
    await client.query(`DELETE FROM ${name}.roles WHERE NOT starts_with(name, $1)`, [stemOf(database, schema)])
    const found = await client.query<StoreRole>(`SELECT name AS role, kind, purposes, tenants FROM ${name}.roles`)
    for (const role of found.rows) await makeRole(client, schema, database, role)
    if (ownerPassword !== undefined) {
      const password = pg.escapeLiteral(derivedPassword(ownerPassword, gateway))
      await client.query(`ALTER ROLE ${pg.escapeIdentifier(gateway)} LOGIN PASSWORD ${password}`)
      // Nobody else uses the embedded server: its databases are closed to who has no role in them.
      await client.query(`REVOKE CONNECT ON DATABASE ${pg.escapeIdentifier(database)} FROM PUBLIC`)
    }
  })
  return gateway
}

/** Whether every role is there with its rights: a restored database may have rows of roles that its server lacks. */
async function hasAll(client: Client, schema: string, gateway: string, logsIn: boolean): Promise<boolean> {
  const name = pg.escapeIdentifier(schema)
  const { rows } = await client.query(
    `SELECT count(*) FILTER (WHERE kind <> 'reader') = 2
       AND bool_and(p.oid IS NOT NULL AND has_schema_privilege(p.oid, $1, 'USAGE'))
       AND bool_and(r.name <> $2 OR (p.rolcanlogin OR NOT $3) AND has_table_privilege(p.oid, $4, 'INSERT')) AS all
     FROM ${name}.roles r LEFT JOIN pg_roles p ON p.rolname = r.name`,
    [schema, gateway, logsIn, `${name}.batches`],
  )
  return rows[0].all ?? false
}

type RoleRow = Pick<StoreRole, 'role' | 'kind' | 'purposes' | 'tenants'>

async function makeRole(client: Client, schema: string, database: string, row: RoleRow): Promise<void> {
  const role = pg.escapeIdentifier(row.role)
  const name = pg.escapeIdentifier(schema)
  const { rows } = await client.query(
    `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS there,
       current_setting('server_version_num')::int >= 160000 AS newer`,
    [row.role],
  )
  if (!rows[0].there) await client.query(`CREATE ROLE ${role} NOLOGIN`)
  const statements = [
    // So that the owner can work as this role, with no more rights than it has. Before PostgreSQL 16 he gets all at once.
    `GRANT ${role} TO CURRENT_USER${rows[0].newer ? ' WITH INHERIT FALSE, SET TRUE' : ''}`,
    `GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(database)} TO ${role}`,
    `GRANT USAGE ON SCHEMA ${name} TO ${role}`,
    ...(row.kind === 'gateway' ? gatewayRights(name, role) : readerRights(name, role, row)),
  ]
  for (const statement of statements) await client.query(statement)
  if (row.kind !== 'gateway') return
  const leaves = await client.query<{ leaf: string }>(`SELECT name AS leaf FROM ${name}.partitions`)
  for (const { leaf } of leaves.rows) {
    await client.query(`GRANT INSERT ON ${name}.${pg.escapeIdentifier(leaf)} TO ${role}`)
  }
}

const gatewayRights = (schema: string, role: string): string[] => [
  `GRANT SELECT ON ${schema}.schema_version TO ${role}`,
  `GRANT INSERT ON ${schema}.batches, ${schema}.usage_added TO ${role}`,
  `GRANT EXECUTE ON FUNCTION ${schema}.ensure_partition, ${schema}.batch_refused TO ${role}`,
  `DROP POLICY IF EXISTS ${role} ON ${schema}.usage_added`,
  `CREATE POLICY ${role} ON ${schema}.usage_added FOR INSERT TO ${role} WITH CHECK (true)`,
]

/** Rights on `logs` and not on its partitions: there is no way around its policies. */
function readerRights(schema: string, role: string, { kind, purposes, tenants }: RoleRow): string[] {
  const of = (column: string, values: readonly string[] | null) =>
    values === null ? [] : [`${column} IN (${values.map((value) => pg.escapeLiteral(value)).join(', ')})`]
  const rows = [...of('purpose', purposes), ...of('tenant', tenants)].join(' AND ') || 'true'
  const tables = kind === 'log_admin' ? [...readable, ...books] : readable
  return [
    ...tables.map((table) => `GRANT SELECT ON ${schema}.${table} TO ${role}`),
    // What `query --follow` begins with.
    ...(kind === 'reader' ? [`GRANT SELECT (stored) ON ${schema}.batches TO ${role}`] : []),
    ...guarded.flatMap((table) => [
      `DROP POLICY IF EXISTS ${role} ON ${schema}.${table}`,
      `CREATE POLICY ${role} ON ${schema}.${table} FOR SELECT TO ${role} USING (${rows})`,
    ]),
  ]
}

/** Refuses a user who may not insert: better now than when records are on their way. Throws `DependencyError`. */
export async function checkWriter(client: Client, schema: string): Promise<void> {
  const { rows } = await client.query(
    `SELECT has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE') AS may, current_user AS "user"
     FROM pg_namespace n JOIN pg_proc p ON p.pronamespace = n.oid WHERE n.nspname = $1 AND p.proname = 'batch_refused'`,
    [schema],
  )
  if (rows[0]?.may) return
  const role = roleName(await databaseOf(client), schema, 'gateway')
  throw new DependencyError(
    `PostgreSQL's user ${rows[0]?.user} may not insert`,
    `As the owner of the tables: GRANT ${role} TO that user.`,
  )
}

/** Makes a reader. With `login`, it may log in with the password that is returned and shown nowhere else. */
export async function addReader(
  client: Client,
  schema: string,
  reader: Reader,
  { who, login }: { who: string; login: boolean },
): Promise<{ role: string; password?: string }> {
  const database = await databaseOf(client)
  const role = roleName(database, schema, `reader_${reader.name}`)
  const name = pg.escapeIdentifier(schema)
  const password = login ? randomBytes(24).toString('base64url') : undefined
  await inTransaction(client, async () => {
    const { purposes = null, tenants = null } = reader
    const { rowCount } = await client.query(
      `INSERT INTO ${name}.roles (name, kind, purposes, tenants, made_by) VALUES ($1, 'reader', $2, $3, $4)
       ON CONFLICT DO NOTHING`,
      [role, purposes, tenants, who],
    )
    if (rowCount === 0) throw new ConfigError(`there is a reader ${reader.name} already`, [], 'Remove it first.')
    await makeRole(client, schema, database, { role, kind: 'reader', purposes, tenants })
    if (password !== undefined) {
      await client.query(`ALTER ROLE ${pg.escapeIdentifier(role)} LOGIN PASSWORD ${pg.escapeLiteral(password)}`)
    }
  })
  return { role, ...(password !== undefined && { password }) }
}

/** Removes a reader by its name or its role's. False: there is none. */
export async function removeReader(client: Client, schema: string, reader: string): Promise<boolean> {
  const role = roleName(await databaseOf(client), schema, `reader_${reader}`)
  const name = pg.escapeIdentifier(schema)
  let isGone = false
  await inTransaction(client, async () => {
    const { rows } = await client.query(
      `DELETE FROM ${name}.roles WHERE name IN ($1, $2) AND kind = 'reader' RETURNING name`,
      [role, reader],
    )
    if (rows.length === 0) return
    const found = pg.escapeIdentifier(rows[0].name)
    for (const table of guarded) await client.query(`DROP POLICY IF EXISTS ${found} ON ${name}.${table}`)
    const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [rows[0].name])
    if (rowCount) await client.query(`DROP OWNED BY ${found}; DROP ROLE ${found}`)
    isGone = true
  })
  return isGone
}

/** For reviews of access: every role of the store, and who has been given it. */
export async function listRoles(client: Client, schema: string): Promise<StoreRole[]> {
  const { rows } = await client.query<StoreRole>(
    `SELECT r.name AS role, r.kind, r.purposes, r.tenants, r.made, r.made_by, coalesce(p.rolcanlogin, false) AS login,
       ARRAY(SELECT m.rolname::text FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member
             WHERE a.roleid = p.oid ORDER BY 1) AS members
     FROM ${pg.escapeIdentifier(schema)}.roles r LEFT JOIN pg_roles p ON p.rolname = r.name
     ORDER BY array_position(ARRAY['gateway', 'log_admin', 'reader'], r.kind), r.name`,
  )
  return rows
}

/** The role in which `reader` reads: a reader's name, a role's, or `log_admin`. Undefined: there is none. */
export async function readingRole(client: Client, schema: string, reader: string): Promise<string | undefined> {
  const { rows } = await client.query<{ database: string; name: string }>(
    `SELECT current_database() AS database, r.name
     FROM ${pg.escapeIdentifier(schema)}.roles r JOIN pg_roles p ON p.rolname = r.name WHERE r.kind <> 'gateway'`,
  )
  const database = rows[0]?.database ?? ''
  const names = [roleName(database, schema, `reader_${reader}`), roleName(database, schema, reader), reader]
  return names.find((name) => rows.some((row) => row.name === name))
}

async function inTransaction(client: Client, work: () => Promise<void>): Promise<void> {
  await client.query('BEGIN')
  try {
    await work()
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}
