/**
 * debug: tells in the gateway's own log what came, as counts only; never what was in it. docs/exporters.md
 */
import { z } from 'zod'
import { type Batch, exporter, type Host, type Outcome } from '../src/contract.ts'
import { WireError } from '../src/errors.ts'
import { Tag } from '../src/otlp/fields.ts'
import { readLength, readTag, skipValue, wire } from '../src/otlp/wire.ts'

const options = z.strictObject({
  verbosity: z
    .enum(['basic', 'normal'])
    .default('basic')
    .describe('basic: one line a batch, with its records and bytes. normal: also how many resources and scopes.'),
})
type Options = z.output<typeof options>

export const debug = exporter({
  name: 'debug',
  purposes: 'merged',
  local: true,
  config: options,
  create: (given, host) => ({
    send: async (batch, signal) => tell(given, host, batch, signal),
    close: async () => {},
  }),
})

function tell({ verbosity }: Options, host: Host, batch: Batch, signal: AbortSignal): Outcome {
  if (signal.aborted) return { is: 'unavailable', reason: 'aborted' }
  try {
    const more = verbosity === 'normal' ? counts(batch.body) : {}
    host.log.info('debug_batch', { exporter: host.id, records: batch.records, bytes: batch.body.length, ...more })
    return { is: 'accepted' }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return { is: 'rejected', reason: error.message }
  }
}

function counts(body: Uint8Array): { resources: number; scopes: number } {
  let scopes = 0
  const resources = eachField(body, 0, body.length, Tag.request.resourceLogs, (start, end) => {
    scopes += eachField(body, start, end, Tag.resourceLogs.scopeLogs, () => {})
  })
  return { resources, scopes }
}

/** Calls `visit` with each occurrence of one field, and gives their number. */
function eachField(
  body: Uint8Array,
  start: number,
  end: number,
  wanted: number,
  visit: (start: number, end: number) => void,
): number {
  let found = 0
  let at = start
  while (at < end) {
    const tag = readTag(body, at, end)
    if (tag === wanted) {
      const stop = readLength(body, wire.at, end)
      visit(wire.at, stop)
      found++
      at = stop
    } else at = skipValue(body, tag, wire.at, end)
  }
  return found
}
