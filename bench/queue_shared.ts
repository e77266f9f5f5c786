/**
 * What two destinations with the same bytes cost, shared and apart: `node bench/queue_shared.ts [--seconds 4] [--dir DIR]`.
 *
 * 32 connections offer requests of 200 records of 461 bytes to two destinations that are away, so that all stays on the
 * disk. Figures: bytes of files by record, records per CPU-second of the whole process, per second, and the answer's time.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openChunkCipher } from '../src/keys/chunk_cipher.ts'
import { systemClock } from '../src/pipeline/clock.ts'
import { Destination } from '../src/pipeline/destination.ts'
import { nodeDisk } from '../src/pipeline/queue/disk.ts'
import { SharedQueues } from '../src/pipeline/queue/shared.ts'
import { retryOnFailure, sendingQueue } from '../src/pipeline/queue_config.ts'
import { counts, log } from './quiet.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, dir: { type: 'string', default: '.' } },
})
const seconds = Number(values.seconds)
const records = 200

async function run(isShared: boolean): Promise<Record<string, string | number>> {
  const dir = await mkdtemp(join(values.dir, '.bench-shared-'))
  const cipher = await openChunkCipher(join(dir, 'keys'))
  const shared = new SharedQueues({ disk: nodeDisk, cipher, log, nowMs: Date.now })
  const to = ['a', 'b'].map((id) => destinationOf(id, dir, cipher))
  try {
    for (const one of to) await one.start()
    const body = Buffer.alloc(records * 461, 'a record of a log ')
    const parcel = { body, records, tenants: [['acme', records]] as const, owner: 'acme', policyVersion: 'v1' }
    const offer = () =>
      Promise.all(
        isShared
          ? Destination.offerToAll(shared, to, parcel, [parcel.tenants, []])
          : to.map((one) => one.offer(parcel)),
      )
    const figures = await load(offer)
    const state = to[0]!.state()
    return { copies: isShared ? 'shared' : 'apart', ...figures, 'disk B/record': perRecord(await sizeOf(dir), state) }
  } finally {
    for (const one of to) await one.stop(0)
    await rm(dir, { recursive: true })
  }
}

const perRecord = (bytes: number, { queuedRecords }: { queuedRecords: number }): number =>
  Math.round(bytes / queuedRecords)

function destinationOf(id: string, dir: string, cipher: Awaited<ReturnType<typeof openChunkCipher>>): Destination {
  return new Destination({
    id,
    dir: join(dir, id),
    cipher,
    exporter: { send: async () => ({ is: 'unavailable', reason: 'bench' }), close: async () => {} },
    queue: sendingQueue.parse({ queue_size: '64GiB', tenant_share: 1 }),
    retry: retryOnFailure.parse({}),
    timeoutMs: 5000,
    log,
    clock: systemClock,
    counts,
  })
}

async function load(offer: () => Promise<unknown>) {
  const tookMs: number[] = []
  const round = async (endMs: number) => {
    const connection = async () => {
      while (performance.now() < endMs) {
        const startMs = performance.now()
        await offer()
        tookMs.push(performance.now() - startMs)
      }
    }
    await Promise.all(Array.from({ length: 32 }, connection))
  }
  await round(performance.now() + 500)
  tookMs.length = 0
  const cpuBefore = process.cpuUsage()
  const startMs = performance.now()
  await round(startMs + seconds * 1000)
  const wallS = (performance.now() - startMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  tookMs.sort((a, b) => a - b)
  const thousands = (tookMs.length * records) / 1000
  return {
    'k records/CPU-s': Math.round(thousands / ((user + system) / 1e6)),
    'k records/s': Math.round(thousands / wallS),
    'p50 ms': tookMs[tookMs.length >> 1]!.toFixed(1),
    'p99 ms': tookMs[Math.floor(tookMs.length * 0.99)]!.toFixed(1),
  }
}

/** Of all files, those with several names once. */
async function sizeOf(dir: string): Promise<number> {
  const seen = new Map<number, number>()
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const { ino, size } = await stat(join(entry.parentPath, entry.name))
    seen.set(ino, size)
  }
  return [...seen.values()].reduce((sum, size) => sum + size, 0)
}

const rows: Record<string, string | number>[] = []
for (const isShared of [false, true, false, true]) rows.push(await run(isShared))
console.table(rows)
