/**
 * Large requests and kill -9: more than 16,384 records each, worked on in several pieces and acknowledged once. The gateway
 * is killed while they are on their way; senders send what got no answer again, the same bytes, until it is acknowledged.
 * One of the destinations has a queue that is soon full, so that requests are told to come back, too. `PIECE_KILLS`
 * sets how often (8 without it, 100 with `FAULTS=long`), `SEED` when.
 *
 * At the end: nothing acknowledged is missing anywhere. What got no answer may be there under two batch ids, since nobody
 * can know what was taken of it; any other record is there under one. A batch id always has the same records.
 */
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import type { GatewayStatus } from '../../../src/status.ts'
import { passThrough, quickRetry } from '../../e2e/configs.ts'
import { cleanUp, files, type Gateway, later, start, temporaryFolder, until } from '../../e2e/gateway.ts'
import { bytes, getText, record, request, send } from '../../e2e/requests.ts'
import { seeded } from '../../pipeline/queue/support.ts'
import { Sink } from './sink.ts'

const kills = Number(process.env['PIECE_KILLS'] ?? (process.env['FAULTS'] === 'long' ? 100 : 8))
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)
const waitMs = 600_000
const recordsEach = limits.atOnceUnitsMax + 1000
const random = seeded(seed)
afterAll(cleanUp)

/** One request at a time, until it is acknowledged. */
class Sender {
  readonly acknowledged: number[] = []
  /** Requests that were sent again after no answer. */
  readonly uncertain = new Set<number>()
  readonly answers: Record<string, number> = {}
  /** The request that waits for its answer, since when. */
  sentMs: number | undefined
  place: string | undefined
  isStopped = false
  readonly #name: string
  readonly running: Promise<void>

  constructor(name: string) {
    this.#name = name
    this.running = this.#run()
  }

  idOf(n: number, i: number): string {
    return `${this.#name}.${n}.${i}`
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      const records = Array.from({ length: recordsEach }, (_, i) => record(this.idOf(n, i)))
      const body = bytes(request(`tenant-${this.#name}`, records))
      let isTaken = false
      // Begun is ended, also when it is time to stop.
      while (!isTaken) isTaken = await this.#offer(body, n)
      this.acknowledged.push(n)
    }
  }

  async #offer(body: Buffer, n: number): Promise<boolean> {
    while (this.place === undefined) await later(10)
    this.sentMs = performance.now()
    const reply = await send(this.place, body).catch(() => undefined)
    this.sentMs = undefined
    const answer = reply?.status ?? 'none'
    this.answers[answer] = (this.answers[answer] ?? 0) + 1
    if (reply?.status === 200) return true
    if (reply === undefined) this.uncertain.add(n)
    else expect([429, 503]).toContain(reply.status)
    await later(20 + random() * 50)
    return false
  }
}

const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus

test(`${kills} kills while large requests are worked on (seed ${seed}): acknowledged is everywhere`, async () => {
  const sinks = [new Sink(random), new Sink(random)]
  await Promise.all(sinks.map((sink) => sink.up()))
  const [a, b] = sinks as [Sink, Sink]
  const folder = temporaryFolder()
  const config = files(folder, {
    'gateway.yaml': passThrough({
      'otlp_http/a': `endpoint: "${a.url}", compression: none, ${quickRetry}`,
      'otlp_http/b': `endpoint: "${b.url}", compression: none, ${quickRetry}, sending_queue: { queue_size: 3MiB }`,
    }),
  })
  const senders = ['x', 'y'].map((name) => new Sender(name))
  let gateway = await start(config, join(folder, 'data'), { waitMs })
  const place = (http: string | undefined) => {
    for (const sender of senders) sender.place = http
  }
  place(gateway.endpoints.http)
  let inTheMiddle = 0
  for (let n = 0; n < kills; n++) {
    for (const sink of sinks) sink.faultsPercent = random() < 0.5 ? 20 : 0
    await until(() => senders.some(({ sentMs }) => sentMs !== undefined), waitMs)
    await later(random() * 250)
    if (senders.some(({ sentMs }) => sentMs !== undefined)) inTheMiddle++
    await gateway.kill()
    place(undefined)
    gateway = await start(config, join(folder, 'data'), { waitMs })
    place(gateway.endpoints.http)
    await later(random() * 1500)
  }
  for (const sender of senders) sender.isStopped = true
  for (const sink of sinks) sink.faultsPercent = 0
  await Promise.all(senders.map(({ running }) => running))
  const isIdle = async () =>
    Object.values((await statusOf(gateway)).destinations).every(({ queuedRecords }) => queuedRecords === 0)
  await until(isIdle, waitMs)
  for (const { received, ...became } of Object.values((await statusOf(gateway)).tenants)) {
    expect(received).toBe(Object.values(became).reduce((sum, records) => sum + records, 0))
  }
  await gateway.stop()
  await Promise.all(sinks.map((sink) => sink.down()))

  const requests = senders.map(({ acknowledged, uncertain, answers }) => ({
    acknowledged: acknowledged.length,
    uncertain: uncertain.size,
    answers,
  }))
  console.log(JSON.stringify({ seed, kills, inTheMiddle, recordsEach, requests, repeats: sinks.map((s) => s.repeats) }))
  for (const sink of sinks) expect(sink.contradictions).toEqual([])
  for (const sender of senders) for (const sink of sinks) expectThere(sender, sink)
}, 3_600_000)

/** Each acknowledged record came, and under one batch id unless its request was sent again without an answer. */
function expectThere(sender: Sender, sink: Sink): void {
  expect(sender.acknowledged.length).toBeGreaterThan(1)
  let missing = 0
  let twice = 0
  for (const n of sender.acknowledged) {
    for (let i = 0; i < recordsEach; i++) {
      const ids = sink.ids.get(sender.idOf(n, i))
      if (ids === undefined) missing++
      else if (ids.size > 1 && !sender.uncertain.has(n)) twice++
    }
  }
  expect({ missing, twice }).toEqual({ missing: 0, twice: 0 })
}
