/**
 * What durability costs: `node bench/fsync.ts [--seconds 4] [--rounds 3] [--dir DIR]`.
 *
 * 32 connections offer requests of 200 records of 461 bytes, each waiting for its answer, to a queue whose destination
 * takes everything: with each write on the disk before the answer, and with writes that only reach the system's cache.
 * In turns. Beside them the time of one such write alone (as large as the queue's are on average), and of the queue's
 * writes themselves, since an answer can take no less: the goal is 70 % of the throughput, and a p99 of three writes.
 * Files are removed at the end: a file system that is deleting makes writes beside it wait.
 */
import fs from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openChunkCipher } from '../src/keys/chunk_cipher.ts'
import { systemClock } from '../src/pipeline/clock.ts'
import { Destination } from '../src/pipeline/destination.ts'
import { type DiskFile, nodeDisk } from '../src/pipeline/queue/disk.ts'
import { retryOnFailure, sendingQueue } from '../src/pipeline/queue_config.ts'
import { counts, log } from './quiet.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: '.' },
  },
})
const seconds = Number(values.seconds)
const records = 200

/** Times writes of segments; `isDurable` false: nothing waits for the disk. */
function countingDisk(isDurable: boolean) {
  const counted = { disk: nodeDisk, bytes: 0, tookMs: [] as number[] }
  const count = (file: DiskFile): DiskFile => ({
    write: async (buffers, position) => {
      for (const { length } of buffers) counted.bytes += length
      const startMs = performance.now()
      await file.write(buffers, position)
      counted.tookMs.push(performance.now() - startMs)
    },
    read: (into, position) => file.read(into, position),
    size: () => file.size(),
    truncate: (length) => file.truncate(length),
    sync: async () => (isDurable ? file.sync() : undefined),
    close: () => file.close(),
  })
  counted.disk = {
    ...nodeDisk,
    create: async (path) => count(await (isDurable ? nodeDisk.create(path) : nodeDisk.append(path))),
    reopen: async (path) => count(await (isDurable ? nodeDisk.reopen(path) : nodeDisk.append(path))),
    makeDir: (path) => nodeDisk.makeDir(path),
    syncDir: async (path) => (isDurable ? nodeDisk.syncDir(path) : undefined),
  }
  return counted
}

const folder = await mkdtemp(join(values.dir, '.bench-fsync-'))

async function run(isDurable: boolean) {
  const dir = await mkdtemp(join(folder, 'run-'))
  const counted = countingDisk(isDurable)
  const destination = new Destination({
    id: 'bench',
    exporter: { send: async () => ({ is: 'accepted' }), close: async () => {} },
    dir: join(dir, 'queue'),
    cipher: await openChunkCipher(join(dir, 'keys')),
    disk: counted.disk,
    queue: sendingQueue.parse({ queue_size: '64GiB' }),
    retry: retryOnFailure.parse({}),
    timeoutMs: 5000,
    log,
    clock: systemClock,
    counts,
  })
  await destination.start()
  const tookMs = await load(destination)
  await destination.stop(5000)
  return {
    recordsPerSecond: (tookMs.length * records) / seconds,
    answer: spread(tookMs),
    write: spread(counted.tookMs),
    writeBytes: counted.bytes / counted.tookMs.length,
  }
}

function spread(tookMs: number[]): { p50: number; p99: number } {
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => tookMs[Math.floor(tookMs.length * share)]!
  return { p50: at(0.5), p99: at(0.99) }
}

async function load(destination: Destination): Promise<number[]> {
  const body = Buffer.alloc(records * 461, 'a record of a log ')
  const parcel = { body, records, tenants: [['acme', records]] as const, policyVersion: 'v1' }
  const tookMs: number[] = []
  const round = async (endMs: number) => {
    const connection = async () => {
      while (performance.now() < endMs) {
        const startMs = performance.now()
        await destination.offer(parcel)
        tookMs.push(performance.now() - startMs)
      }
    }
    await Promise.all(Array.from({ length: 32 }, connection))
  }
  await round(performance.now() + 500)
  tookMs.length = 0
  await round(performance.now() + seconds * 1000)
  return tookMs
}

/** The times of single durable writes of that size, nothing else going on in this process. */
async function writesAlone(bytes: number): Promise<{ p50: number; p99: number }> {
  const { O_CREAT, O_RDWR, O_DSYNC } = fs.constants
  const file = await open(join(await mkdtemp(join(folder, 'alone-')), 'file'), O_CREAT | O_RDWR | O_DSYNC)
  const buffer = Buffer.alloc(bytes, 'x')
  const tookMs: number[] = []
  for (let i = 0; i < 150; i++) {
    const startMs = performance.now()
    await file.write(buffer, 0, bytes, i * bytes)
    tookMs.push(performance.now() - startMs)
  }
  await file.close()
  return spread(tookMs)
}

const rows: Record<string, string | number>[] = []
const pair = ({ p50, p99 }: { p50: number; p99: number }) => `${p50.toFixed(1)}, ${p99.toFixed(1)}`
for (let round = 0; round < Number(values.rounds); round++) {
  const cached = await run(false)
  const durable = await run(true)
  const alone = await writesAlone(Math.round(durable.writeBytes))
  rows.push({
    'durable k records/s': Math.round(durable.recordsPerSecond / 1000),
    'cached k records/s': Math.round(cached.recordsPerSecond / 1000),
    share: (durable.recordsPerSecond / cached.recordsPerSecond).toFixed(2),
    'KiB a write': Math.round(durable.writeBytes / 1024),
    'answer p50, p99 ms': pair(durable.answer),
    'cached p99 ms': cached.answer.p99.toFixed(1),
    'its writes': pair(durable.write),
    'one alone': pair(alone),
    'p99 in writes (its, alone)': `${(durable.answer.p99 / durable.write.p99).toFixed(1)}, ${(durable.answer.p99 / alone.p99).toFixed(1)}`,
  })
}
await rm(folder, { recursive: true })
console.table(rows)
