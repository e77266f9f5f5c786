/**
 * What a second worker brings: the same gateway with one and with two, in turn, under the same load over HTTP, with its
 * queue on disk. Load comes from a process of its own, over 16 connections, bodies made beforehand.
 *
 *   node bench/workers.ts [--chain whole|pass] [--records 200] [--seconds 8] [--rounds 3] [--workers 2] [--warm 2000]
 *
 * `--warm`: requests for each worker before anything is counted. Printed are records per second (fair only where nothing else runs: the load itself takes a part of the cores, named as
 * a share of all CPU time), and records per second of the gateway's CPU time, which is fair on a busy machine too: what
 * it keeps of one worker's is what more cores can bring.
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { payloads } from './payload.ts'

const { values } = parseArgs({
  options: {
    chain: { type: 'string', default: 'whole' },
    records: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
    workers: { type: 'string', default: '2' },
    warm: { type: 'string', default: '2000' },
    load: { type: 'string' },
  },
})
const connections = 16
const records = Number(values.records)

const chain = `
processors:
  normalize_clock: { mode: correct }
  tag_purpose:
    rules:
      - { purpose: security, when: 'log.severity_number >= SEVERITY_NUMBER_ERROR or IsMatch(log.body, "logged (in|out)|denied")' }
      - { purpose: support, when: 'IsMatch(log.body, "timeout|retry|slow")' }
    default: [usage]
  minimize: {}`

const configOf = (workers: number): string => `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
${values.chain === 'whole' ? chain : ''}
exporters: { nop: {} }
service:
  workers: ${workers}
  telemetry: { metrics: { level: none }, logs: { level: error } }
  pipelines:
    logs: { receivers: [otlp], ${values.chain === 'whole' ? 'processors: [normalize_clock, tag_purpose, minimize], ' : ''}exporters: [nop] }
`

/** CPU seconds of a process and of all below it, by process. */
function cpuOf(pid: number): number[] {
  const [, , , , , , , , , , , user, system] = statOf(pid)
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [(Number(user) + Number(system)) / 100, ...children.flatMap((child) => cpuOf(Number(child)))]
}
/** Fields of proc_pid_stat(5) from the third on; the name before may hold spaces. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

interface Loaded {
  readonly requests: number
  readonly seconds: number
  readonly cpu: number
}

/** In the child: sends until the time is over; each connection waits for its answer. */
async function load(port: number): Promise<Loaded> {
  const bodies = payloads(records).map((body) => {
    const head = `POST /v1/logs HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: ${body.length}\r\n\r\n`
    return Buffer.concat([Buffer.from(head), body])
  })
  let requests = 0
  let endMs = Number.POSITIVE_INFINITY
  const run = async (n: number): Promise<void> => {
    const socket = net.connect(port, '127.0.0.1').setNoDelay()
    await once(socket, 'connect')
    for (let i = n; performance.now() < endMs; i++) {
      socket.write(bodies[i % bodies.length]!)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      if (answer.toString('latin1', 9, 12) !== '200') throw new Error(answer.toString('latin1', 0, 200))
      requests++
    }
    socket.destroy()
  }
  const all = Array.from({ length: connections }, (_, n) => run(n))
  // Code that is hot is compiled as hot by then: each worker compiles its own.
  while (requests < Number(values.warm)) await new Promise((resolve) => setTimeout(resolve, 20))
  requests = 0
  process.send!('warm')
  const startMs = performance.now()
  const before = process.cpuUsage()
  endMs = startMs + Number(values.seconds) * 1000
  await Promise.all(all)
  const { user, system } = process.cpuUsage(before)
  return { requests, seconds: (performance.now() - startMs) / 1000, cpu: (user + system) / 1e6 }
}

async function round(workers: number) {
  const folder = mkdtempSync(join(tmpdir(), 'douane-bench-'))
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, configOf(workers))
  const main = join(import.meta.dirname, '../src/main.ts')
  const gateway = spawn(process.execPath, [main, 'run', '--config', config, '--data-dir', join(folder, 'data')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [line] = (await once(gateway.stdout!, 'data')) as [Buffer]
    const port = JSON.parse(line.toString()).endpoints.http.split(':').at(-1)
    const child = fork(import.meta.filename, [
      ...process.argv.slice(2),
      ...['--load', port, '--warm', String(Number(values.warm) * workers)],
    ])
    await once(child, 'message')
    const before = cpuOf(gateway.pid!)
    const [loaded] = (await once(child, 'message')) as [Loaded]
    const cpu = cpuOf(gateway.pid!).map((seconds, i) => seconds - (before[i] ?? 0))
    const sum = cpu.reduce((total, one) => total + one, 0)
    const done = loaded.requests * records
    return { perSecond: done / loaded.seconds, perCpuSecond: done / sum, cpu, load: loaded.cpu / (loaded.cpu + sum) }
  } finally {
    gateway.kill()
    await once(gateway, 'exit')
    rmSync(folder, { recursive: true, force: true })
  }
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

async function compare(): Promise<void> {
  const many = Number(values.workers)
  const wall: number[] = []
  const cpu: number[] = []
  for (let n = 0; n < Number(values.rounds); n++) {
    const one = await round(1)
    const several = await round(many)
    for (const [workers, result] of [[1, one] as const, [many, several] as const]) {
      const thousands = (of: number) => `${(of / 1000).toFixed(0)} thousand`
      const shares = result.cpu.map((seconds) => seconds.toFixed(1)).join(' + ')
      console.log(
        `${workers} worker(s): ${thousands(result.perSecond)} records/s, ${thousands(result.perCpuSecond)} a CPU second (${shares} s; the load ${(100 * result.load).toFixed(0)} % of all)`,
      )
    }
    wall.push(several.perSecond / one.perSecond)
    cpu.push(several.perCpuSecond / one.perCpuSecond)
  }
  console.log(
    `${many} workers: ${median(wall).toFixed(2)} times the records a second, ${median(cpu).toFixed(2)} times those of a CPU second (medians of ${wall.length} rounds)`,
  )
}

if (values.load === undefined) await compare()
else process.send!(await load(Number(values.load)))
