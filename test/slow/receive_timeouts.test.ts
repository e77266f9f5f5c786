/**
 * The receiver's own time limits, as they are by default, on real sockets: a body that drips, over HTTP/1.1, HTTP/2 and
 * gRPC, is ended a little after the grace, and what it held is given back. Takes some fifteen seconds.
 */
import http2 from 'node:http2'
import { expect, it } from 'vitest'
import { limits } from '../../src/limits.ts'
import { exportPath } from '../receive/grpc_client.ts'
import { later, protobufType, raw, startHarness } from '../receive/harness.ts'

const patienceMs = limits.bodyGraceMs + 4000

it('timeout.body, timeout.body-drip: ended after the grace on every protocol', { timeout: 60_000 }, async () => {
  const harness = await startHarness()
  const head =
    'POST /v1/logs HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100000\r\n\r\n'
  const start = performance.now()
  const drip = Array(20).fill('x')
  const overHttp2 = async (target: string, path: string, type: string) => {
    const session = http2.connect(`http://${target}`)
    session.on('error', () => {})
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': type })
    const got: Record<string, unknown> = {}
    stream.on('response', (answer) => Object.assign(got, answer))
    stream.on('error', () => {})
    stream.resume()
    const frame = Buffer.from([0, 0, 1, 0, 0])
    stream.write(frame)
    const timer = setInterval(() => !stream.closed && stream.write('x'), 1000)
    await new Promise((resolve) => stream.on('close', resolve))
    clearInterval(timer)
    session.destroy()
    return got
  }
  const [silent, dripping, http2Status, grpcStatus] = await Promise.all([
    raw(harness.http, [head], patienceMs),
    raw(harness.http, [head, ...drip], patienceMs, 1000),
    overHttp2(`127.0.0.1:${harness.http.port}`, '/v1/logs', protobufType['content-type']),
    overHttp2(harness.grpc, exportPath, 'application/grpc'),
  ])
  expect(performance.now() - start).toBeLessThan(patienceMs + 10_000)
  for (const { text, closed } of [silent, dripping]) {
    expect(text).toMatch(/^HTTP\/1\.1 408/)
    expect(closed).toBe(true)
  }
  expect(http2Status[':status']).toBe(408)
  expect(grpcStatus['grpc-status']).toBe('4')
  await later(50)
  expect(harness.receiver.inflightBytes()).toBe(0)
  expect(harness.refused.sort()).toEqual(['grpc slow', 'http slow', 'http slow', 'http slow'])
  await harness.receiver.stop()
})
