/**
 * A gateway's queue in a process of its own, to be killed at any moment: `crash_child.ts DIR FIRST load|drain`.
 *
 * Writes a line for each thing that became true, at once: `A n`: record n was acknowledged; `D id n,n,…`: the
 * destination has a batch; `R n`: ready, with n records left by earlier processes. `load` offers records FIRST,
 * FIRST + 1, … for ever; `drain` delivers all that is there and ends.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Outcome } from '../../../src/contract.ts'
import { openChunkCipher } from '../../../src/keys/chunk_cipher.ts'
import { limits } from '../../../src/limits.ts'
import { systemClock } from '../../../src/pipeline/clock.ts'
import { Destination } from '../../../src/pipeline/destination.ts'
import { retryOnFailure, sendingQueue } from '../../../src/pipeline/queue_config.ts'
import { parcel, request, silentLog, Tally } from './support.ts'

const [dir, first, mode] = process.argv.slice(2) as [string, string, 'load' | 'drain']
const say = (line: string) => writeSync(1, `${line}\n`)
// Small enough that segments turn, batches are split and checkpoints are written all the time.
Object.assign(limits, { segmentBytes: 200_000, batchBytesMax: 20_000, ackEntriesMax: 50 })

const tally = new Tally()
let calls = 0
const destination = new Destination({
  id: 'crash',
  dir: join(dir, 'queue'),
  cipher: await openChunkCipher(join(dir, 'keys')),
  queue: sendingQueue.parse({ num_consumers: 3 }),
  retry: retryOnFailure.parse({ initial_interval: '5ms', max_interval: '20ms' }),
  timeoutMs: 1000,
  log: silentLog,
  clock: systemClock,
  counts: tally,
  exporter: {
    async send(batch): Promise<Outcome> {
      calls++
      if (mode === 'load' && calls % 7 === 0) return { is: 'unavailable', reason: 'test' }
      if (batch.records > 12) return { is: 'too_large', reason: 'test' }
      const numbers = [
        ...Buffer.from(batch.body)
          .toString('latin1')
          .matchAll(/r(\d+);/g),
      ].map(([, n]) => n)
      say(`D ${batch.id} ${numbers.join(',')}`)
      await new Promise((resolve) => setTimeout(resolve, calls % 3))
      return { is: 'accepted' }
    },
    async close() {},
  },
})
await destination.start()
say(`R ${tally.of.recovered}`)
if (mode === 'drain') {
  while (destination.state().queuedBatches > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await destination.stop(1000)
} else {
  let next = Number(first)
  const sender = async () => {
    for (;;) {
      const n = next++
      await destination.offer(parcel(request(`r${n};${'x'.repeat(n % 900)}`)))
      say(`A ${n}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, sender))
}
