/**
 * The scan against its readable twin (test/oracle/scan/): the same answer and the same tables for random, wild and
 * damaged bytes; and the program in the repository is what its source builds.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { readRequest } from '../../src/otlp/read.ts'
import { LogsRequest, type Rows } from '../../src/otlp/request.ts'
import { scan } from '../../src/otlp/scan.ts'
import { Col, ROW } from '../../src/otlp/slots.ts'
import { encodeRequest } from '../oracle/otlp.ts'
import { damage, encodeWildly, randomRequest, seeded } from '../oracle/random.ts'
import { scan as twin } from '../oracle/scan/scan.ts'

const SEED = Number(process.env['SEED'] ?? 20261121)
/** As in core.test.ts. */
const SCALE = Number(process.env['CORE_SCALE'] ?? 0.3)
const rowsOf = ({ at, count, stride }: Rows) => Array.from(at.subarray(0, count * stride))

/** Slots as they are read: a key's place counts for attributes only, and so does its id, by the key's text. */
function slotsOf({ slots }: LogsRequest): unknown[] {
  return Array.from({ length: slots.count }, (_, slot) => {
    const row = Array.from(slots.rows.subarray(slot * ROW, slot * ROW + ROW))
    const key = slots.key(slot)
    if (row[Col.KeyId]! < 0) row[Col.KeyFrom] = row[Col.KeyTo] = 0
    else row[Col.KeyId] = Math.sign(row[Col.KeyId]!)
    return [key, ...row]
  })
}

function same(actual: unknown, expected: unknown, run: number): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, `seed ${SEED + run}`).toEqual(expected)
}

test('the scan and its twin agree on 9,000 random, wild and damaged requests', () => {
  const fast = new LogsRequest()
  const slow = new LogsRequest()
  let regular = 0
  for (let run = 0; run < 9_000 * SCALE; run++) {
    const random = seeded(SEED + run)
    const sent = randomRequest(random)
    const bytes = [
      () => encodeRequest(sent),
      () => encodeWildly(sent, random),
      () => damage(encodeRequest(sent), random),
    ][run % 3]!()
    const answer = twin(slow, bytes)
    expect(scan(fast, bytes), `seed ${SEED + run}`).toBe(answer)
    if (!answer) continue
    regular++
    same(rowsOf(fast.resources), rowsOf(slow.resources), run)
    same(rowsOf(fast.scopes), rowsOf(slow.scopes), run)
    same(rowsOf(fast.records), rowsOf(slow.records), run)
    same(slotsOf(fast), slotsOf(slow), run)
    expect(fast.hasReservedKeys).toBe(slow.hasReservedKeys)
  }
  expect(regular).toBeGreaterThan(3_000 * SCALE)
})

test('tables grow with the request, and what was large leaves no memory behind', () => {
  const request = new LogsRequest()
  const record = {
    attributes: Array.from({ length: 20 }, (_, i) => ({ key: `key.${i}`, value: { intValue: BigInt(i) } })),
  }
  const bytes = encodeRequest({
    resourceLogs: [{ scopeLogs: [{ logRecords: Array.from({ length: 20_000 }, () => record) }] }],
  })
  expect(scan(request, bytes)).toBe(true)
  expect([request.records.count, request.slots.count]).toEqual([20_000, 400_000])
  expect(request.slots.key(399_999)).toBe('key.19')
  expect(request.slots.int(399_999)).toBe(19n)
  const small = encodeRequest({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] })
  expect(scan(request, Buffer.concat([small, Buffer.alloc(0)]))).toBe(true)
  expect(request.body.buffer.byteLength).toBeLessThan(limits.scanMemoryKeptBytes)
})

test('more records than a request may have are refused, and cost bounded memory', () => {
  const tiny = Buffer.alloc((limits.recordsMax + 1) * 2, Buffer.from([0x12, 0x00]))
  const length = (n: number) => Buffer.from([(n & 127) | 128, ((n >> 7) & 127) | 128, ((n >> 14) & 127) | 128, n >> 21])
  const scope = Buffer.concat([Buffer.from([0x12]), length(tiny.length), tiny])
  const bytes = Buffer.concat([Buffer.from([0x0a]), length(scope.length), scope])
  expect(() => readRequest(new LogsRequest(), bytes)).toThrow(/more than 500000 records/)
})

test('the program is what its source builds', () => {
  const folder = mkdtempSync(join(tmpdir(), 'douane-wasm-'))
  try {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
    const [, ...words] = (scripts['build:wasm'] as string)
      .split(' && ')[0]!
      .replace('src/otlp/scan.wasm', join(folder, 'scan.wasm'))
      .split(' ')
    execFileSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', ...words])
    expect(readFileSync(join(folder, 'scan.wasm')).equals(readFileSync('src/otlp/scan.wasm'))).toBe(true)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
