/** A stop: requests in progress are answered, new ones are not taken, nothing keeps the process. */
import http from 'node:http'
import net from 'node:net'
import { expect, it } from 'vitest'
import { call, client } from './grpc_client.ts'
import { ask, later, protobufType, startHarness, until } from './harness.ts'

it('requests in progress are answered, on HTTP and gRPC; idle connections are closed at once', async () => {
  const harness = await startHarness()
  const held: (() => void)[] = []
  harness.answer = () => new Promise((resolve) => held.push(() => resolve({ is: 'ok' })))
  const agent = new http.Agent({ keepAlive: true })
  const idle = net.connect(harness.http.port, '127.0.0.1').on('error', () => {})
  const overGrpc = client(harness.grpc)
  const asked = ask(harness.http, { headers: protobufType, body: 'x', agent })
  const called = call(overGrpc, Buffer.from('x'))
  await until(() => held.length === 2)

  let stopped = false
  const stop = harness.receiver.stop().then(() => {
    stopped = true
  })
  await later(20)
  await expect(ask(harness.http, { headers: protobufType, body: 'late' })).rejects.toThrow()
  expect(stopped).toBe(false)
  for (const release of held) release()
  expect(await asked).toMatchObject({ status: 200, headers: { connection: 'close' } })
  expect(await called).toMatchObject({ code: 0 })
  overGrpc.close()
  idle.destroy()
  await stop
  agent.destroy()
  expect(harness.receiver.inflightBytes()).toBe(0)
})

it('with nothing in progress it is done at once, open connections or not', async () => {
  const harness = await startHarness()
  const agent = new http.Agent({ keepAlive: true })
  await ask(harness.http, { headers: protobufType, body: 'x', agent })
  const overGrpc = client(harness.grpc)
  await call(overGrpc, Buffer.from('x'))
  const silent = net.connect(harness.http.port, '127.0.0.1').on('error', () => {})
  await later(20)
  const start = performance.now()
  await harness.receiver.stop()
  expect(performance.now() - start).toBeLessThan(500)
  silent.destroy()
  overGrpc.close()
  agent.destroy()
})
