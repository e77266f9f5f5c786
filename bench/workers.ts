/**
 * What a second worker brings: a gateway with one worker and one with two, both running, loaded in turn over HTTP with
 * their queues on disk, and beside them two gateways of one worker each that share nothing: what the machine has for
 * two processes at most.
 *
 *   node bench/workers.ts [--chain whole|pass] [--records 200] [--seconds 2] [--rounds 7] [--workers 2] [--warm 6] [--dir DIR]
 *
 * Each round loads each of the three for so many seconds over 16 connections; `--warm`: seconds before anything is
 * counted. A time in which other programs took more than a twentieth of the CPU time is taken again, up to six times.
 * Printed are medians, and the medians of the ratios within a round, since a shared machine is faster in one minute
 * than in the next. The load takes a part of the cores; its share of all CPU time, and others', are named. Records per
 * second of the gateway's CPU time are fair on a busy machine too. DIR decides which disk the queues are on.
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { machineCpuSeconds, type Started, startGateway } from './gateway_process.ts'
import { Load } from './load.ts'
import { median } from './median.ts'

const { values } = parseArgs({
  options: {
    chain: { type: 'string', default: 'whole' },
    records: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '7' },
    workers: { type: 'string', default: '2' },
    warm: { type: 'string', default: '6' },
    dir: { type: 'string', default: tmpdir() },
  },
})
const connections = 16
const records = Number(values.records)
const workers = Number(values.workers)

const chain = `
processors:
  normalize_clock: { mode: correct }
  tag_purpose:
    rules:
      - { purpose: security, when: 'log.severity_number >= SEVERITY_NUMBER_ERROR or IsMatch(log.body, "logged (in|out)|denied")' }
      - { purpose: support, when: 'IsMatch(log.body, "timeout|retry|slow")' }
    default: [usage]
  minimize: {}`

const configOf = (count: number): string => `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
${values.chain === 'whole' ? chain : ''}
exporters: { nop: {} }
service:
  workers: ${count}
  telemetry: { metrics: { level: none }, logs: { level: error } }
  pipelines:
    logs: { receivers: [otlp], ${values.chain === 'whole' ? 'processors: [normalize_clock, tag_purpose, minimize], ' : ''}exporters: [nop] }
`

/** Gateways that are loaded at the same time. */
interface Side {
  readonly name: string
  readonly gateways: readonly Started[]
  readonly perSecond: number[]
  readonly perCpuSecond: number[]
  readonly loadShare: number[]
  readonly othersShare: number[]
  /** CPU seconds of each process, in the last round. */
  last: readonly number[]
}

async function sideOf(name: string, counts: readonly number[]): Promise<Side> {
  const gateways = await Promise.all(counts.map((count) => startGateway(configOf(count), values.dir)))
  return { name, gateways, perSecond: [], perCpuSecond: [], loadShare: [], othersShare: [], last: [] }
}

interface Taken {
  readonly perSecond: number
  readonly perCpuSecond: number
  readonly loadShare: number
  readonly othersShare: number
  readonly cpu: readonly number[]
}

/** The quietest of some tries, or the first that is quiet. */
async function quietOne(load: Load, side: Side, seconds: number): Promise<void> {
  let best: Taken | undefined
  for (let n = 0; n < 6 && !(best && best.othersShare < 0.05); n++) {
    const taken = await loadOne(load, side, seconds)
    if (best === undefined || taken.othersShare < best.othersShare) best = taken
  }
  side.perSecond.push(best!.perSecond)
  side.perCpuSecond.push(best!.perCpuSecond)
  side.loadShare.push(best!.loadShare)
  side.othersShare.push(best!.othersShare)
  side.last = best!.cpu
}

async function loadOne(load: Load, side: Side, seconds: number): Promise<Taken> {
  const cpu = () => side.gateways.flatMap((gateway) => gateway.cpuSeconds())
  const [before, machineBefore] = [cpu(), machineCpuSeconds()]
  const loaded = await load.run({ ports: side.gateways.map(({ port }) => port), connections, records, seconds })
  const used = cpu().map((all, i) => all - before[i]!)
  const sum = used.reduce((total, one) => total + one, 0)
  const machine = machineCpuSeconds() - machineBefore
  const done = loaded.requests * records
  return {
    perSecond: done / loaded.seconds,
    perCpuSecond: done / sum,
    loadShare: loaded.cpuSeconds / machine,
    othersShare: 1 - (loaded.cpuSeconds + sum) / machine,
    cpu: used,
  }
}

function print(sides: readonly Side[]): void {
  const [one] = sides
  for (const side of sides) {
    const thousands = (of: readonly number[]) => Math.round(median(of) / 1000)
    const times = (key: 'perSecond' | 'perCpuSecond') => side[key].map((all, i) => all / one![key][i]!)
    const percent = (of: readonly number[]) => `${(100 * median(of)).toFixed(0)} %`
    const [least, most] = [Math.min(...times('perSecond')), Math.max(...times('perSecond'))]
    console.log(
      `${side.name}: ${thousands(side.perSecond)} thousand records/s, ${thousands(side.perCpuSecond)} a CPU second ` +
        `(last ${side.last.map((seconds) => seconds.toFixed(1)).join(' + ')} s, the load ${percent(side.loadShare)}, others ${percent(side.othersShare)})` +
        `, ${median(times('perSecond')).toFixed(2)} times as many (${least.toFixed(2)} to ${most.toFixed(2)})` +
        `, a CPU second ${median(times('perCpuSecond')).toFixed(2)} times`,
    )
  }
}

const load = new Load()
const sides: Side[] = []
try {
  sides.push(await sideOf('one worker', [1]))
  sides.push(await sideOf(`${workers} workers`, [workers]))
  sides.push(
    await sideOf(
      `${workers} gateways`,
      Array.from({ length: workers }, () => 1),
    ),
  )
  for (const side of sides) {
    await loadOne(load, side, Number(values.warm) * (side.name === 'one worker' ? 1 : workers))
  }
  for (let n = 0; n < Number(values.rounds); n++) {
    for (const side of sides) await quietOne(load, side, Number(values.seconds))
  }
  print(sides)
} finally {
  load.stop()
  for (const { gateways } of sides) for (const gateway of gateways) await gateway.stop()
}
