/**
 * A store answers a condition as the evaluator does: the Collector's records are stored through the exporter in a real
 * PostgreSQL, and each condition that can be asked of a store is answered by both. NULL stands for "fails".
 */
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { storeColumns } from '../../exporters/postgres/where.ts'
import { jsonToWire } from '../../src/otlp/json.ts'
import { type Condition, parseCondition } from '../../src/ottl/checker.ts'
import { compileCondition } from '../../src/ottl/condition_set.ts'
import { type Sql, toSql } from '../../src/ottl/sql.ts'
import { ConditionError } from '../../src/ottl/syntax.ts'
import { OttlError } from '../../src/ottl/values.ts'
import { never, openStore, startServer, type TestServer } from '../exporters/postgres/fixture.ts'
import { anyValue, recordOf, requestOf } from './records.ts'

interface JsonRequest {
  resourceLogs: { scopeLogs: { logRecords: { timeUnixNano?: string; attributes: object[] }[] }[] }[]
}
const facts: { records: JsonRequest[]; answers: Record<string, string> } = JSON.parse(
  readFileSync(new URL('./fixtures/collector.json', import.meta.url), 'utf8'),
)
/** As the residency route sends them: with a place, and a number to tell them apart. A store keeps no time after 9999. */
const requests = facts.records.map((request, row) => {
  const copy = structuredClone(request)
  const record = copy.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!
  if (record.timeUnixNano === '18446744073709551615') record.timeUnixNano = '1700000005000000001'
  const own = { 'douane.purpose': ['usage'], 'douane.tenant': 'acme', 'douane.region': 'eu-de', row: BigInt(row) }
  record.attributes.push(...Object.entries(own).map(([key, value]) => ({ key, value: anyValue(value) })))
  return copy
})
const records = requests.map((request) => recordOf(request))

let server: TestServer
let client: pg.Client

beforeAll(async () => {
  server = await startServer()
  const store = await openStore(server, 'conditions')
  for (const [i, request] of requests.entries()) {
    const body = jsonToWire(Buffer.from(JSON.stringify(request)))
    expect(await store.send({ id: `batch-${i}`, body, records: 1 }, never)).toEqual({ is: 'accepted' })
  }
  await store.close()
  client = new pg.Client({ ...server.embedded.connection('conditions'), options: '-c search_path=douane,public' })
  await client.connect()
})
afterAll(async () => {
  await client?.end()
  await server?.close()
})

async function stored({ text, params }: Sql): Promise<(boolean | null)[]> {
  const answers = `array_agg((${text}) ORDER BY (attributes ->> 'row')::int) AS answers`
  return (await client.query(`SELECT ${answers} FROM logs`, params as unknown[])).rows[0].answers
}

function evaluated(condition: Condition): (boolean | null)[] {
  const test = compileCondition(condition)
  return records.map((record) => {
    try {
      return test(record)
    } catch (error) {
      if (error instanceof OttlError) return null
      throw error
    }
  })
}

function translate(source: string): { condition: Condition; sql: Sql } | undefined {
  try {
    const condition = parseCondition(source)
    return { condition, sql: toSql(condition, storeColumns) }
  } catch (error) {
    if (error instanceof ConditionError) return undefined
    throw error
  }
}

/** IsMatch writes other types than text as text first; a store only looks at text, and finds no such row. */
const isExact = (source: string, ours: boolean | null, theirs: boolean | null): boolean =>
  ours === theirs || (source.startsWith('IsMatch(') && theirs === null)

describe('a condition as SQL', () => {
  it('answers as the evaluator does', async () => {
    const different: string[] = []
    let asked = 0
    for (const source of Object.keys(facts.answers)) {
      const known = translate(source)
      if (known === undefined) continue
      asked++
      const theirs = await stored(known.sql)
      evaluated(known.condition).forEach((ours, row) => {
        if (!isExact(source, ours, theirs[row]!)) different.push(`${source} row ${row}: ${ours}, stored ${theirs[row]}`)
      })
    }
    expect(different).toEqual([])
    expect(asked).toBeGreaterThan(800)
  })

  it('short-circuits as the evaluator does, failing parts included', async () => {
    const parts = ['HasPrefix(attributes["n"], "5")', 'severity_number >= 9', 'attributes["map"]["a"]["x"] == 1']
    for (const a of parts)
      for (const b of parts)
        for (const c of parts)
          for (const source of [
            `${a} or ${b} and ${c}`,
            `(${a} or not ${b}) and ${c}`,
            `not (${a} and ${b}) or ${c}`,
          ]) {
            const { condition, sql } = translate(source)!
            expect(await stored(sql), source).toEqual(evaluated(condition))
          }
  })

  it('keeps what comes from the condition out of the text', () => {
    const evil = `'; DROP TABLE logs; --`
    const source = `attributes["${evil}"]["${evil}"] == "${evil}" or HasPrefix(event_name, "${evil}")`
    const { sql } = translate(source)!
    expect(sql.text).not.toContain('DROP')
    expect(sql.params).toContain(evil)
  })

  it('refuses with its place what a store cannot answer', () => {
    const error = (source: string): ConditionError => {
      try {
        toSql(parseCondition(source), storeColumns)
      } catch (thrown) {
        return thrown as ConditionError
      }
      throw new Error('was taken')
    }
    expect(error('event_name == "a" or attributes["n"] + 1 > 2')).toMatchObject({ line: 1, column: 22 })
    expect(error('IsMatch(event_name, "(a+)+$")')).toMatchObject({
      column: 21,
      reason: 'this pattern cannot be asked of a store',
    })
  })

  it('finds text that PostgreSQL cannot hold as it is', async () => {
    const store = await openStore(server, 'conditions')
    const attributes = {
      row: 99n,
      odd: 'a\0b',
      $key: { $double: 1n },
      'douane.purpose': ['usage'],
      'douane.tenant': 'acme',
      'douane.region': 'eu-de',
    }
    const body = jsonToWire(Buffer.from(JSON.stringify(requestOf({ attributes, record: { eventName: 'x\uE000' } }))))
    expect(await store.send({ id: 'odd', body, records: 1 }, never)).toEqual({ is: 'accepted' })
    await store.close()
    for (const source of [
      'attributes["odd"] == "a\\x00b"',
      'attributes["$key"]["$double"] == 1',
      'event_name == "x\\ue000"',
    ]) {
      expect((await stored(translate(source)!.sql)).at(-1), source).toBe(true)
    }
  })
})
