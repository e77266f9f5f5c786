/** Sets of conditions decide as each condition alone does, and both as the slow twin does. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../../src/otlp/record.ts'
import { LogsRequest } from '../../src/otlp/request.ts'
import { parseCondition } from '../../src/ottl/checker.ts'
import { compileCondition } from '../../src/ottl/condition_set.ts'
import { Decision } from '../../src/ottl/decision.ts'
import { parseExpression } from '../../src/ottl/parser.ts'
import { OttlError } from '../../src/ottl/values.ts'
import { Failure, interpret, type Plain, type PlainRecord } from './interpreter.ts'
import { anyValue, makeRecord, recordOf } from './records.ts'

const textLiteral = fc.constantFrom('""', '"a"', '"ab"', '"auth."', '"é"', '"\\U0001F600"', '"\\uFFFD"')
const literal = fc.oneof(
  textLiteral,
  fc.constantFrom('0', '1', '-3', '2.5', '1.0', '9007199254740993', 'true', 'false', 'nil'),
)
const attribute = fc.constantFrom(
  'attributes["x"]',
  'log.attributes["y"]',
  'attributes["z"]',
  'attributes["m"]["k"]',
  'resource.attributes["x"]',
  'body',
  'body["k"]',
)
const equality = fc.constantFrom('==', '!=')
const ordering = fc.constantFrom('==', '!=', '<', '<=', '>', '>=')
const textField = fc.constantFrom('event_name', 'severity_text', 'log.event_name')

const leaf = fc.oneof(
  fc.tuple(attribute, equality, literal).map((parts) => parts.join(' ')),
  fc
    .tuple(
      attribute,
      ordering,
      literal.filter((each) => each !== 'nil'),
    )
    .map((parts) => parts.join(' ')),
  fc
    .tuple(
      literal.filter((each) => each !== 'nil'),
      ordering,
      attribute,
    )
    .map((parts) => parts.join(' ')),
  fc.tuple(textField, ordering, textLiteral).map((parts) => parts.join(' ')),
  fc
    .tuple(ordering, fc.constantFrom('0', '9', '9.5', 'SEVERITY_NUMBER_ERROR', 'SEVERITY_NUMBER_INFO', '100'))
    .map(([op, n]) => `severity_number ${op} ${n}`),
  fc
    .tuple(fc.constantFrom('HasPrefix', 'HasSuffix'), fc.oneof(attribute, textField), textLiteral)
    .map(([f, p, l]) => `${f}(${p}, ${l})`),
  fc
    .tuple(fc.constantFrom('IsString', 'IsInt', 'IsDouble', 'IsBool', 'IsMap', 'IsList'), attribute)
    .map(([f, p]) => `${f}(${p})`),
  fc.tuple(textField, fc.constantFrom('^a', 'b$', '[0-9]+')).map(([p, l]) => `IsMatch(${p}, "${l}")`),
  fc
    .tuple(
      attribute,
      fc.constantFrom(
        'ab',
        '(ab|th)',
        'au(t|x)h',
        '(?i)AB|zz',
        '(?i)k9',
        'ab[0-9]',
        'th.?x',
        '^ab',
        'a(b|b$)',
        '[ab]{2}',
      ),
    )
    .map(([p, l]) => `IsMatch(${p}, "${l}")`),
  fc.tuple(attribute, ordering, attribute).map((parts) => parts.join(' ')),
  attribute.map((each) => `${each} + 1 > 2`),
  fc.constantFrom('true', 'false'),
)
const condition = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => `(${a} and ${b})`),
    fc.tuple(tie('tree'), tie('tree'), tie('tree')).map(([a, b, c]) => `(${a} or ${b} or ${c})`),
    tie('tree').map((a) => `not (${a})`),
  ),
})).tree

const scalar: fc.Arbitrary<Plain> = fc.oneof(
  fc.constantFrom<Plain[]>(null, '', 'a', 'ab', 'auth.x', 'é', '😀', '\ufffd', true, false),
  fc.constantFrom<Plain[]>('xAB', 'ab7', '\u212a9', 'K9', 'auth, and more than sixteen bytes', `${'é'.repeat(9)}ab`),
  fc.constantFrom<Plain[]>(0n, 1n, -3n, 200n, 9007199254740993n, -(2n ** 63n), 2n ** 63n - 1n),
  fc.constantFrom<Plain[]>(2.5, 1, -0, Number.NaN, Number.POSITIVE_INFINITY, 9007199254740992),
)
const value: fc.Arbitrary<Plain> = fc.oneof(scalar, fc.record({ k: scalar }), fc.array(scalar, { maxLength: 2 }))
const attributes = fc.dictionary(fc.constantFrom('x', 'y', 'z', 'm', 'other'), value, {
  maxKeys: 5,
  noNullPrototype: true,
})
const record: fc.Arbitrary<PlainRecord> = fc.record({
  event_name: fc.constantFrom('', 'a', 'ab', 'auth.login', 'é', '😀', '12', 'x'.repeat(300)),
  severity_text: fc.constantFrom('', 'a', 'ab'),
  severity_number: fc.constantFrom(0n, 1n, 9n, 17n, 24n),
  body: value,
  attributes,
  resource: attributes,
})

/** One request's tables for all, as in the gateway: a record lives until the next one is made. */
const scanned = new LogsRequest()
const toRecord = (plain: PlainRecord): LogRecord =>
  makeRecord(
    {
      record: {
        ...(plain.event_name && { eventName: plain.event_name }),
        ...(plain.severity_text && { severityText: plain.severity_text }),
        severityNumber: Number(plain.severity_number),
        ...(plain.body !== null && { body: anyValue(plain.body) }),
      },
      attributes: plain.attributes,
      resource: plain.resource,
    },
    scanned,
  )

