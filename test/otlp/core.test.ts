/**
 * The wire core against the oracle: what the tables, the edits and the splice make of a request equals decode, edit,
 * encode with a plainly slow reader. Proves: values, order, grouping, unknown and repeated fields, ids, rejection.
 * Does not prove: speed (bench/), the JSON edge (json.test.ts).
 */
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { WireError } from '../../src/errors.ts'
import { Tag } from '../../src/otlp/fields.ts'
import { readRequest } from '../../src/otlp/read.ts'
import { LogRecord } from '../../src/otlp/record.ts'
import { LogsRequest, RECORD_ROW, RecordCol, Resource } from '../../src/otlp/request.ts'
import { scan } from '../../src/otlp/scan.ts'
import { type Form, type Plan, Splicer } from '../../src/otlp/splice.ts'
import {
  decodeRequest,
  encodeRequest,
  type LogRecord as OracleRecord,
  type Request as OracleRequest,
  type AnyValue as OracleValue,
} from '../oracle/otlp.ts'
import { damage, encodeWildly, type Random, randomRequest, seeded } from '../oracle/random.ts'

const SEED = Number(process.env['SEED'] ?? 20261121)
/** Part of the runs that a test's name tells: all of them in test/slow/core.test.ts. */
const SCALE = Number(process.env['CORE_SCALE'] ?? 0.3)
const plain: Form = { content: 'as_marked', appendix: Buffer.alloc(0), seal: () => 'cose:sealed' }

function everything(request: LogsRequest, form: Form = plain): Plan {
  const count = request.records.count
  const records = Int32Array.from({ length: count }, (_, i) => i)
  return { records, formOf: new Uint16Array(count), count, forms: [form] }
}

/** What the gateway's reading of a valid request is: ids of other lengths and all-zero ids are absent, empty groups go. */
function asRead(request: OracleRequest, keep: (record: OracleRecord) => boolean = () => true): OracleRequest {
  const resourceLogs = (request.resourceLogs ?? []).flatMap((group) => {
    const scopeLogs = (group.scopeLogs ?? []).flatMap((scope) => {
      const logRecords = (scope.logRecords ?? []).filter(keep).map(withRealIds)
      return logRecords.length === 0 ? [] : [{ ...scope, logRecords }]
    })
    if (scopeLogs.length === 0) return []
    const { entityRefs: _, ...resource } = group.resource ?? {}
    return [{ ...group, ...(group.resource !== undefined && { resource }), scopeLogs }]
  })
  return resourceLogs.length === 0 ? {} : { resourceLogs }
}

function withRealIds(record: OracleRecord): OracleRecord {
  const { traceId, spanId, ...rest } = record
  const real = (id: Uint8Array | undefined, length: number) => id?.length === length && id.some((byte) => byte !== 0)
  return { ...rest, ...(real(traceId, 16) && { traceId: traceId! }), ...(real(spanId, 8) && { spanId: spanId! }) }
}

/** A nested KeyValue without a value and one with an empty value say the same. */
function withoutEmptyValues<T>(tree: T): T {
  if (Array.isArray(tree)) return tree.map(withoutEmptyValues) as T
  if (typeof tree !== 'object' || tree === null || tree instanceof Uint8Array) return tree
  const entries = Object.entries(tree).map(([key, value]) => [key, withoutEmptyValues(value)])
  return Object.fromEntries(entries.filter(([key, value]) => key !== 'value' || Object.keys(value).length > 0)) as T
}

/** Deep equality, quickly; vitest's own, which is slow, says what differs. */
function same(actual: unknown, expected: unknown, message: string): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, message).toEqual(expected)
}

const requests = (count: number, make: (random: Random, run: number) => void) => {
  for (let run = 0; run < count * SCALE; run++) make(seeded(SEED + run), run)
}

test('10,000 random requests leave as they came, and the scan alone takes what an SDK writes', () => {
  const request = new LogsRequest()
  const splicer = new Splicer()
  requests(10_000, (random, run) => {
    const bytes = encodeRequest(randomRequest(random))
    const expected = asRead(decodeRequest(bytes))
    readRequest(request, bytes)
    same(decodeRequest(splicer.splice(request, everything(request))), expected, `seed ${SEED + run}`)
  })
})

