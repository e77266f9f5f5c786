/** Seals one value an epoch, an epoch after the other, and prints each token: until somebody kills it. */
import { writeSync } from 'node:fs'
import { openSealer } from '../../src/keys/sealer.ts'
import { limits } from '../../src/limits.ts'
import { encodeValue } from '../../src/otlp/value.ts'

const [dir, firstMs] = process.argv.slice(2) as [string, string]
const clock = { ms: Number(firstMs) }
const log = { debug() {}, info() {}, warn() {}, error() {} }
const sealer = await openSealer({ dir, nowMs: () => clock.ms, monotonicMs: () => clock.ms, log })
for (let n = 0; ; n++) {
  const context = { tenant: `t${n % 3}`, region: 'eu-de', purpose: 'support', retention: '1mo' }
  // Every other value belongs to a person whom nobody has met.
  const subject = n % 2 === 0 ? sealer.of(context.tenant, `person ${process.pid} ${n}`) : undefined
  const token = sealer.seal(encodeValue({ kind: 'string', value: `v${n}` }), context, 'log.body', { subject })
  writeSync(1, `${JSON.stringify({ n, tenant: context.tenant, body: token })}\n`)
  clock.ms += limits.epochAgeMsMax / 3
}