/** `T`, `F` or `E`. */
function answer(ask: () => boolean): string {
  try {
    return ask() ? 'T' : 'F'
  } catch (error) {
    if (error instanceof OttlError || error instanceof Failure) return 'E'
    throw error
  }
}

const taken = (source: string): boolean => {
  try {
    parseCondition(source)
    return true
  } catch {
    return false
  }
}
const conditions = fc.array(condition, { minLength: 1, maxLength: 8 }).map((all) => all.filter(taken))

/** What a decision says of each condition. */
function decided(decision: Decision, each: LogRecord, count: number): string {
  const outcome = decision.decide(each)
  const letters: string[] = Array.from({ length: count }, (_, i) => (outcome.matched.includes(i) ? 'T' : 'F'))
  for (const i of outcome.open) letters[i] = answer(() => decision.holds(i))
  return letters.join('')
}

describe('a condition', () => {
  it('is answered as by the slow twin', () => {
    fc.assert(
      fc.property(condition.filter(taken), fc.array(record, { minLength: 3, maxLength: 6 }), (source, plain) => {
        const test = compileCondition(parseCondition(source))
        const tree = parseExpression(source)
        for (const each of plain) {
          const expected = answer(() => interpret(tree, each))
          expect(answer(() => test(toRecord(each)))).toBe(expected)
        }
      }),
      { seed: 11, numRuns: 900 },
    )
  })
})

describe('a decision', () => {
  it('says of each condition what it says alone, in whatever order records come', () => {
    let failures = 0
    fc.assert(
      fc.property(conditions, fc.array(record, { minLength: 4, maxLength: 12 }), (sources, plain) => {
        const parsed = sources.map(parseCondition)
        const decision = new Decision(
          parsed,
          parsed.map((_, i) => 1 << i),
        )
        const alone = parsed.map(compileCondition)
        for (const each of [...plain, ...plain.toReversed()]) {
          const seen = toRecord(each)
          const expected = alone.map((test) => answer(() => test(seen))).join('')
          decision.begin(scanned)
          const outcome = decision.decide(seen)
          if (outcome.failed !== -1) {
            failures++
            expect(expected[outcome.failed]).toBe('E')
            expect(outcome.matched.every((i) => expected[i] === 'T')).toBe(true)
          } else {
            expect(decided(decision, seen, parsed.length)).toBe(expected)
            expect(outcome.mask).toBe(outcome.matched.reduce((mask, i) => mask | (1 << i), 0))
          }
        }
      }),
      { seed: 12, numRuns: 350 },
    )
    expect(failures).toBeGreaterThan(50)
  })

  it('of equal keys takes the first that is still there, also in records of a shape that it knows', () => {
    const decision = new Decision([parseCondition('attributes["a"] == "x"')], [1])
    const twice = (first: string, second: string): LogRecord =>
      recordOf(
        {
          resourceLogs: [
            {
              scopeLogs: [
                {
                  logRecords: [
                    {
                      attributes: [first, 'between', second].map((text, i) => ({
                        key: i === 1 ? 'b' : 'a',
                        value: { stringValue: text },
                      })),
                    },
                  ],
                },
              ],
            },
          ],
        },
        scanned,
      )
    const says = (first: string, second: string, remove: boolean): number => {
      const seen = twice(first, second)
      if (remove) seen.slots.remove(seen.attributes.find('a'))
      decision.begin(scanned)
      return decision.decide(seen).mask
    }
    expect([says('x', 'y', false), says('y', 'x', false), says('x', 'y', false)]).toEqual([1, 0, 1])
    expect([says('x', 'y', true), says('y', 'x', true), says('y', 'x', false)]).toEqual([0, 1, 0])
  })

  it('stays right when its table is full and starts anew', () => {
    // 12 attributes with 4 classes each: 16 million combinations, of which some thousands turn up.
    const names = Array.from({ length: 12 }, (_, i) => `a${i}`)
    const sources = names.flatMap((name) => [`attributes["${name}"] == "x"`, `attributes["${name}"] > 3`])
    const parsed = sources.map(parseCondition)
    const decision = new Decision(
      parsed,
      parsed.map(() => 1),
    )
    const alone = parsed.map(compileCondition)
    let state = 1
    const random = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return (state >>> 8) % n
    }
    const values = ['x', 'other', 5n, undefined]
    for (let i = 0; i < 6000; i++) {
      const chosen = names.map((name) => [name, values[random(4)]] as const).filter(([, each]) => each !== undefined)
      const seen = makeRecord({ attributes: Object.fromEntries(chosen) }, scanned)
      decision.begin(scanned)
      const got = decided(decision, seen, parsed.length)
      if (i % 37 === 0) expect(got).toBe(alone.map((test) => answer(() => test(seen))).join(''))
    }
  })
})