test('unknown fields, repeated fields, long varints, groups and any order mean what protobuf says', () => {
  const request = new LogsRequest()
  const splicer = new Splicer()
  let irregular = 0
  requests(4_000, (random, run) => {
    const bytes = encodeWildly(randomRequest(random), random)
    const seen = { unknown: 0 }
    const expected = asRead(decodeRequest(bytes, seen))
    if (!scan(request, bytes)) irregular++
    const reading = readRequest(request, bytes)
    expect(reading.badRecords).toBe(0)
    const after = { unknown: 0 }
    const out = decodeRequest(splicer.splice(request, everything(request)), after)
    same(withoutEmptyValues(out), withoutEmptyValues(expected), `seed ${SEED + run}`)
    expect(after.unknown).toBe(0)
  })
  expect(irregular).toBeGreaterThan(1_000 * SCALE)
})

test('damaged bytes are refused where the oracle refuses, and what leaves is always valid', () => {
  const request = new LogsRequest()
  const splicer = new Splicer()
  let refused = 0
  requests(6_000, (random, run) => {
    const bytes = damage(encodeRequest(randomRequest(random)), random)
    const expected = outcome(() => asRead(decodeRequest(bytes)))
    const reading = outcome(() => readRequest(request, bytes))
    if ('error' in reading) {
      expect(reading.error, `seed ${SEED + run}`).toBeInstanceOf(WireError)
      expect('error' in expected, `seed ${SEED + run}: refused what is valid`).toBe(true)
      refused++
      return
    }
    const out = decodeRequest(splicer.splice(request, everything(request)))
    if (!('error' in expected)) {
      same(withoutEmptyValues(out), withoutEmptyValues(expected.value), `seed ${SEED + run}`)
    }
    if ('error' in expected)
      expect(reading.value.badRecords > 0 || /utf-?8/i.test(String(expected.error)), `seed ${SEED + run}`).toBe(true)
  })
  expect(refused).toBeGreaterThan(500 * SCALE)
})

test('a request cut after each of its bytes is refused, or was cut between two messages', () => {
  const request = new LogsRequest()
  let seed = SEED
  let bytes: Buffer = Buffer.alloc(0)
  while (bytes.length < 500 || bytes.length > 4_000) bytes = encodeRequest(randomRequest(seeded(seed++)))
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length)
    const expected = outcome(() => decodeRequest(cut))
    expect('error' in outcome(() => readRequest(request, Buffer.from(cut))), `cut at ${length}`).toBe(
      'error' in expected,
    )
  }
})

function outcome<T>(run: () => T): { value: T } | { error: unknown } {
  try {
    return { value: run() }
  } catch (error) {
    return { error }
  }
}

/** One edit, done to a record's view and to the oracle's object alike. */
interface Edit {
  view(record: LogRecord): void
  object(record: OracleRecord): void
}

