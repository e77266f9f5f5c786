/**
 * The tables of a store, in versions. `docs/postgres.md` describes them for people who query them.
 *
 *   logs                                    all records; partitioned by purpose
 *     logs_security                         one purpose; partitioned by retention
 *       logs_security__18mo                 one retention; partitioned by time
 *         logs_security__18mo__202611       one month (or day) of it: what holds the rows, and what is dropped
 *       logs_security__18mo__other          times that are far off
 *   batches                                 what was stored, so that a batch that comes again is not stored again
 *   partitions                              every leaf, with the times that it holds
 *   legal_holds, deletions, retention_runs  see retention.ts
 *   roles, usage_added, usage_daily, usage  see schema_3.ts
 *   schema_version
 *
 * Migrations run under an advisory lock, each in one transaction: several gateways may start at once. Leaves are made
 * beside their parent and then attached, which does not wait for running queries, as making them in place would.
 */
import pg from 'pg'
import { DependencyError } from '../../src/errors.ts'
import { rightsAndUsage } from './schema_3.ts'
import { traceSummaries } from './schema_4.ts'

/** The columns of `logs`, in the order in which rows are sent. */
export const logColumns = [
  'time',
  'stored',
  'observed',
  'severity_number',
  'flags',
  'dropped_attributes',
  'time_nanos',
  'observed_nanos',
  'purpose',
  'retention',
  'tenant',
  'region',
  'severity_text',
  'event_name',
  'body',
  'body_json',
  'trace_id',
  'span_id',
  'subject_ref',
  'attributes',
  'service_name',
  'resource',
  'resource_schema_url',
  'scope',
] as const

const logsTable = `
CREATE TABLE logs (
  time timestamptz NOT NULL,            -- the record's time; of one without a time: when it was observed
  stored timestamptz NOT NULL,          -- when its batch was stored; batches.stored is the same
  observed timestamptz,
  severity_number integer NOT NULL,
  flags integer,
  dropped_attributes integer,
  time_nanos smallint NOT NULL,         -- the nanoseconds that time leaves out, 0 to 999; -1: the record had no time
  observed_nanos smallint,
  purpose text NOT NULL,
  retention text NOT NULL,
  tenant text,
  region text,
  severity_text text,
  event_name text,
  body text,                            -- a body that is a string
  body_json jsonb,                      -- any other body
  trace_id bytea,
  span_id bytea,
  subject_ref text,
  attributes jsonb NOT NULL,
  service_name text,
  resource jsonb NOT NULL,
  resource_schema_url text,
  scope jsonb                           -- name, version, attributes, schema_url
) PARTITION BY LIST (purpose);
CREATE INDEX logs_tenant_time ON logs (tenant, time);
CREATE INDEX logs_trace_id ON logs (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX logs_subject_ref ON logs (subject_ref) WHERE subject_ref IS NOT NULL;
CREATE INDEX logs_time ON logs USING brin (time) WITH (pages_per_range = 32);
`

const bookTables = `
CREATE TABLE batches (
  id text PRIMARY KEY,
  stored timestamptz NOT NULL,
  records integer NOT NULL,             -- rows stored
  refused integer NOT NULL              -- records that cannot be stored, or are older than their retention
);
CREATE INDEX batches_stored ON batches USING brin (stored);
CREATE TABLE partitions (
  name text PRIMARY KEY,
  purpose text NOT NULL,
  retention text NOT NULL,
  starts timestamptz,                   -- NULL: the partition for times that are far off
  ends timestamptz
);
CREATE TABLE legal_holds (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text,                          -- NULL: any; likewise purpose and subject_ref
  purpose text,
  subject_ref text,
  reason text NOT NULL CHECK (reason <> ''),
  made timestamptz NOT NULL DEFAULT now(),
  until timestamptz NOT NULL            -- a hold has an end; it can be made anew
);
CREATE TABLE deletions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  made timestamptz NOT NULL DEFAULT now(),
  as_of timestamptz NOT NULL,           -- the time that retention was counted to
  partition text NOT NULL,
  purpose text NOT NULL,
  retention text NOT NULL,              -- what was promised: the partition's, or a shorter one of a tenant
  tenant text,                          -- NULL: all
  whole boolean NOT NULL,               -- the partition was dropped
  records bigint NOT NULL,
  oldest timestamptz,
  newest timestamptz
);
CREATE TABLE retention_runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  made timestamptz NOT NULL DEFAULT now(),
  as_of timestamptz NOT NULL,
  held_back boolean NOT NULL            -- the clock was further ahead than can be believed
);
`

