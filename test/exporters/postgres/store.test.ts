import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonLine } from '../../../exporters/postgres/format.ts'
import type { AnyValue, KeyValue, Request } from '../../oracle/otlp.ts'
import { randomRequest, seeded } from '../../oracle/random.ts'
import {
  batchOf,
  makeHost,
  never,
  nowNanos,
  openStore,
  readAll,
  record,
  recordsOf,
  requestOf,
  startServer,
  type TestServer,
} from './fixture.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

/** What `query` must show of a value: the mapping of OTLP/JSON, with plain numbers. */
function shown(value: AnyValue | undefined): unknown {
  if (value === undefined) return null
  if (value.stringValue !== undefined) return value.stringValue
  if (value.boolValue !== undefined) return value.boolValue
  if (value.intValue !== undefined) {
    return Number.isSafeInteger(Number(value.intValue)) ? Number(value.intValue) : value.intValue
  }
  if (value.doubleValue !== undefined) {
    return Number.isFinite(value.doubleValue) ? value.doubleValue + 0 : String(value.doubleValue)
  }
  if (value.bytesValue !== undefined) return Buffer.from(value.bytesValue).toString('base64')
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(shown)
  if (value.kvlistValue !== undefined) return shownEntries(value.kvlistValue.values)
  return null
}
const shownEntries = (entries: KeyValue[] = []) =>
  Object.fromEntries(entries.map(({ key = '', value }) => [key, shown(value)]))

describe('a store keeps what it is given', () => {
  test('every record of random requests comes back as it was', async () => {
    const store = await openStore(server, 'round_trip')
    const expected = new Map<string, unknown>()
    for (let seed = 0; seed < 150; seed++) {
      const request = randomRequest(seeded(seed))
      const eventNames = tagAll(request, seed)
      expect(await store.send(batchOf(request), never)).toEqual({ is: 'accepted' })
      for (const [name, value] of eventNames) expected.set(name, value)
    }
    await store.close()
    const found = await readAll(server, 'round_trip')
    expect(found.length).toBe(expected.size)
    expect(expected.size).toBeGreaterThan(300)
    for (const each of found) {
      const { time: _time, retention: _retention, ...rest } = each
      expect(rest, each.event_name ?? '').toEqual(expected.get(each.event_name!))
    }
  })

  test('a string with U+0000, an escape character or half a surrogate pair is stored', async () => {
    const store = await openStore(server, 'strings')
    const texts = ['\0', 'a\0b', '\uE000', '\uE0000', '\uE000\0', '$bytes', '\u{1F600}', '\\u0000', '"']
    const attributes = texts.map((text, i) => ({ key: `${text}#${i}`, value: { stringValue: text } }))
    const request = requestOf([record('usage', { body: { stringValue: texts.join('|') }, attributes })])
    expect(await store.send(batchOf(request), never)).toEqual({ is: 'accepted' })
    await store.close()
    const [found] = await readAll(server, 'strings')
    expect(found?.body).toBe(texts.join('|'))
    expect(found?.attributes).toMatchObject(Object.fromEntries(texts.map((text, i) => [`${text}#${i}`, text])))
  })

  test('an object that looks like one of our markers comes back as an object', async () => {
    const store = await openStore(server, 'markers')
    const entry = (key: string, text: string): KeyValue => ({ key, value: { stringValue: text } })
    const body = { kvlistValue: { values: [entry('$bytes', 'AAAA'), entry('$$x', '1'), entry('$double', 'NaN')] } }
    const alone = { kvlistValue: { values: [entry('$bytes', 'AAAA')] } }
    await store.send(batchOf(requestOf([record('usage', { body, attributes: [{ key: '$', value: alone }] })])), never)
    await store.close()
    const [found] = await readAll(server, 'markers')
    expect(found?.body).toEqual({ $bytes: 'AAAA', $$x: '1', $double: 'NaN' })
    expect(found?.attributes['$']).toEqual({ $bytes: 'AAAA' })
  })

  test('a long integer is exact in the JSON line', async () => {
    const store = await openStore(server, 'integers')
    const attributes = [{ key: 'id', value: { intValue: 9_223_372_036_854_775_807n } }]
    await store.send(batchOf(requestOf([record('usage', { attributes })])), never)
    await store.close()
    const [found] = await readAll(server, 'integers')
    expect(jsonLine(found!)).toContain('"id":9223372036854775807')
  })
})

