/**
 * What the durable queue costs, without a network: `node bench/queue.ts [--seconds 5] [--connections 32] [--dir DIR]`.
 *
 * Requests of 461-byte records are offered by a number of connections, each waiting for its answer, to a destination
 * that takes everything at once. Figures: records per CPU-second of the whole process (all threads, the kernel's work
 * included), per second of time, how many requests share a write, the time until an answer, and the same with the
 * destination dead (everything stays on disk) and without a queue. DIR decides which disk is measured.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Exporter } from '../src/contract.ts'
import { openChunkCipher } from '../src/keys/chunk_cipher.ts'
import { systemClock } from '../src/pipeline/clock.ts'
import { Destination } from '../src/pipeline/destination.ts'
import { retryOnFailure, sendingQueue } from '../src/pipeline/queue_config.ts'
import { counts, log } from './quiet.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '32' },
    dir: { type: 'string', default: '.' },
  },
})
const seconds = Number(values.seconds)
const connections = Number(values.connections)
const recordBytes = 461

interface Case {
  readonly name: string
  readonly recordsPerRequest: number
  readonly queue: boolean
  readonly isDead?: boolean
}

async function run(one: Case): Promise<Record<string, string | number>> {
  const dir = await mkdtemp(join(values.dir, '.bench-queue-'))
  let batches = 0
  const exporter: Exporter = {
    async send() {
      if (one.isDead) return { is: 'unavailable', reason: 'bench' }
      batches++
      return { is: 'accepted' }
    },
    async close() {},
  }
  const destination = new Destination({
    id: 'bench',
    exporter,
    dir: join(dir, 'queue'),
    cipher: await openChunkCipher(join(dir, 'keys')),
    queue: sendingQueue.parse({ enabled: one.queue, queue_size: '64GiB' }),
    retry: retryOnFailure.parse({}),
    timeoutMs: 5000,
    log,
    clock: systemClock,
    counts,
  })
  try {
    await destination.start()
    const figures = await load(destination, one.recordsPerRequest)
    await destination.stop(one.isDead ? 0 : 10_000)
    return {
      case: one.name,
      ...figures,
      'requests a batch': batches === 0 ? '' : (figures.requests / batches).toFixed(1),
    }
  } finally {
    await rm(dir, { recursive: true })
  }
}

async function load(destination: Destination, records: number) {
  const body = Buffer.alloc(records * recordBytes)
  for (let i = 0; i < body.length; i++) body[i] = (i * 7919) & 0xff
  const parcel = { body, records, tenants: [['acme', records]] as const, policyVersion: 'v1' }
  const tookMs: number[] = []
  let requests = 0
  const round = async (endMs: number) => {
    const connection = async () => {
      while (performance.now() < endMs) {
        const startMs = performance.now()
        await destination.offer(parcel)
        tookMs.push(performance.now() - startMs)
        requests++
      }
    }
    await Promise.all(Array.from({ length: connections }, connection))
  }
  await round(performance.now() + 500)
  tookMs.length = 0
  requests = 0
  const startCpu = process.cpuUsage()
  const startMs = performance.now()
  await round(startMs + seconds * 1000)
  const wallS = (performance.now() - startMs) / 1000
  const cpu = process.cpuUsage(startCpu)
  const cpuS = (cpu.user + cpu.system) / 1e6
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))]!.toFixed(2)
  return {
    requests,
    'k records/CPU-s': Math.round((requests * records) / cpuS / 1000),
    'k records/s': Math.round((requests * records) / wallS / 1000),
    'user s': (cpu.user / 1e6).toFixed(2),
    'system s': (cpu.system / 1e6).toFixed(2),
    'p50 ms': at(0.5),
    'p99 ms': at(0.99),
    'RSS MB': Math.round(process.memoryUsage.rss() / 1e6),
  }
}

const cases: Case[] = [
  { name: 'queue, 200 a request', recordsPerRequest: 200, queue: true },
  { name: 'queue, 2000 a request', recordsPerRequest: 2000, queue: true },
  { name: 'queue, 1 a request', recordsPerRequest: 1, queue: true },
  { name: 'queue, destination dead, 200', recordsPerRequest: 200, queue: true, isDead: true },
  { name: 'no queue, 200 a request', recordsPerRequest: 200, queue: false },
]
const rows: Record<string, string | number>[] = []
for (const one of cases) rows.push(await run(one))
console.table(rows)
