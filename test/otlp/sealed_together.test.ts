/**
 * Values that are sealed together make the same bytes as values that are sealed one by one, also where the arena grows,
 * the splice's steps overflow, or values wait in more than one batch. Keys come from a seed and nonces are all alike, so
 * tokens are equal: those that wait take theirs later, in another order.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Log, Sealer } from '../../src/contract.ts'
import { KeyError } from '../../src/errors.ts'
import { openSealer } from '../../src/keys/sealer.ts'
import { ivBytes } from '../../src/keys/token_format.ts'
import { limits } from '../../src/limits.ts'
import { readRequest } from '../../src/otlp/read.ts'
import { LogsRequest } from '../../src/otlp/request.ts'
import { Mark } from '../../src/otlp/slots.ts'
import { type Form, Splicer } from '../../src/otlp/splice.ts'
import { sealedWith } from '../../src/pipeline/forms.ts'
import { encodeRequest } from '../oracle/otlp.ts'
import { seeded } from '../oracle/random.ts'

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }
const folder = mkdtempSync(join(tmpdir(), 'douane-together-'))
afterAll(() => rmSync(folder, { recursive: true }))

const context = { tenant: 'acme', region: 'eu-de', purpose: 'usage', retention: '1mo' }
const formOf = (sealer: Sealer): Form => ({
  content: 'seal',
  appendix: Buffer.alloc(0),
  ...sealedWith(sealer, context),
})

/** Recipient keys are random whatever the seed: what is compared is what epoch keys and nonces make. */
async function sealed(bodies: readonly Buffer[], isTogether: boolean): Promise<string[]> {
  const random = seeded(6)
  const sealer = await openSealer({
    dir: mkdtempSync(join(folder, 'keys-')),
    nowMs: () => 1_763_640_000_000,
    monotonicMs: () => 0,
    log: quiet,
    random: (buffer) => {
      if (buffer.length === limits.sealNoncesPooled * ivBytes) buffer.fill(7)
      else for (let i = 0; i < buffer.length; i++) buffer[i] = random() * 256
    },
  })
  const { tokens, ...alone } = sealer
  expect(tokens).toBeDefined()
  const form = formOf(isTogether ? sealer : alone)
  giveUp(form)
  const request = new LogsRequest()
  const splicer = new Splicer()
  const out = bodies.map((body) => {
    readRequest(request, body)
    const { slots, records } = request
    for (let slot = 0; slot < slots.count; slot++) slots.mark(slot, Mark.Content | Mark.Seal)
    const count = records.count
    const plan = { records: Int32Array.from({ length: count }, (_, i) => i), formOf: new Int32Array(count), count }
    return Buffer.from(splicer.splice(request, { ...plan, forms: [form] })).toString('base64')
  })
  sealer.close()
  return out
}

/** A splice that ends at its tenth value, in a splicer of its own: what it left is nobody's. */
function giveUp(form: Form): void {
  const request = new LogsRequest()
  readRequest(
    request,
    body(20, () => 40),
  )
  for (let slot = 0; slot < request.slots.count; slot++) request.slots.mark(slot, Mark.Content | Mark.Seal)
  let left = 10
  const counted =
    <Args extends unknown[], Result>(seal: (...args: Args) => Result) =>
    (...args: Args): Result => {
      if (left-- === 0) throw new KeyError('no key')
      return seal(...args)
    }
  const { addToken, sealText } = form
  const ends: Form = {
    ...form,
    ...(addToken && { addToken: counted(addToken) }),
    ...(addToken === undefined && { sealText: counted(sealText!) }),
  }
  const plan = { records: Int32Array.from({ length: 20 }, (_, i) => i), formOf: new Int32Array(20), count: 20 }
  expect(() => new Splicer().splice(request, { ...plan, forms: [ends] })).toThrow(KeyError)
}

function body(records: number, chars: (i: number) => number): Buffer {
  const attribute = (key: string, length: number) => ({ key, value: { stringValue: 'v'.repeat(length) } })
  const logRecords = Array.from({ length: records }, (_, i) => ({
    body: { stringValue: 'b'.repeat(chars(i)) },
    attributes: [attribute('a', i % 30), attribute('k'.repeat(1 + (i % 200)), 3), attribute('n', chars(i + 1) % 300)],
  }))
  const resource = { attributes: [attribute('tenant.id', 4)] }
  return encodeRequest({ resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 's' }, logRecords }] }] })
}

test('one by one and together make the same bytes', async () => {
  const bodies = [
    body(1, () => 10),
    body(200, (i) => (i * 37) % 400),
    // More than the arena's first room, and than the steps of a splice.
    body(3000, (i) => (i * 53) % 300),
    // Short and long ones in turn: long ones are sealed on their own, and very long ones copied on their own.
    body(60, (i) => [20, 3000, 5000, 20_000][i % 4]!),
    body(200, () => 20),
  ]
  const [alone, together] = [await sealed(bodies, false), await sealed(bodies, true)]
  for (const i of bodies.keys()) expect(together[i] === alone[i], `body ${i}`).toBe(true)
  expect(new Set(together).size).toBe(bodies.length)
})