function randomEdit(random: Random): Edit {
  const at = random()
  const pick = (length: number) => Math.floor(at * length)
  const text = `edited ${Math.floor(random() * 1000)} \u00e9${'x'.repeat(Math.floor(random() * 300))}`
  const attributeSlot = (record: LogRecord) => {
    const slots: number[] = []
    for (let slot = record.first; slot < record.end; slot++) if (record.slots.keyId(slot) >= 0) slots.push(slot)
    return slots.length === 0 ? -1 : slots[pick(slots.length)]!
  }
  const kinds: Edit[] = [
    {
      view: (record) => {
        const slot = attributeSlot(record)
        if (slot !== -1 && record.slots.kind(slot) !== 8) record.slots.setText(slot, text)
      },
      object: (record) => setAt(record, pick(record.attributes?.length ?? 0), { stringValue: text }),
    },
    {
      view: (record) => {
        const slot = attributeSlot(record)
        if (slot !== -1) record.slots.setValue(slot, { kind: 'int', value: -5n })
      },
      object: (record) => setAt(record, pick(record.attributes?.length ?? 0), { intValue: -5n }),
    },
    {
      view: (record) => record.setTime(5, 7),
      object: (record) => {
        record.timeUnixNano = (5n << 32n) | 7n
      },
    },
    {
      view: (record) => {
        if (record.body !== -1)
          record.slots.setValue(record.body, { kind: 'array', values: [{ kind: 'bool', value: true }] })
      },
      object: (record) => {
        if (record.body !== undefined) record.body = { arrayValue: { values: [{ boolValue: true }] } }
      },
    },
    {
      view: (record) => record.add('douane.note', { kind: 'string', value: text }),
      object: (record) => {
        record.attributes = [...(record.attributes ?? []), { key: 'douane.note', value: { stringValue: text } }]
      },
    },
    {
      view: (record) => {
        if (record.eventName !== -1) record.slots.setText(record.eventName, text)
      },
      object: (record) => {
        if (record.eventName !== undefined) record.eventName = text
      },
    },
  ]
  return kinds[Math.floor(random() * kinds.length)]!
}

function setAt(record: OracleRecord, index: number, value: OracleValue): void {
  const entry = record.attributes?.[index]
  // Added attributes stand after those that came in and are not in the view's own range.
  if (entry === undefined || entry.key === 'douane.note') return
  entry.value = value
}

test('4,000 random requests with random edits equal decode, edit, encode', () => {
  const request = new LogsRequest()
  const splicer = new Splicer()
  const resource = new Resource(request)
  requests(4_000, (random, run) => {
    // An empty event_name is written by nobody but is there for the view: leave it out, so that both sides agree.
    const sent = asRead(randomRequest(random))
    const bytes = encodeRequest(sent)
    const expected = decodeRequest(bytes)
    readRequest(request, bytes)
    const view = new LogRecord(request, resource)
    const objects = (expected.resourceLogs ?? []).flatMap((group) =>
      (group.scopeLogs ?? []).flatMap((scope) => scope.logRecords ?? []),
    )
    for (let index = 0; index < request.records.count; index++) {
      const first = request.slots.editCount
      view.visit(index)
      const edits = Array.from({ length: Math.floor(random() * 4) }, () => randomEdit(random))
      const added = edits.findIndex((edit) => edit.view.toString().includes('douane.note'))
      for (const edit of added === -1 ? edits : edits.slice(0, added + 1)) {
        edit.view(view)
        edit.object(objects[index]!)
      }
      request.records.at[index * RECORD_ROW + RecordCol.FirstEdit] = first
      request.records.at[index * RECORD_ROW + RecordCol.EndEdit] = request.slots.editCount
    }
    same(decodeRequest(splicer.splice(request, everything(request))), expected, `seed ${SEED + run}`)
  })
})

test('a copy has only its records, keeps their groups, and gets its appendix', () => {
  const request = new LogsRequest()
  const splicer = new Splicer()
  const appendix = Buffer.from([Tag.record.attributes, 3, 0x0a, 1, 0x61])
  requests(2_000, (random, run) => {
    const bytes = encodeRequest(randomRequest(random))
    readRequest(request, bytes)
    const chosen = Array.from({ length: request.records.count }, () => random() < 0.5)
    const records = Int32Array.from(chosen.flatMap((yes, index) => (yes ? [index] : [])))
    const plan = {
      records,
      formOf: new Uint16Array(records.length),
      count: records.length,
      forms: [{ ...plain, appendix }],
    }
    let index = 0
    const expected = asRead(decodeRequest(bytes), () => chosen[index++] === true)
    for (const group of expected.resourceLogs ?? []) {
      for (const scope of group.scopeLogs ?? []) {
        for (const record of scope.logRecords ?? []) record.attributes = [...(record.attributes ?? []), { key: 'a' }]
      }
    }
    same(decodeRequest(splicer.splice(request, plan)), expected, `seed ${SEED + run}`)
  })
})
