/**
 * What durability costs a whole gateway: the same one twice, both running, loaded in turn over HTTP by 32 connections:
 * each answer waits for the disk; and writes only reach the system's cache (without_fsync.ts).
 *
 *   node bench/durable.ts [--chain pass|whole] [--records 200] [--seconds 3] [--rounds 7] [--dir DIR]
 *
 * Printed are medians and the medians of the ratios within a round: records per second (goal 0.7), and per second of
 * the gateway's CPU time. Beside them the time until an answer, and that of one durable write alone, as large as those
 * of the queue: bodies of all connections at most. DIR decides which disk is measured.
 */
import fs from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Started, startGateway } from './gateway_process.ts'
import { Load, type Loaded } from './load.ts'
import { median } from './median.ts'
import { payloads } from './payload.ts'

const { values } = parseArgs({
  options: {
    chain: { type: 'string', default: 'pass' },
    records: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '7' },
    dir: { type: 'string', default: '.' },
  },
})
const connections = 32
const records = Number(values.records)
const processors = values.chain === 'whole' ? 'processors: [normalize_clock, minimize], ' : ''
const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
processors: { ${values.chain === 'whole' ? 'normalize_clock: { mode: correct }, minimize: {}' : ''} }
exporters: { nop: { sending_queue: { queue_size: 64GiB } } }
service:
  telemetry: { metrics: { level: none }, logs: { level: error } }
  pipelines: { logs: { receivers: [otlp], ${processors}exporters: [nop] } }
`

interface Figures extends Loaded {
  readonly perSecond: number
  readonly perCpuSecond: number
}

async function loadOne(load: Load, gateway: Started): Promise<Figures> {
  const used = () => gateway.cpuSeconds().reduce((sum, one) => sum + one, 0)
  const before = used()
  const loaded = await load.run({ ports: [gateway.port], connections, records, seconds: Number(values.seconds) })
  const done = loaded.requests * records
  return { ...loaded, perSecond: done / loaded.seconds, perCpuSecond: done / (used() - before) }
}

/** Times of single durable writes, while nothing is loaded; ms. */
async function writesAlone(bytes: number): Promise<number[]> {
  const dir = await mkdtemp(join(values.dir, '.bench-durable-'))
  const { O_CREAT, O_RDWR, O_DSYNC } = fs.constants
  const file = await open(join(dir, 'file'), O_CREAT | O_RDWR | O_DSYNC)
  const buffer = Buffer.alloc(bytes, 'x')
  const tookMs: number[] = []
  for (let i = 0; i < 40; i++) {
    const startMs = performance.now()
    await file.write(buffer, 0, bytes, i * bytes)
    tookMs.push(performance.now() - startMs)
  }
  await file.close()
  await rm(dir, { recursive: true })
  return tookMs
}

const load = new Load()
const without = ['--import', join(import.meta.dirname, 'without_fsync.ts')]
const [durable, cached] = await Promise.all([
  startGateway(config, values.dir),
  startGateway(config, values.dir, without),
])
try {
  for (const gateway of [durable!, cached!]) for (let i = 0; i < 2; i++) await loadOne(load, gateway)
  const rounds: { durable: Figures; cached: Figures }[] = []
  const writes: number[] = []
  const writeBytes = Math.min(connections * payloads(records)[0]!.length, 8 * 2 ** 20)
  for (let n = 0; n < Number(values.rounds); n++) {
    rounds.push({ cached: await loadOne(load, cached!), durable: await loadOne(load, durable!) })
    writes.push(...(await writesAlone(writeBytes)))
  }
  writes.sort((a, b) => a - b)
  const of = (side: 'durable' | 'cached', key: keyof Figures) => median(rounds.map((round) => round[side][key]))
  const share = (key: keyof Figures) => rounds.map((round) => round.durable[key] / round.cached[key])
  for (const side of ['cached', 'durable'] as const) {
    const thousands = (key: keyof Figures) => Math.round(of(side, key) / 1000)
    const ms = (key: keyof Figures) => of(side, key).toFixed(1)
    const { peakMb } = side === 'cached' ? cached! : durable!
    console.log(
      `${side}: ${thousands('perSecond')} thousand records/s, ${thousands('perCpuSecond')} a CPU second, answers p50 ${ms('p50Ms')}, p99 ${ms('p99Ms')} ms, at most ${peakMb()} MB`,
    )
  }
  const spread = share('perSecond')
  const [p50, p99] = [writes[writes.length >> 1]!, writes[Math.floor(writes.length * 0.99)]!]
  console.log(
    `durable is ${median(spread).toFixed(2)} of cached in time (${Math.min(...spread).toFixed(2)} to ${Math.max(...spread).toFixed(2)}), ${median(share('perCpuSecond')).toFixed(2)} in CPU time`,
  )
  console.log(
    `one write of ${Math.round(writeBytes / 1024)} KiB alone: p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)} ms; p99 of answers is ${(of('durable', 'p99Ms') / p99).toFixed(1)} of its p99`,
  )
} finally {
  load.stop()
  await durable!.stop()
  await cached!.stop()
}
