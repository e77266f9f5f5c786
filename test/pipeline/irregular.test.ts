/** Bodies that no SDK writes: the same result in steps as at once, others get their turn, few may wait. */
import { expect, test } from 'vitest'
import { WireError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { canonical, canonicalSteps } from '../../src/otlp/canonical.ts'
import { IrregularBodies } from '../../src/pipeline/irregular.ts'

const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)])
const field = (tag: number, content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([tag, ...varint(content.length)]), content])
const inScope = (content: Uint8Array): Buffer => field(0x0a, field(0x12, content))
/** A severity twice: the last one counts. */
const record = field(0x12, Buffer.from([0x10, 9, 0x10, 17, 0x32, 3, 0x0a, 1, 0x6b]))
const body = (records: number): Buffer => inScope(Buffer.alloc(record.length * records, record))

test('in steps comes out what comes out at once, and others get their turn in between', async () => {
  const large = body(20_000)
  let turns = 0
  let isDone = false
  const count = () => {
    turns++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  const made = await new IrregularBodies().regular(large)
  isDone = true
  const at = canonical(large)
  expect(made!.body.equals(at.body)).toBe(true)
  expect(at.body.length).toBe(body(20_000).length - 2 * 20_000)
  // A record and its attribute are two messages.
  const steps = Math.floor((2 * 20_000) / limits.irregularMessagesPerStep) - 1
  expect([...canonicalSteps(large)].length).toBeGreaterThanOrEqual(steps)
  expect(turns).toBeGreaterThanOrEqual(steps)
})

test('one after the other; who would make too many bytes wait is told to come back; a bad one holds up nobody', async () => {
  const lane = new IrregularBodies()
  const half = body(Math.ceil(limits.irregularBytesMax / 2 / record.length / 100))
  const cut = half.subarray(0, half.length - 1)
  const order: string[] = []
  const told = (name: string) => () => order.push(name)
  const bad = lane
    .regular(cut)
    .then(told('bad taken'), (error) => order.push(error instanceof WireError ? 'bad' : 'defect'))
  const first = lane.regular(half).then(told('first'))
  const second = lane.regular(half).then(told('second'))
  expect(await lane.regular(Buffer.alloc(limits.irregularBytesMax))).toBeUndefined()
  await Promise.all([bad, first, second])
  expect(order).toEqual(['bad', 'first', 'second'])
  expect(await lane.regular(half)).toBeDefined()
})

test('what comes again and again costs no memory: it is refused, or the last one counts', () => {
  const times = (bytes: number[], count: number) => Buffer.alloc(bytes.length * count, Buffer.from(bytes))
  expect(canonical(inScope(field(0x12, times([0x10, 9], limits.irregularFieldsMax - 1)))).badRecords).toBe(0)
  expect(() => canonical(inScope(field(0x12, times([0x10, 9], limits.irregularFieldsMax + 1))))).toThrow(WireError)
  expect(canonical(inScope(field(0x12, times([0x2a, 0], limits.attributesMax + 1)))).badRecords).toBe(1)
  expect(canonical(inScope(field(0x12, times([0x2a, 0], limits.attributesMax)))).badRecords).toBe(0)
  expect(() => canonical(field(0x0a, times([0x0a, 0], limits.irregularRecordsMax + 1)))).toThrow(WireError)
})