/** Makes the tables for one shelf. `$SCHEMA$` stands for the quoted schema. */
const ensurePartition = `
CREATE FUNCTION table_part(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN name ~ '^[a-z0-9](_?[a-z0-9])*$' AND length(name) <= 20 THEN name
              ELSE 'x' || left(md5(name), 16) END
$$;
CREATE FUNCTION ensure_partition(of_purpose text, of_retention text, starts timestamptz, ends timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = $SCHEMA$, pg_temp AS $$
DECLARE
  by_purpose text := 'logs_' || $SCHEMA$.table_part(of_purpose);
  by_retention text := by_purpose || '__' || $SCHEMA$.table_part(of_retention);
  leaf text := by_retention || '__' || CASE
    WHEN starts IS NULL THEN 'other'
    WHEN ends - starts <= interval '1 day' THEN to_char(starts AT TIME ZONE 'UTC', 'YYYYMMDD')
    ELSE to_char(starts AT TIME ZONE 'UTC', 'YYYYMM') END;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('douane partitions ' || current_schema()));
  IF EXISTS (SELECT FROM partitions WHERE name = leaf) THEN RETURN; END IF;
  IF to_regclass(quote_ident(by_purpose)) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE logs INCLUDING ALL) PARTITION BY LIST (retention)', by_purpose);
    EXECUTE format('ALTER TABLE logs ATTACH PARTITION %I FOR VALUES IN (%L)', by_purpose, of_purpose);
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE logs INCLUDING ALL)', leaf);
  IF starts IS NULL THEN
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%L)', by_purpose, leaf, of_retention || '/other');
  ELSE
    IF to_regclass(quote_ident(by_retention)) IS NULL THEN
      EXECUTE format('CREATE TABLE %I (LIKE logs INCLUDING ALL) PARTITION BY RANGE (time)', by_retention);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%L)', by_purpose, by_retention, of_retention);
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', by_retention, leaf, starts, ends);
  END IF;
  INSERT INTO partitions VALUES (leaf, of_purpose, of_retention, starts, ends);
END $$;
`

/** Version 2: receipts are made from `deletions` after the fact; holds say who made and who ended them; `query --follow`. */
const receiptsAndHolds = `
ALTER TABLE deletions ADD COLUMN policy_version text NOT NULL DEFAULT '',
  ADD COLUMN receipted boolean NOT NULL DEFAULT false;   -- its receipt is signed and kept outside of this database
ALTER TABLE legal_holds ADD COLUMN made_by text, ADD COLUMN ended timestamptz, ADD COLUMN ended_by text;
CREATE INDEX logs_stored ON logs USING brin (stored) WITH (pages_per_range = 32, autosummarize = on);
`

/** One entry a version, never changed once released. */
const migrations: readonly string[] = [
  logsTable + bookTables + ensurePartition,
  receiptsAndHolds,
  rightsAndUsage,
  traceSummaries,
]

export const schemaVersion = migrations.length

/**
 * Brings the schema up to date, or only to an older version `to`: what a backup of that version is loaded into. Throws
 * `DependencyError` where it is newer than this program.
 */
export async function migrate(
  client: pg.Client | pg.PoolClient,
  schema: string,
  to: number = schemaVersion,
): Promise<void> {
  const name = pg.escapeIdentifier(schema)
  if ((await versionOf(client, name)) === to) return
  await client.query('BEGIN')
  try {
    await client.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`douane migrate ${schema}`])
    const version = await versionOf(client, name)
    if (version > schemaVersion) {
      throw new DependencyError(
        `the store's schema ${schema} has version ${version}, and this Douane knows versions up to ${schemaVersion}`,
        'Run the version of Douane that made it, or a later one.',
      )
    }
    if (version === 0) await client.query(`CREATE SCHEMA IF NOT EXISTS ${name}`)
    await client.query(`SET LOCAL search_path = ${name}, pg_temp`)
    if (version === 0) {
      await client.query(
        'CREATE TABLE schema_version (version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())',
      )
    }
    for (let next = version; next < to; next++) {
      await client.query(migrations[next]!.replaceAll('$SCHEMA$', () => name))
      await client.query('INSERT INTO schema_version (version) VALUES ($1)', [next + 1])
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** 0: there is no schema yet. `name` is quoted. */
export async function versionOf(client: pg.Client | pg.PoolClient, name: string): Promise<number> {
  const table = `${name}.schema_version`
  const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS there', [table])
  if (!rows[0].there) return 0
  const found = await client.query(`SELECT coalesce(max(version), 0) AS version FROM ${table}`)
  return found.rows[0].version
}

/** Refuses a schema that this program does not read. Throws `DependencyError`. */
export async function checkVersion(client: pg.Client | pg.PoolClient, schema: string): Promise<void> {
  const table = `${pg.escapeIdentifier(schema)}.schema_version`
  const { rows } = await client
    .query(`SELECT max(version) AS version FROM ${table}`)
    .catch((error: pg.DatabaseError) => {
      if (error.code !== '42P01' && error.code !== '3F000') throw error
      throw new DependencyError(`the database has no store in its schema ${schema}`)
    })
  if (rows[0].version === schemaVersion) return
  throw new DependencyError(
    `the store's schema ${schema} has version ${rows[0].version}, and this Douane reads version ${schemaVersion}`,
    'Use the same version of Douane as the gateway that writes there.',
  )
}
