/**
 * A day in small: many records through one gateway's whole chain into two destinations that go down, refuse, hang and
 * cut the line, beside senders that go away in the middle of a request and reloads. `SOAK_RECORDS` sets how many
 * (200,000 without it, 20 million with `FAULTS=long`), `SEED` which fault comes when.
 *
 * At the end: both destinations have each record that was acknowledged, under one batch id; the account balances; memory is
 * flat: its slope over the last three quarters is printed, in MiB for a million records. Where a connection ends without
 * an answer (all of this was stopped for minutes, and time limits are over) nobody knows, and the request is given up.
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { GatewayStatus } from '../../../src/status.ts'
import { passThrough, quickRetry } from '../../e2e/configs.ts'
import { cleanUp, files, type Gateway, later, start, temporaryFolder, until } from '../../e2e/gateway.ts'
import { getText } from '../../e2e/requests.ts'
import { seeded } from '../../pipeline/queue/support.ts'
import { CountingSink } from './counting_sink.ts'
import { numbered, numberOf, recordsEach } from './numbered.ts'

const records = Number(process.env['SOAK_RECORDS'] ?? (process.env['FAULTS'] === 'long' ? 20_000_000 : 200_000))
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)
const random = seeded(seed)

afterAll(cleanUp)

const processors = `
processors:
  normalize_clock: { mode: annotate }
  tag_purpose: { rules: [{ purpose: security, when: 'HasPrefix(log.event_name, "auth.")' }], default: [support] }
  minimize: { keys: { enduser.email: hash } }
`

const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus

interface Load {
  /** The first number of the next request. */
  readonly next: () => number
  readonly onTaken: () => void
  /** No answer came. */
  readonly onGivenUp: (first: number) => void
}

/** Sends until there are no more numbers; what is refused for now is sent again. Gives how it was answered. */
async function sender(gateway: Gateway, { next, onTaken, onGivenUp }: Load): Promise<Record<string, number>> {
  const answers: Record<string, number> = {}
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const { bytes, write } = numbered()
  const [host, port] = gateway.endpoints.http.split(':')
  const once = (): Promise<number | 'none'> =>
    new Promise((resolve) => {
      const headers = { 'content-type': 'application/x-protobuf' }
      const sent = http.request({ host, port, path: '/v1/logs', method: 'POST', headers, agent }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode!))
      })
      sent.on('error', () => resolve('none'))
      sent.end(bytes)
    })
  for (let first = next(); first < records; first = next()) {
    write(first)
    let status = await once()
    for (; status === 503 || status === 429; status = await once()) {
      answers[status] = (answers[status] ?? 0) + 1
      await later(100)
    }
    answers[status] = (answers[status] ?? 0) + 1
    if (status === 200) onTaken()
    else if (status === 'none') onGivenUp(first)
    else throw new Error(`answered ${status}`)
  }
  agent.destroy()
  return answers
}

/** A sender that is gone before its request is complete. */
function cutOff({ endpoints }: Gateway): void {
  const [host, port] = endpoints.http.split(':')
  const socket = net.connect(Number(port), host)
  socket.on('error', () => {})
  const head = `POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100000\r\n\r\n`
  socket.write(Buffer.concat([Buffer.from(head), numbered().bytes.subarray(0, 5000)]))
  setTimeout(() => socket.resetAndDestroy(), random() * 500)
}

const residentMiB = ({ pid }: Gateway): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