/** Gives each record one purpose and an event name of its own. Returns what the store must show of it. */
function tagAll(request: Request, seed: number): [string, unknown][] {
  const expected: [string, unknown][] = []
  for (const resource of request.resourceLogs ?? []) {
    for (const scope of resource.scopeLogs ?? []) {
      for (const each of scope.logRecords ?? []) {
        const name = `${seed}.${expected.length}`
        each.eventName = name
        const own = record('usage').attributes!
        each.attributes = [...(each.attributes ?? []), ...own]
        const serviceName = resource.resource?.attributes?.find(({ key }) => key === 'service.name')
        const scoped = {
          ...(scope.scope?.name && { name: scope.scope.name }),
          ...(scope.scope?.version && { version: scope.scope.version }),
          ...(scope.schemaUrl && { schema_url: scope.schemaUrl }),
          attributes: shownEntries(scope.scope?.attributes),
        }
        const bare = (scope.scope === undefined || Object.keys(scope.scope).length === 0) && !scope.schemaUrl
        expected.push([
          name,
          {
            time_unix_nano: String(each.timeUnixNano ?? 0n),
            observed_time_unix_nano: each.observedTimeUnixNano ? String(each.observedTimeUnixNano) : null,
            tenant: 'acme',
            region: 'eu-de',
            purpose: 'usage',
            severity_number: each.severityNumber ?? 0,
            severity_text: each.severityText ?? null,
            event_name: name,
            body: shown(each.body),
            service_name: serviceName?.value?.stringValue ?? null,
            trace_id: each.traceId ? Buffer.from(each.traceId).toString('hex') : null,
            span_id: each.spanId ? Buffer.from(each.spanId).toString('hex') : null,
            flags: each.flags ?? 0,
            attributes: shownEntries(each.attributes),
            dropped_attributes_count: each.droppedAttributesCount ?? 0,
            resource: shownEntries(resource.resource?.attributes),
            resource_schema_url: resource.schemaUrl ?? null,
            scope: bare ? null : scoped,
          },
        ])
      }
    }
  }
  expect(recordsOf(request).length).toBe(expected.length)
  return expected
}

describe('a batch is stored exactly once', () => {
  test('a batch that comes again is accepted and not stored', async () => {
    const host = makeHost(server.folder)
    const store = await openStore(server, 'once', host)
    const batch = batchOf(requestOf([record('usage'), record('billing')]))
    for (let attempt = 0; attempt < 3; attempt++) expect(await store.send(batch, never)).toEqual({ is: 'accepted' })
    await store.close()
    expect(await readAll(server, 'once')).toHaveLength(2)
    expect(host.counts).toMatchObject({ postgres_stored_records: 2, postgres_repeated_batches: 2 })
  })

  test('also when it comes twice at the same time', async () => {
    const store = await openStore(server, 'twins')
    const batch = batchOf(requestOf(Array.from({ length: 500 }, () => record('usage'))))
    const outcomes = await Promise.all([store.send(batch, never), store.send(batch, never)])
    expect(outcomes).toEqual([{ is: 'accepted' }, { is: 'accepted' }])
    await store.close()
    expect(await readAll(server, 'twins')).toHaveLength(500)
  })

  test('also when the answer to the first attempt never came', async () => {
    const store = await openStore(server, 'cut')
    const batch = batchOf(requestOf(Array.from({ length: 3000 }, () => record('usage'))))
    for (let delayMs = 0; delayMs < 12; delayMs += 2) {
      const outcome = await store.send(batch, AbortSignal.timeout(delayMs))
      expect(['accepted', 'unavailable']).toContain(outcome.is)
    }
    expect(await store.send(batch, never)).toEqual({ is: 'accepted' })
    await store.close()
    expect(await readAll(server, 'cut')).toHaveLength(3000)
  })
})

