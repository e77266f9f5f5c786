/**
 * Rules overload.* and exporter.*: a destination that is away while the queue is small, and how the gateway behaves as
 * a client of its destinations.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HttpAnswer, type HttpDestination, httpDestination } from '../../exporters/servers.ts'
import { decodeRequest } from '../../oracle/otlp.ts'
import { callOnce, readStatus } from '../../receive/grpc_client.ts'
import { passThrough, quickRetry } from '../configs.ts'
import { cleanUp, files, type Gateway, later, start, temporaryFolder, until } from '../gateway.ts'
import { bodiesOf, bytes, record, request, send } from '../requests.ts'
import { field, varint } from './pass_through.ts'

afterAll(cleanUp)

const arrived = ({ taken }: HttpDestination) => bodiesOf(taken.map(({ body }) => decodeRequest(body)))

async function startInto(sink: HttpDestination, queue: string): Promise<Gateway> {
  const folder = temporaryFolder()
  const config = passThrough({ otlp_http: `endpoint: "${sink.url}", ${quickRetry}${queue}` })
  return start(files(folder, { 'gateway.yaml': config }), join(folder, 'data'))
}

describe('overload', () => {
  it('tells senders to come again, takes them when it is over, and loses nothing that it took', async () => {
    const sink = await httpDestination()
    let isAway = true
    const away = setInterval(() => {
      while (isAway && sink.script.length < 100) sink.script.push({ status: 503 })
    }, 5)
    const gateway = await startInto(sink, ', sending_queue: { sizer: requests, queue_size: 20 }')
    const { http, grpc } = gateway.endpoints
    const taken: string[] = []
    const one = (text: string) => bytes(request('acme', [record(text)]))
    let refusal: Awaited<ReturnType<typeof send>> | undefined
    for (let n = 0; n < 60 && refusal === undefined; n++) {
      const answer = await send(http, one(`n${n}`))
      if (answer.status === 200) taken.push(`n${n}`)
      else refusal = answer
    }
    // overload.http, overload.retry-after
    expect(taken.length).toBeGreaterThanOrEqual(10)
    expect([429, 503]).toContain(refusal!.status)
    expect(Number(refusal!.headers['retry-after'])).toBeGreaterThan(0)
    expect(readStatus(refusal!.body)).toMatchObject({ message: expect.stringMatching(/./) })
    // overload.grpc, overload.grpc-retry-info
    const called = await callOnce(grpc, one('by grpc'))
    expect([8, 14]).toContain(called.code)
    expect(called.details?.retryInfo).toBeDefined()
    // overload.recovers
    isAway = false
    clearInterval(away)
    sink.script.length = 0
    await until(async () => (await send(http, one('after'))).status === 200, 20_000)
    // overload.no-loss, overload.once
    expect((await gateway.stop()).code).toBe(0)
    const got = [...sink.taken.map(({ headers, body }) => [headers['douane-batch-id']!, body] as const)]
    const unique = [...new Map(got).values()].flatMap((body) => bodiesOf([decodeRequest(body)]))
    expect(unique.sort()).toEqual([...taken, 'after'].sort())
    await sink.close()
  })
})

describe('as a client', () => {
  let sink: HttpDestination
  let gateway: Gateway
  beforeAll(async () => {
    sink = await httpDestination()
    gateway = await startInto(sink, '')
  })
  afterAll(async () => {
    await gateway.stop()
    await sink.close()
  })
  const deliver = async (text: string): Promise<void> => {
    expect((await send(gateway.endpoints.http, bytes(request('acme', [record(text)])))).status).toBe(200)
  }
  const times = (text: string) => arrived(sink).filter((one) => one === text).length

  it('exporter.request, exporter.keep-alive: POST /v1/logs, the content type, a user agent, one connection', async () => {
    for (let n = 0; n < 5; n++) {
      await deliver(`request ${n}`)
      await until(() => times(`request ${n}`) === 1)
    }
    const { path, headers } = sink.taken[0]!
    expect([path, headers['content-type']]).toEqual(['POST /v1/logs', 'application/x-protobuf'])
    expect(headers['user-agent']).toMatch(/^OTel-OTLP-Exporter-Douane\/|^douane\//i)
    expect(sink.connections()).toBe(1)
  })

  const partial = field(1, Buffer.from([8]), varint(1), field(2, 'one is too old'))
  it.each<[string, HttpAnswer]>([
    ['400', { status: 400 }],
    ['500', { status: 500 }],
    ['partial', { body: partial }],
  ])('exporter.no-retry.%s: it is not sent again', async (rule, answer) => {
    sink.script.push(answer)
    await deliver(rule)
    await until(() => times(rule) === 1)
    await later(600)
    expect(times(rule)).toBe(1)
  })

  it.each<[string, HttpAnswer]>([
    ['429', { status: 429 }],
    ['503', { status: 503 }],
    ['reset', { fault: 'reset' }],
    ['cut', { fault: 'cut' }],
  ])('exporter.retry.%s: it is sent again, with the same id', async (rule, answer) => {
    sink.script.push(answer)
    await deliver(`retry ${rule}`)
    await until(() => times(`retry ${rule}`) === 2)
    const ids = sink.taken.slice(-2).map(({ headers }) => headers['douane-batch-id'])
    expect(ids[0]).toBe(ids[1])
  })

  it.each([429, 503])('exporter.retry-after.%s: no earlier than the destination asked for', async (status) => {
    sink.script.push({ status, headers: { 'retry-after': '1' } })
    const rule = `retry-after ${status}`
    await deliver(rule)
    await until(() => times(rule) === 1)
    const firstMs = performance.now()
    await until(() => times(rule) === 2)
    expect(performance.now() - firstMs).toBeGreaterThan(900)
  })
})
