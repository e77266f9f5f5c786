/**
 * What the ledger costs a delivery: leaves a second, and how long one waits for its leaf, for batches of three sizes; and
 * what it costs a gateway: one with and one without it, both running, loaded in turn over HTTP, their queues on disk.
 *
 *   node bench/ledger.ts [FOLDER] [rounds, 5]
 *
 * Ten batches at once, as ten consumers send them. FOLDER should be on the disk that a data directory would be on. Of the
 * gateways the medians are printed, and the median of the ratios within a round.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ledger } from '../src/ledger/ledger.ts'
import { startGateway } from './gateway_process.ts'
import { Load } from './load.ts'
import { median } from './median.ts'

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'douane-ledger-'))
const consumers = 10
const place = { destination: 'otlp_http/a', region: 'eu-de' }

for (const bytes of [4 * 1024, 64 * 1024, 1024 * 1024]) {
  const ledger = await Ledger.open(join(folder, String(bytes)))
  const body = randomBytes(bytes)
  const waits: number[] = []
  const endMs = performance.now() + 3000
  const cpu = process.cpuUsage()
  await Promise.all(
    Array.from({ length: consumers }, async (_, consumer) => {
      for (let i = 0; performance.now() < endMs; i++) {
        const startMs = performance.now()
        const holdings = [{ tenant: `t${i % 50}`, purposes: ['billing'], content: 'drop' as const, records: 100 }]
        const batch = { id: `${consumer}-${i}`, body, records: 100, refused: 0, policyVersion: 'v', holdings }
        await ledger.add(batch, place, Date.now())
        waits.push(performance.now() - startMs)
      }
    }),
  )
  const { user, system } = process.cpuUsage(cpu)
  const middle = waits.toSorted((a, b) => a - b)[Math.floor(waits.length / 2)]!
  console.log(
    `${bytes / 1024} KiB: ${Math.round(waits.length / 3)} batches/s, ${middle.toFixed(1)} ms each, ${Math.round((user + system) / waits.length)} µs of processor time each`,
  )
  await ledger.close()
}
rmSync(folder, { recursive: true })

const configOf = (isOn: boolean): string => `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
exporters: { nop: {} }
service:
  ledger: { enabled: ${isOn} }
  telemetry: { metrics: { level: none }, logs: { level: error } }
  pipelines: { logs: { receivers: [otlp], exporters: [nop] } }
`

const sides = await Promise.all(
  [false, true].map(async (isOn) => ({
    isOn,
    gateway: await startGateway(configOf(isOn), process.argv[2] ?? tmpdir()),
    perSecond: [] as number[],
    perCpuSecond: [] as number[],
  })),
)
const load = new Load()
const records = 200
const ratios: number[] = []
for (let round = -1; round < Number(process.argv[3] ?? 5); round++) {
  for (const { gateway, perSecond, perCpuSecond } of sides) {
    const cpuOf = (): number => gateway.cpuSeconds().reduce((sum, seconds) => sum + seconds, 0)
    const before = cpuOf()
    const { requests, seconds } = await load.run({ ports: [gateway.port], connections: 16, records, seconds: 3 })
    // The first round only warms up.
    if (round < 0) continue
    perSecond.push((requests * records) / seconds)
    perCpuSecond.push((requests * records) / (cpuOf() - before))
  }
  if (round >= 0) ratios.push(sides[1]!.perCpuSecond.at(-1)! / sides[0]!.perCpuSecond.at(-1)!)
}
for (const { isOn, perSecond, perCpuSecond } of sides) {
  const [rate, perCpu] = [perSecond, perCpuSecond].map((each) => Math.round(median(each) / 1000))
  console.log(`a gateway ${isOn ? 'with' : 'without'} a ledger: ${rate}k records/s, ${perCpu}k a second of its CPU`)
}
console.log(`with / without, by CPU: ${median(ratios).toFixed(2)} (${ratios.map((one) => one.toFixed(2)).join(', ')})`)
load.stop()
for (const { gateway } of sides) await gateway.stop()
