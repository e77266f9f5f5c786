/**
 * The queues of two destinations that get the same bytes and of one that has its files alone, in a process of their own,
 * to be killed at any moment: `crash_child.ts DIR FIRST load|drain`.
 *
 * Writes a line for each thing that became true, at once: `A n`: record n was acknowledged; `D a id n,n,…`:
 * destination a has a batch; `X n`: destination n misses something; `R n`: ready, with n records left by earlier processes. `load` offers records FIRST,
 * FIRST + 1, … for ever; `drain` delivers all that is there and ends.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Outcome } from '../../../src/contract.ts'
import { openChunkCipher } from '../../../src/keys/chunk_cipher.ts'
import { limits } from '../../../src/limits.ts'
import { systemClock } from '../../../src/pipeline/clock.ts'
import { Destination } from '../../../src/pipeline/destination.ts'
import { nodeDisk } from '../../../src/pipeline/queue/disk.ts'
import { SharedQueues } from '../../../src/pipeline/queue/shared.ts'
import { retryOnFailure, sendingQueue } from '../../../src/pipeline/queue_config.ts'
import { parcel, request, silentLog, Tally } from './support.ts'

const [dir, first, mode] = process.argv.slice(2) as [string, string, 'load' | 'drain']
const say = (line: string) => writeSync(1, `${line}\n`)
// Small enough that segments turn, batches are split and checkpoints are written all the time.
Object.assign(limits, { segmentBytes: 60_000, batchBytesMax: 20_000, batchBytesMin: 9000, ackEntriesMax: 50 })

const cipher = await openChunkCipher(join(dir, 'keys'))
const destinations = ['a', 'b', 'c'].map((name) => {
  const tally = new Tally()
  let calls = 0
  const destination = new Destination({
    id: name,
    dir: join(dir, 'queue', name),
    cipher,
    queue: sendingQueue.parse({ num_consumers: 3, tenant_share: 1 }),
    retry: retryOnFailure.parse({ initial_interval: '5ms', max_interval: '20ms' }),
    timeoutMs: 1000,
    log: silentLog,
    clock: systemClock,
    counts: tally,
    exporter: {
      async send(batch): Promise<Outcome> {
        calls++
        // One of them fails much more often, so that it falls behind.
        if (mode === 'load' && calls % (name === 'b' ? 2 : 7) === 0) return { is: 'unavailable', reason: 'test' }
        if (batch.records > 12) return { is: 'too_large', reason: 'test' }
        const numbers = [
          ...Buffer.from(batch.body)
            .toString('latin1')
            .matchAll(/r(\d+);/g),
        ].map(([, n]) => n)
        say(`D ${name} ${batch.id} ${numbers.join(',')}`)
        await new Promise((resolve) => setTimeout(resolve, calls % 3))
        return { is: 'accepted' }
      },
      async close() {},
    },
  })
  return { destination, tally }
})
for (const { destination } of destinations) await destination.start()
const to = destinations.map(({ destination }) => destination)
const [a, b, alone] = to as [Destination, Destination, Destination]
const shared = new SharedQueues({ disk: nodeDisk, cipher, log: silentLog, nowMs: Date.now })
for (const [i, { tally }] of destinations.entries()) if (tally.of.corruptBytes > 0) say(`X ${i}`)
say(`R ${destinations.map(({ tally }) => tally.of.recovered)}`)
if (mode === 'drain') {
  const isLeft = () => to.some((destination) => destination.state().queuedBatches > 0)
  while (isLeft()) await new Promise((resolve) => setTimeout(resolve, 5))
  for (const destination of to) await destination.stop(1000)
} else {
  let next = Number(first)
  const sender = async (tenant: string) => {
    for (;;) {
      const n = next++
      const one = parcel(request(`r${n};${'x'.repeat(n % 900)}`), 1, tenant)
      const arrivals = Destination.offerToAll(shared, [a, b], one, [one.tenants, []])
      await Promise.all([...arrivals, alone.offer(one)])
      say(`A ${n}`)
    }
  }
  await Promise.all(['acme', 'acme', 'acme', 'acme', 'acme', 'globex', 'globex', 'initech'].map(sender))
}
