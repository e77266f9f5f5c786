/**
 * How long a start takes with a long queue: `node bench/queue_restart.ts [--gib 1] [--dir DIR]`. Writes that much to
 * the disk, and deletes it again. After a stop in good order, and after a crash (nothing was closed).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openChunkCipher } from '../src/keys/chunk_cipher.ts'
import { systemClock } from '../src/pipeline/clock.ts'
import { Destination } from '../src/pipeline/destination.ts'
import type { DeliveryCounts } from '../src/pipeline/parcel.ts'
import { retryOnFailure, sendingQueue } from '../src/pipeline/queue_config.ts'

const { values } = parseArgs({
  options: { gib: { type: 'string', default: '1' }, dir: { type: 'string', default: '.' } },
})
const wantedBytes = Number(values.gib) * 2 ** 30
const none = () => {}
const dir = await mkdtemp(join(values.dir, '.bench-queue-'))
let recovered = 0
const counts: DeliveryCounts = {
  recovered: (tenants) => {
    for (const [, records] of tenants) recovered += records
  },
  enqueued: none,
  stored: none,
  refused: none,
  deadLettered: none,
  revived: none,
  corrupted: none,
  attempted: none,
}

async function open(): Promise<Destination> {
  const destination = new Destination({
    id: 'bench',
    exporter: { send: async () => ({ is: 'unavailable', reason: 'bench' }), close: async () => {} },
    dir: join(dir, 'queue'),
    cipher: await openChunkCipher(join(dir, 'keys')),
    queue: sendingQueue.parse({ queue_size: '1TiB' }),
    retry: retryOnFailure.parse({}),
    timeoutMs: 5000,
    log: { debug: none, info: none, warn: none, error: none },
    clock: systemClock,
    counts,
  })
  const startMs = performance.now()
  recovered = 0
  await destination.start()
  const gib = destination.state().queuedBytes / 2 ** 30
  const rss = Math.round(process.memoryUsage.rss() / 1e6)
  console.log(
    `${gib.toFixed(2)} GiB queued, ${recovered} records: started in ${(performance.now() - startMs).toFixed(0)} ms, RSS ${rss} MB`,
  )
  return destination
}

try {
  let destination = await open()
  const parcel = {
    body: Buffer.alloc(900_000, 1),
    records: 2000,
    tenants: [['acme', 2000]] as const,
    policyVersion: 'v1',
  }
  const sender = async () => {
    while (destination.state().queuedBytes < wantedBytes) await destination.offer(parcel)
  }
  await Promise.all(Array.from({ length: 16 }, sender))
  console.log('after a crash:')
  destination = await open()
  await destination.stop(0)
  console.log('after a stop:')
  await (await open()).stop(0)
} finally {
  await rm(dir, { recursive: true })
}