describe('batches that wait together are stored together', () => {
  const many = (count: number, name: string) =>
    Array.from({ length: count }, (_, i) => batchOf(requestOf([record('usage', { eventName: `${name}${i}` })])))

  test('in one transaction, each counted by itself', async () => {
    const host = makeHost(server.folder, { usage: '1mo' })
    const store = await openStore(server, 'together', host)
    const old = record('usage', { timeUnixNano: nowNanos - 40n * 86_400_000_000_000n })
    const batches = [...many(20, 'a'), batchOf(requestOf([record('billing'), old]))]
    const outcomes = await Promise.all(batches.map((batch) => store.send(batch, never)))
    await store.close()
    expect(outcomes.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => ({ is: 'accepted' })))
    expect(outcomes[20]).toMatchObject({ is: 'partial', records: 1 })
    const books = await server.sql('together', 'SELECT id, records, refused, xmin::text AS transaction FROM batches')
    expect(books).toHaveLength(21)
    expect(new Set(books.map(({ transaction }) => transaction)).size).toBe(2)
    expect(books.find(({ id }) => id === batches[20]!.id)).toMatchObject({ records: 1, refused: 1 })
    expect(await readAll(server, 'together')).toHaveLength(21)
    expect(host.counts).toMatchObject({ postgres_stored_records: 21, postgres_expired_records: 1 })
    const [counted] = await server.sql('together', 'SELECT sum(records)::int AS n FROM usage')
    expect(counted).toEqual({ n: 21 })
  })

  test('one that came before, one that is no request and one with a poison row hurt nobody else', async () => {
    const host = makeHost(server.folder)
    const store = await openStore(server, 'mixed', host)
    const [before] = many(1, 'before')
    await store.send(before!, never)
    await server.sql('mixed', "ALTER TABLE logs ADD CHECK (event_name IS DISTINCT FROM 'poison')")
    const poison = batchOf(requestOf([record('usage', { eventName: 'poison' }), record('usage')]))
    const rubbish = { id: 'rubbish', body: Buffer.from([0x0a, 0x7f]), records: 1 }
    for (const odd of [[before!], [rubbish], [poison], [before!, rubbish, poison]]) {
      const batches = [...many(4, 'x'), ...odd, ...many(4, 'y')]
      const outcomes = await Promise.all(batches.map((batch) => store.send(batch, never)))
      for (const [i, { is }] of outcomes.entries()) {
        expect(is).toBe(batches[i] === rubbish ? 'rejected' : batches[i] === poison ? 'partial' : 'accepted')
      }
    }
    await store.close()
    expect(await readAll(server, 'mixed')).toHaveLength(1 + 4 * 8 + 1)
    expect(host.counts['postgres_stored_records']).toBe(1 + 4 * 8 + 1)
  })

  test('one that is cut short takes nothing of the others away', async () => {
    const store = await openStore(server, 'cut_together')
    const batches = many(9, 'z')
    const impatient = batchOf(requestOf(Array.from({ length: 3000 }, () => record('usage'))))
    const first = await Promise.all([
      ...batches.map((batch) => store.send(batch, never)),
      store.send(impatient, AbortSignal.timeout(1)),
    ])
    for (const { is } of first) expect(['accepted', 'unavailable']).toContain(is)
    for (const batch of [...batches, impatient]) expect(await store.send(batch, never)).toEqual({ is: 'accepted' })
    await store.close()
    expect(await readAll(server, 'cut_together')).toHaveLength(3009)
  })
})

