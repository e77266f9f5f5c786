/**
 * What durability costs: `node bench/fsync.ts [--seconds 4] [--rounds 3] [--dir DIR]`.
 *
 * 32 connections offer requests of 200 records of 461 bytes, each waiting for its answer, to a queue whose destination
 * takes everything: with each write on the disk before the answer, and with writes that only reach the system's cache.
 * In turns, best of the rounds. Beside them the time of one such write alone (as large as the queue's are on average),
 * since the answer can take no less: the goal is 70 % of the throughput, and a p99 of three writes.
 */
import fs from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openChunkCipher } from '../src/keys/chunk_cipher.ts'
import { systemClock } from '../src/pipeline/clock.ts'
import { Destination } from '../src/pipeline/destination.ts'
import { type Disk, type DiskFile, nodeDisk } from '../src/pipeline/queue/disk.ts'
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

/** Counts writes; `isDurable` false: nothing waits for the disk. */
function countingDisk(isDurable: boolean): { disk: Disk; writes: number; bytes: number } {
  const counted = { disk: nodeDisk, writes: 0, bytes: 0 }
  const count = (file: DiskFile): DiskFile => ({
    write: (buffers, position) => {
      counted.writes++
      for (const { length } of buffers) counted.bytes += length
      return file.write(buffers, position)
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
    makeDir: (path) => nodeDisk.makeDir(path),
    syncDir: async (path) => (isDurable ? nodeDisk.syncDir(path) : undefined),
  }
  return counted
}

async function run(isDurable: boolean) {
  const dir = await mkdtemp(join(values.dir, '.bench-fsync-'))
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
  try {
    await destination.start()
    const tookMs = await load(destination)
    await destination.stop(5000)
    const at = (share: number) => tookMs[Math.floor(tookMs.length * share)]!
    return {
      recordsPerSecond: (tookMs.length * records) / seconds,
      p50: at(0.5),
      p99: at(0.99),
      writeBytes: counted.bytes / counted.writes,
    }
  } finally {
    await rm(dir, { recursive: true })
  }
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
  return tookMs.sort((a, b) => a - b)
}

/** The times of single durable writes of that size, nothing else going on in this process. */
async function writesAlone(bytes: number): Promise<{ p50: number; p99: number }> {
  const dir = await mkdtemp(join(values.dir, '.bench-fsync-'))
  const { O_CREAT, O_RDWR, O_DSYNC } = fs.constants
  const file = await open(join(dir, 'file'), O_CREAT | O_RDWR | O_DSYNC)
  const buffer = Buffer.alloc(bytes, 'x')
  const tookMs: number[] = []
  for (let i = 0; i < 150; i++) {
    const startMs = performance.now()
    await file.write(buffer, 0, bytes, i * bytes)
    tookMs.push(performance.now() - startMs)
  }
  await file.close()
  await rm(dir, { recursive: true })
  tookMs.sort((a, b) => a - b)
  return { p50: tookMs[75]!, p99: tookMs[148]! }
}

const rows: Record<string, string | number>[] = []
for (let round = 0; round < Number(values.rounds); round++) {
  const cached = await run(false)
  const durable = await run(true)
  const alone = await writesAlone(Math.round(durable.writeBytes))
  rows.push({
    'durable k records/s': Math.round(durable.recordsPerSecond / 1000),
    'cached k records/s': Math.round(cached.recordsPerSecond / 1000),
    share: (durable.recordsPerSecond / cached.recordsPerSecond).toFixed(2),
    'KiB a write': Math.round(durable.writeBytes / 1024),
    'p50, p99 ms': `${durable.p50.toFixed(1)}, ${durable.p99.toFixed(1)}`,
    'cached p99 ms': cached.p99.toFixed(1),
    'one write p50, p99 ms': `${alone.p50.toFixed(1)}, ${alone.p99.toFixed(1)}`,
    'p99 in writes (of p99)': (durable.p99 / alone.p99).toFixed(1),
  })
}
console.table(rows)