/** Of the line through the points that fits them best. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const covariance = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  return covariance / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
}

async function breakThings(gateway: Gateway, sinks: readonly CountingSink[], isOver: () => boolean): Promise<object> {
  const faults = { down: 0, refusing: 0, hanging: 0, cutOff: 0, reloads: 0 }
  while (!isOver()) {
    await later(200 + random() * 1500)
    const sink = sinks[Math.floor(random() * sinks.length)]!
    const chance = random()
    if (chance < 0.3) {
      faults.down++
      await sink.down()
      await later(random() * 2500)
      await sink.up()
    } else if (chance < 0.5) {
      faults.refusing++
      sink.faultsPercent = sink.faultsPercent > 0 ? 0 : 20
    } else if (chance < 0.6) {
      faults.hanging++
      sink.hangMs = sink.hangMs > 0 ? 0 : 700
    } else if (chance < 0.9) {
      for (let n = 0; n < 5; n++) cutOff(gateway)
      faults.cutOff += 5
    } else {
      faults.reloads++
      gateway.signal('SIGHUP')
    }
  }
  for (const sink of sinks) Object.assign(sink, { faultsPercent: 0, hangMs: 0 })
  return faults
}

test(`${records} records through faults (seed ${seed}): all of them twice, and memory is flat`, async () => {
  const sinks = [new CountingSink(records, numberOf, random), new CountingSink(records, numberOf, random)]
  for (const sink of sinks) await sink.up()
  const options = (sink: CountingSink) =>
    `endpoint: "${sink.url}", compression: none, timeout: 2s, ${quickRetry}, sending_queue: { queue_size: 64MiB }`
  const text = passThrough({ 'otlp_http/a': options(sinks[0]!), 'otlp_http/b': options(sinks[1]!) })
    .replace('exporters:', `${processors}exporters:`)
    .replace('receivers: [otlp],', 'receivers: [otlp], processors: [normalize_clock, tag_purpose, minimize],')
  const folder = temporaryFolder()
  const gateway = await start(files(folder, { 'gateway.yaml': text }), join(folder, 'data'), { waitMs: 120_000 })
  let given = 0
  let taken = 0
  const points: [millions: number, residentMiB: number][] = []
  const timer = setInterval(() => points.push([taken / 1e6, residentMiB(gateway)]), 500)
  const next = () => {
    const first = given
    given += recordsEach
    return first
  }
  const startMs = performance.now()
  let isOver = false
  const breaking = breakThings(gateway, sinks, () => isOver)
  const givenUp = new Set<number>()
  const load: Load = { next, onTaken: () => (taken += recordsEach), onGivenUp: (first) => void givenUp.add(first) }
  const answers = await Promise.all(Array.from({ length: 6 }, () => sender(gateway, load)))
  clearInterval(timer)
  isOver = true
  const faults = await breaking
  const isIdle = async () =>
    Object.values((await statusOf(gateway)).destinations).every(({ queuedRecords }) => queuedRecords === 0)
  await until(isIdle, 600_000)
  const { total } = await statusOf(gateway)
  const tookSeconds = Math.round((performance.now() - startMs) / 1000)
  const late = points.filter(([millions]) => millions > taken / 4e6)
  const slope = slopeOf(late)
  const peakMiB = Math.round(Math.max(...points.map(([, resident]) => resident)))
  const told = { seed, taken, tookSeconds, faults, answers: sumOf(answers), peakMiB, samples: late.length }
  const inTheEndMiB = Math.round(residentMiB(gateway))
  const repeats = sinks.map((sink) => sink.repeats)
  console.log(JSON.stringify({ ...told, inTheEndMiB, slopeMiBPerMillion: Math.round(slope * 1000) / 1000, repeats }))
  await gateway.stop()
  for (const sink of sinks) await sink.down()
  for (const sink of sinks) {
    expect(sink.contradictions).toEqual([])
    const isGivenUp = (n: number) => givenUp.has(n - (n % recordsEach))
    expect(sink.missing().filter((n) => !isGivenUp(n))).toEqual([])
  }
  const { received, ...became } = total
  expect(received).toBeGreaterThanOrEqual(taken)
  expect(received).toBeLessThanOrEqual(taken + givenUp.size * recordsEach)
  expect(givenUp.size).toBeLessThan(100)
  expect(received).toBe(Object.values(became).reduce((sum, n) => sum + n, 0))
  expect(peakMiB).toBeLessThan(768)
  // Short runs are all warming up.
  if (records >= 5_000_000) expect(slope * (records / 1e6)).toBeLessThan(100)
}, 7_200_000)

function sumOf(answers: readonly Record<string, number>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const one of answers) for (const [status, n] of Object.entries(one)) sum[status] = (sum[status] ?? 0) + n
  return sum
}
