/**
 * kill -9 under so much load that the queue goes on in files of segments that are done, at their real size of 32 MiB.
 * `FILE_KILLS` sets how often (5 without it, 40 with `FAULTS=long`), `SEED` when. At the end: nothing acknowledged is
 * missing at the destination, each record came under one batch id, and nothing was taken for lost.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { isSpare } from '../../../src/pipeline/queue/spares.ts'
import type { GatewayStatus } from '../../../src/status.ts'
import { passThrough, quickRetry } from '../../e2e/configs.ts'
import { cleanUp, files, type Gateway, later, start, temporaryFolder, until } from '../../e2e/gateway.ts'
import { getText, send } from '../../e2e/requests.ts'
import { seeded } from '../../pipeline/queue/support.ts'
import { CountingSink } from './counting_sink.ts'
import { numbered, numberOf, recordsEach } from './numbered.ts'

const kills = Number(process.env['FILE_KILLS'] ?? (process.env['FAULTS'] === 'long' ? 40 : 5))
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)
const waitMs = 600_000
const requestsMax = kills * 20_000
const random = seeded(seed)
afterAll(cleanUp)

/** Sends one request after the other wherever the gateway is; gives the numbers of those that were acknowledged. */
async function load(place: () => string | undefined, next: () => number, isOver: () => boolean): Promise<number[]> {
  const acknowledged: number[] = []
  const one = numbered()
  while (!isOver()) {
    const http = place()
    if (http === undefined) await later(10)
    else {
      const n = next()
      one.write(n * recordsEach)
      const reply = await send(http, one.bytes).catch(() => undefined)
      if (reply?.status === 200) acknowledged.push(n)
      else await later(20)
    }
  }
  return acknowledged
}

const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus

test(`${kills} kills while files are used again (seed ${seed}): acknowledged is there, once`, async () => {
  const sink = new CountingSink(requestsMax * recordsEach, numberOf, random)
  await sink.up()
  const folder = temporaryFolder()
  const dataDir = join(folder, 'data')
  const config = files(folder, {
    'gateway.yaml': passThrough({ 'otlp_http/a': `endpoint: "${sink.url}", compression: none, ${quickRetry}` }),
  })
  let gateway = await start(config, dataDir, { waitMs })
  let place: string | undefined = gateway.endpoints.http
  let count = 0
  let isOver = false
  const next = () => count++
  const loads = Array.from({ length: 6 }, () =>
    load(
      () => place,
      next,
      () => isOver || count >= requestsMax,
    ),
  )
  const spares = () => readdirSync(join(dataDir, 'queue', 'otlp_http%2Fa')).filter(isSpare).length
  let used = 0
  for (let n = 0; n < kills; n++) {
    sink.faultsPercent = random() < 0.5 ? 5 : 0
    const before = count
    await until(() => spares() > 0 || count - before > 5000, waitMs)
    await later(random() * 2000)
    if (spares() > 0) used++
    await gateway.kill()
    place = undefined
    gateway = await start(config, dataDir, { waitMs })
    place = gateway.endpoints.http
  }
  isOver = true
  sink.faultsPercent = 0
  const acknowledged = (await Promise.all(loads)).flat()
  await until(async () => (await statusOf(gateway)).total.in_flight === 0, waitMs)
  const { total } = await statusOf(gateway)
  await gateway.stop()
  await sink.down()
  console.log(
    JSON.stringify({ seed, kills, used, sent: count, acknowledged: acknowledged.length, repeats: sink.repeats, total }),
  )
  expect(used).toBeGreaterThan(0)
  const isThere = (n: number) =>
    Array.from({ length: recordsEach }, (_, i) => n * recordsEach + i).every((one) => sink.has(one))
  expect(acknowledged.filter((n) => !isThere(n))).toEqual([])
  expect(sink.contradictions).toEqual([])
  expect(total.lost).toBe(0)
}, 3_600_000)
