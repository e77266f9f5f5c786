/**
 * Version 4 of a store's tables: traces are found by a summary of blocks instead of an index of rows.
 *
 * An index of traces cost each row as much as the one of tenants and times, and a sixth of all that storing a row costs
 * PostgreSQL. The rows of a trace come within seconds of each other and lie in few blocks: so a Bloom filter for each
 * block range says which ranges may hold it, beside the times that were there already. Sized for ranges in which every
 * row has a trace of its own (32 blocks of 8 KiB hold some 400 rows).
 */
export const traceSummaries = `
DROP INDEX logs_trace_id;
DROP INDEX logs_times;
CREATE INDEX logs_blocks ON logs USING brin (time, stored,
  trace_id bytea_bloom_ops (n_distinct_per_range = 500, false_positive_rate = 0.002))
  WITH (pages_per_range = 32, autosummarize = on);
`
