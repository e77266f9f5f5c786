/**
 * What minimize costs a record, alone: `npm run bench:minimize`. The scan of the request is not counted.
 *
 * Clean records have 461 bytes and 10 attributes without anything to find; the others have three findings: by their keys
 * (`keyed`), in the text of the body (`text`), or both and a masked attribute besides (`personal`). Each line once with the
 * cache of hashes and once without. CPU time of this process, best of several runs; `bytes` is one loop over the same
 * requests that only reads each byte, for comparison with other machines.
 */
import minimize from '../processors/minimize/index.ts'
import type { Host } from '../src/contract.ts'
import { readRequest } from '../src/otlp/read.ts'
import { LogsRequest } from '../src/otlp/request.ts'
import { Chain } from '../src/pipeline/chain.ts'
import { encodeRequest, type KeyValue } from '../test/oracle/otlp.ts'

const records = 2000
const runs = 15
const counter = { add: () => {}, with: () => counter }
const host = {
  counter: () => counter,
  purposes: { bit: () => 1, names: () => [] },
  hashKeys: { current: () => ({ id: '0badcafe', key: Buffer.alloc(32, 7) }) },
} as unknown as Host

const string = (key: string, value: string): KeyValue => ({ key, value: { stringValue: value } })
function body(kind: string, seed: number): Buffer {
  const logRecords = Array.from({ length: records }, (_, index) => {
    const i = seed * records + index
    const isText = kind === 'text' || kind === 'personal'
    const isKeyed = kind === 'keyed' || kind === 'personal'
    return {
      severityNumber: 9,
      severityText: 'INFO',
      body: {
        stringValue: isText
          ? `User jane.doe${i}@example.com logged in from 192.168.${i % 255}.${(i * 7) % 255} with card 4111 1111 1111 1111 session ok`
          : `Request GET /api/v1/projects/${i} handled by worker ${i % 16} in ${i % 300} ms status=200 bytes=${i * 13} cache=hit`,
      },
      attributes: [
        string('http.request.method', 'GET'),
        string('http.route', '/api/v1/projects/{id}'),
        { key: 'http.response.status_code', value: { intValue: 200n } },
        isKeyed ? string('client.address', `10.1.2.${i % 255}`) : string('server.name', `node-${i % 255}`),
        isKeyed ? string('user.id', `usr_${i % 5000}`) : string('job.name', `job_${i % 5000}`),
        isKeyed ? string('session.id', `sess-${i.toString(16).padStart(12, '0')}`) : string('shard', `shard-${i % 97}`),
        string('url.path', `/api/v1/projects/${i}`),
        string('tenant.id', 'acme'),
        { key: 'event.duration_ms', value: { intValue: BigInt(i % 300) } },
        string('enduser.email', kind === 'personal' ? `jane.doe${i}@example.com` : '-'),
      ],
    }
  })
  return encodeRequest({
    resourceLogs: [
      { resource: { attributes: [string('service.name', 'shop')] }, scopeLogs: [{ scope: { name: 's' }, logRecords }] },
    ],
  })
}

function measure(kind: string, isCached: boolean): number {
  const options = minimize.config.parse({ hash_cache: isCached, keys: { 'enduser.email': 'mask' } })
  const named = { id: 'minimize', processor: minimize.create(options, host), incoming: counter, outgoing: counter }
  const bodies = [body(kind, 1), body(kind, 2), body(kind, 3)]
  const requests = bodies.map(() => new LogsRequest())
  const chains = requests.map(
    (request) =>
      new Chain(request, [named], (_id, error) => {
        throw error
      }),
  )
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    for (const [i, request] of requests.entries()) readRequest(request, bodies[i]!)
    const before = process.cpuUsage()
    for (const [i, chain] of chains.entries()) chain.run(new Uint8Array(requests[i]!.resources.count))
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / (records * bodies.length))
  }
  return best
}

function readEachByte(): number {
  const bytes = body('clean', 1)
  let best = Number.POSITIVE_INFINITY
  let sum = 0
  for (let run = 0; run < runs * 4; run++) {
    const before = process.cpuUsage()
    for (let i = 0; i < bytes.length; i++) sum |= bytes[i]!
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / records)
  }
  return sum < 0 ? 0 : best
}

console.log('record         µs a record   thousand records per CPU-second')
const line = (name: string, micros: number): void =>
  console.log(name.padEnd(24), micros.toFixed(2).padStart(8), (1000 / micros).toFixed(0).padStart(12))
line('bytes (reading only)', readEachByte())
for (const kind of ['clean', 'keyed', 'text', 'personal'])
  for (const isCached of [true, false]) line(`${kind}${isCached ? '' : ', no hash cache'}`, measure(kind, isCached))
