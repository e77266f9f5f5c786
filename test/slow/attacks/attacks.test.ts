/**
 * The whole gateway under attack on the level of bytes: mutated bodies, mutated HTTP/1.1 and HTTP/2, connections cut
 * anywhere, and bodies that cost as much as they can. It does not crash, its memory stays bounded, and a sender with
 * nothing to hide is served. `ATTACKS` sets how many (3,000 without it,
 * 100,000 with `FAULTS=long`), `SEED` which.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { passThrough } from '../../e2e/configs.ts'
import { cleanUp, files, type Gateway, start, temporaryFolder } from '../../e2e/gateway.ts'
import { getText, send } from '../../e2e/requests.ts'
import { seeded } from '../../pipeline/queue/support.ts'
import { costly, mutated } from './bodies.ts'

const attacks = Number(process.env['ATTACKS'] ?? (process.env['FAULTS'] === 'long' ? 100_000 : 3000))
const seed = Number(process.env['SEED'] ?? 1)
const random = seeded(seed)
const MiB = 2 ** 20
let gateway: Gateway

beforeAll(async () => {
  const folder = temporaryFolder()
  const config = files(folder, { 'gateway.yaml': passThrough({ nop: '' }) })
  gateway = await start(config, join(folder, 'data'))
})
afterAll(cleanUp)

/** Runs `attack` beside the sender with nothing to hide; gives what that one saw. */
async function besides(attack: () => Promise<unknown>) {
  const script = join(import.meta.dirname, 'well_behaved.ts')
  const child = spawn(process.execPath, [script, gateway.endpoints.http], { stdio: ['pipe', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  await attack()
  child.stdin.end()
  await once(child, 'close')
  return JSON.parse(text) as { count: number; others: object; p50: number; p99: number; max: number }
}

const largestMiB = (): number =>
  Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024)

/** Writes bytes in two pieces, and goes away at once or when it was answered. */
async function raw(endpoint: string, bytes: Buffer): Promise<void> {
  const [host, port] = endpoint.split(':')
  const socket = net.connect(Number(port), host)
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const cut = Math.floor(random() * bytes.length)
  socket.write(bytes.subarray(0, cut))
  socket.write(bytes.subarray(cut), () => {
    if (random() < 0.3) socket.resetAndDestroy()
    else setTimeout(() => socket.destroy(), 20)
  })
  await closed
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const randomBytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
/** A frame's header with a random type, flags and stream, and a length that may be wrong. */
function frame(): Buffer {
  const payload = randomBytes(Math.floor(random() * 60))
  const length = random() < 0.8 ? payload.length : Math.floor(random() * 70_000)
  const header = Buffer.alloc(9)
  header.writeUIntBE(length, 0, 3)
  header[3] = Math.floor(random() * 11)
  header[4] = Math.floor(random() * 64)
  header.writeUInt32BE(Math.floor(random() * 8), 5)
  return Buffer.concat([header, payload])
}

async function oneAttack(): Promise<void> {
  const { http, grpc } = gateway.endpoints
  const choice = random()
  if (choice < 0.4) await send(http, mutated(random, 'protobuf')).catch(() => undefined)
  else if (choice < 0.6) {
    await send(http, mutated(random, 'json'), { 'content-type': 'application/json' }).catch(() => undefined)
  } else if (choice < 0.8) {
    const head = `POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-length: ${Math.floor(random() * 500)}\r\n\r\n`
    const bytes = Buffer.concat([Buffer.from(head), mutated(random, 'protobuf')])
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    await raw(http, bytes)
  } else {
    const frames = Array.from({ length: 1 + Math.floor(random() * 6) }, frame)
    await raw(random() < 0.7 ? grpc : http, Buffer.concat([random() < 0.9 ? preface : randomBytes(24), ...frames]))
  }
}

test(`${attacks} attacks (seed ${seed}): nothing falls over, nobody else waits`, async () => {
  let left = attacks
  const attacker = async () => {
    while (left-- > 0) await oneAttack()
  }
  const seen = await besides(() => Promise.all(Array.from({ length: 40 }, attacker)))
  console.log(JSON.stringify({ attacks, seed, seen, largestMiB: largestMiB() }))
  expect(seen.others).toEqual({})
  expect(seen.count).toBeGreaterThan(20)
  expect(seen.p99).toBeLessThan(250)
  expect((await getText(gateway.endpoints.health, '/')).status).toBe(200)
}, 7_200_000)

test.each(Object.keys(costly))('%s: refused or taken in steps, and others are served', async (name) => {
  const body = costly[name]!(Number(process.env['COSTLY_MIB'] ?? 8) * MiB)
  const headers: Record<string, string> = name.includes('JSON') ? { 'content-type': 'application/json' } : {}
  const statuses: unknown[] = []
  const startMs = performance.now()
  const seen = await besides(async () => {
    for (let n = 0; n < 5; n++) {
      const reply = await send(gateway.endpoints.http, body, headers).catch((error: NodeJS.ErrnoException) => error)
      statuses.push('status' in reply ? reply.status : reply.code)
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  })
  const tookMs = Math.round(performance.now() - startMs)
  console.log(JSON.stringify({ name, bytes: body.length, statuses, tookMs, seen, largestMiB: largestMiB() }))
  for (const status of statuses) expect([200, 400]).toContain(status)
  expect(seen.others).toEqual({})
  expect(seen.p99).toBeLessThan(250)
  // The quick look at a whole body is one step, and its first time is the slowest.
  expect(seen.max).toBeLessThan(1000)
  expect(largestMiB()).toBeLessThan(1024)
  expect((await getText(gateway.endpoints.health, '/')).status).toBe(200)
})
