/** Guards of HTTP/2 connections, against frames that no client library would send. */
import { once } from 'node:events'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { guard, http2Options } from '../../src/receive/http2_guard.ts'

const servers: http2.Http2Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}
const literal = (index: number, value: string) =>
  Buffer.concat([Buffer.from([index, value.length]), Buffer.from(value)])
/** POST, http, :path, :authority. */
const headers = Buffer.concat([
  Buffer.from([0x83, 0x86]),
  literal(0x04, `/${'a'.repeat(120)}`),
  literal(0x01, 'localhost'),
])
const cancel = Buffer.from([0, 0, 0, 8])
const hello = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))])

test('of thousands of streams that are opened and reset, a few hundred are looked at', async () => {
  const server = http2.createServer(http2Options(128))
  servers.push(server)
  let opened = 0
  server.on('session', (session) => guard(session, { idleMs: 60_000 }))
  server.on('stream', (stream) => {
    opened++
    stream.on('error', () => {})
  })
  server.on('sessionError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => {}).resume()
  const ended = once(socket, 'close')
  const resets = Array.from({ length: 20_000 }, (_, n) =>
    Buffer.concat([frame(1, 4, 2 * n + 1, headers), frame(3, 0, 2 * n + 1, cancel)]),
  )
  socket.write(Buffer.concat([hello, ...resets]))
  await ended
  // What the system hands over at once, at most 64 KiB, is gone through to its end.
  expect(opened).toBeGreaterThanOrEqual(200)
  expect(opened).toBeLessThan(500)
})
