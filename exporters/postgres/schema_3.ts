/**
 * Version 3 of a store's tables: rights (roles.ts), counts of what was stored (usage.ts), and rows that go straight into
 * their partition.
 *
 * Row-level security stands on `logs` alone. Readers have rights on `logs` and on nothing below it, so all that they read
 * passes its policies. A gateway may insert into partitions, where PostgreSQL takes a COPY: it refuses one into a table
 * whose policies hold for whoever sends it. Nobody but the owner may read, change or delete there.
 */

/** `ensure_partition` now tells the partition's name, and lets the gateways' roles insert there. */
const partitions = `
CREATE TABLE roles (
  name text PRIMARY KEY,                -- a role of PostgreSQL
  kind text NOT NULL CHECK (kind IN ('gateway', 'log_admin', 'reader')),
  purposes text[],                      -- of a reader: which rows; NULL: of all purposes, tenants
  tenants text[],
  made timestamptz NOT NULL DEFAULT now(),
  made_by text
);
DROP FUNCTION ensure_partition;
CREATE FUNCTION ensure_partition(of_purpose text, of_retention text, starts timestamptz, ends timestamptz)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = $SCHEMA$, pg_temp AS $$
DECLARE
  by_purpose text := 'logs_' || $SCHEMA$.table_part(of_purpose);
  by_retention text := by_purpose || '__' || $SCHEMA$.table_part(of_retention);
  leaf text := by_retention || '__' || CASE
    WHEN starts IS NULL THEN 'other'
    WHEN ends - starts <= interval '1 day' THEN to_char(starts AT TIME ZONE 'UTC', 'YYYYMMDD')
    ELSE to_char(starts AT TIME ZONE 'UTC', 'YYYYMM') END;
  gateway text;
BEGIN
  IF EXISTS (SELECT FROM partitions WHERE name = leaf) THEN RETURN leaf; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('douane partitions ' || current_schema()));
  IF EXISTS (SELECT FROM partitions WHERE name = leaf) THEN RETURN leaf; END IF;
  IF to_regclass(quote_ident(by_purpose)) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE logs INCLUDING ALL) PARTITION BY LIST (retention)', by_purpose);
    EXECUTE format('ALTER TABLE logs ATTACH PARTITION %I FOR VALUES IN (%L)', by_purpose, of_purpose);
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE logs INCLUDING ALL)', leaf);
  FOR gateway IN SELECT r.name FROM roles r WHERE r.kind = 'gateway' LOOP
    EXECUTE format('GRANT INSERT ON %I TO %I', leaf, gateway);
  END LOOP;
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
  RETURN leaf;
END $$;
REVOKE ALL ON FUNCTION ensure_partition FROM PUBLIC;
CREATE FUNCTION batch_refused(of_id text) RETURNS integer LANGUAGE sql SECURITY DEFINER STABLE
SET search_path = $SCHEMA$, pg_temp AS $$ SELECT refused FROM batches WHERE id = of_id $$;
REVOKE ALL ON FUNCTION batch_refused FROM PUBLIC;
ALTER TABLE logs ENABLE ROW LEVEL SECURITY;
`

const usage = `
CREATE TABLE usage_added (              -- what each batch added; the nightly run moves it into usage_daily
  day date NOT NULL,                    -- of the record's time, in the policy's time zone
  tenant text NOT NULL,                 -- '': none; likewise event_name
  purpose text NOT NULL,
  retention text NOT NULL,
  event_name text NOT NULL,
  records bigint NOT NULL
);
CREATE TABLE usage_daily (
  day date NOT NULL,
  tenant text NOT NULL,
  purpose text NOT NULL,
  retention text NOT NULL,
  event_name text NOT NULL,
  records bigint NOT NULL,
  PRIMARY KEY (tenant, day, purpose, event_name, retention)
);
CREATE VIEW usage WITH (security_invoker = true) AS
  SELECT day, tenant, purpose, event_name, sum(records)::bigint AS records
  FROM (SELECT * FROM usage_daily UNION ALL SELECT * FROM usage_added) counted
  GROUP BY day, tenant, purpose, event_name;
ALTER TABLE usage_added ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_daily ENABLE ROW LEVEL SECURITY;
`

/** One summary of blocks instead of two: each costs every row that is inserted. */
const indexes = `
DROP INDEX logs_time;
DROP INDEX logs_stored;
CREATE INDEX logs_times ON logs USING brin (time, stored) WITH (pages_per_range = 32, autosummarize = on);
`

export const rightsAndUsage = partitions + usage + indexes