describe('what cannot be stored is told', () => {
  test('a row that PostgreSQL refuses is left out, and its batch is stored', async () => {
    const host = makeHost(server.folder)
    const store = await openStore(server, 'poison', host)
    await store.send(batchOf(requestOf([record('usage')])), never)
    await server.sql('poison', "ALTER TABLE logs ADD CHECK (event_name IS DISTINCT FROM 'poison')")
    const records = Array.from({ length: 200 }, (_, i) =>
      record('usage', { eventName: i % 90 === 7 ? 'poison' : 'fine' }),
    )
    const batch = batchOf(requestOf(records))
    const reason = '3 records cannot be stored'
    expect(await store.send(batch, never)).toEqual({ is: 'partial', records: 3, reason })
    expect(await store.send(batch, never)).toMatchObject({ is: 'partial', records: 3 })
    await store.close()
    expect(await readAll(server, 'poison')).toHaveLength(198)
    expect(host.counts).toMatchObject({ postgres_stored_records: 198, postgres_refused_records: 3 })
  })

  test('a record with two purposes, or one that is no text, is refused', async () => {
    const store = await openStore(server, 'purposes')
    const purpose = (value: AnyValue) => ({ timeUnixNano: nowNanos, attributes: [{ key: 'douane.purpose', value }] })
    const two = { arrayValue: { values: [{ stringValue: 'billing' }, { stringValue: 'usage' }] } }
    const batch = batchOf(requestOf([purpose(two), purpose({ intValue: 1n }), record('usage')]))
    expect(await store.send(batch, never)).toMatchObject({ is: 'partial', records: 2 })
    await store.close()
    expect(await readAll(server, 'purposes')).toHaveLength(1)
  })

  test('a record that is older than its retention is not stored', async () => {
    const host = makeHost(server.folder, { usage: '1mo' })
    const store = await openStore(server, 'expired', host)
    const dayNanos = 86_400_000_000_000n
    const records = [31n, 30n].map((days) => record('usage', { timeUnixNano: nowNanos - days * dayNanos }))
    const reason = '1 records are older than their retention'
    expect(await store.send(batchOf(requestOf(records)), never)).toEqual({ is: 'partial', records: 1, reason })
    await store.close()
    expect(await readAll(server, 'expired')).toHaveLength(1)
    expect(host.counts).toMatchObject({ postgres_expired_records: 1 })
  })

  test('bytes that are no request are refused for good', async () => {
    const store = await openStore(server, 'rubbish')
    const outcome = await store.send({ id: 'x', body: Buffer.from([0x0a, 0x7f]), records: 1 }, never)
    expect(outcome.is).toBe('rejected')
    await store.close()
  })

  test('a schema that is newer is refused, with its version', async () => {
    await (await openStore(server, 'newer')).close()
    await server.sql('newer', 'INSERT INTO schema_version VALUES (99)')
    await expect(openStore(server, 'newer')).rejects.toThrow(/version 99.*versions up to/)
    await expect(readAll(server, 'newer')).rejects.toThrow(/version 99/)
  })
})

describe('rows lie where they belong', () => {
  test('a table for each purpose, retention and day or month', async () => {
    const store = await openStore(server, 'shelves', makeHost(server.folder, { usage: '1mo', security: '18mo' }))
    const future = nowNanos + 30n * 86_400_000_000_000n
    await store.send(
      batchOf(
        requestOf([
          record('usage'),
          record('security'),
          record('security', { timeUnixNano: future }),
          record('Odd purpose; "quoted"'),
        ]),
      ),
      never,
    )
    await store.close()
    const rows = await server.sql('shelves', 'SELECT tableoid::regclass::text AS leaf, purpose FROM logs ORDER BY 1')
    expect(rows).toEqual([
      { leaf: 'logs_security__18mo__202611', purpose: 'security' },
      { leaf: 'logs_security__18mo__other', purpose: 'security' },
      { leaf: 'logs_usage__1mo__20261121', purpose: 'usage' },
      { leaf: expect.stringMatching(/^logs_x[0-9a-f]{16}__unlimited__202611$/), purpose: 'Odd purpose; "quoted"' },
    ])
  })
})

describe('query', () => {
  test('finds by tenant, purpose, time, trace and a condition', async () => {
    const store = await openStore(server, 'finding')
    const records = Array.from({ length: 40 }, (_, i) =>
      record(
        i % 2 ? 'usage' : 'billing',
        {
          timeUnixNano: nowNanos + BigInt(i),
          severityNumber: i,
          traceId: Buffer.alloc(16, i),
        },
        i % 4 ? 'acme' : 'globex',
      ),
    )
    await store.send(batchOf(requestOf(records)), never)
    await store.close()
    const numbers = async (query: Parameters<typeof readAll>[2]) =>
      (await readAll(server, 'finding', query)).map(({ severity_number }) => severity_number)
    const all = records.map((_, i) => i)
    expect(await numbers({})).toEqual(all)
    expect(await numbers({ tenant: 'globex' })).toEqual(all.filter((i) => i % 4 === 0))
    expect(await numbers({ purpose: 'usage', tenant: 'acme' })).toEqual(all.filter((i) => i % 2 === 1))
    expect(await numbers({ since: nowNanos + 3n, until: nowNanos + 6n })).toEqual([3, 4, 5])
    expect(await numbers({ traceId: '07'.repeat(16) })).toEqual([7])
    expect(await numbers({ limit: 3 })).toEqual([37, 38, 39])
    const where = { text: 'severity_number > $1 AND severity_number < $2', params: [10, 13] }
    expect(await numbers({ where, since: nowNanos + 12n })).toEqual([12])
  })

  test('can be left early', async () => {
    expect(await readAll(server, 'finding', { limit: 1 })).toHaveLength(1)
    expect(await readAll(server, 'finding')).toHaveLength(40)
  })
})
