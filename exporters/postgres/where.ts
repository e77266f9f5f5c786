/** Where conditions find a record's fields in the table `logs`: for `toSql` of src/ottl/sql.ts, as `StoreQuery.where`. */
import type { Columns } from '../../src/ottl/sql.ts'
import { escapeText, toStoredJson } from './stored_json.ts'

/** Unix nanoseconds, 0 where the record has none. */
const nanos = (time: string, rest: string): string =>
  `(CASE WHEN ${time} IS NULL OR ${rest} < 0 THEN 0 ELSE (extract(epoch FROM ${time}) * 1000000)::int8::numeric * 1000 + ${rest} END)`

export const storeColumns: Columns = {
  attributes: { log: 'attributes', resource: 'resource', scope: `(scope -> 'attributes')` },
  bodyText: 'body',
  bodyJson: 'body_json',
  text: {
    'log.event_name': 'event_name',
    'log.severity_text': 'severity_text',
    'log.trace_id.string': `COALESCE(encode(trace_id, 'hex'), '00000000000000000000000000000000')`,
    'log.span_id.string': `COALESCE(encode(span_id, 'hex'), '0000000000000000')`,
    'scope.name': `(scope ->> 'name')`,
    'scope.version': `(scope ->> 'version')`,
  },
  numbers: {
    'log.severity_number': 'severity_number',
    'log.flags': 'COALESCE(flags, 0)',
    'log.dropped_attributes_count': 'COALESCE(dropped_attributes, 0)',
    'log.time_unix_nano': nanos('time', 'time_nanos'),
    'log.observed_time_unix_nano': nanos('observed', 'observed_nanos'),
  },
  ids: { 'log.trace_id': 'trace_id', 'log.span_id': 'span_id' },
  escape: escapeText,
  json: toStoredJson,
}
