/** The texts that a pattern needs, held to RE2: where none is there it does not match, and where they say all it does. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LogsRequest } from '../../src/otlp/request.ts'
import { parseCondition } from '../../src/ottl/checker.ts'
import { Decision } from '../../src/ottl/decision.ts'
import { testOf } from '../../src/ottl/literal_set.ts'
import { literalsOf } from '../../src/ottl/literals.ts'
import { compileLinear } from '../../src/ottl/pattern.ts'
import { makeRecord } from './records.ts'

it.each([
  ['logged (in|out)|denied', ['logged in', 'logged out', 'denied'], true],
  ['timeout|retry|slow', ['timeout', 'retry', 'slow'], true],
  ['user [0-9]+ locked', [' locked'], false],
  ['^(export|invoice)\\.', ['export.', 'invoice.'], false],
  ['(?i)Error: (A|b)x', ['error: ax', 'error: bx'], true],
  ['colou?r', ['colo'], false],
] as const)('of %s', (pattern, texts, isExact) => {
  const found = literalsOf(pattern)
  expect([found?.texts.toSorted(), found?.isExact]).toEqual([[...texts].sort(), isExact])
})

it.each([
  '^[a-z]+$',
  'a|bcd',
  'x*',
  '',
  '(abc|d)?',
  'ab|',
  '(?s)abc',
  '\\x41bc',
  '[[:alpha:]]ab',
  'é',
  '\\Qab\\E',
])('knows none of %s', (pattern) => {
  expect(literalsOf(pattern)).toBeUndefined()
})

const piece = fc.constantFrom(
  'a',
  'b',
  'k',
  's',
  'ab',
  '.',
  '[ab]',
  '(a|bk)',
  '(?:ks|s)',
  'a?',
  'b*',
  '\\.',
  '^',
  '$',
  '|',
  'b{2}',
  '\\d',
)
const pattern = fc
  .tuple(fc.constantFrom('', '', '(?i)'), fc.array(piece, { minLength: 1, maxLength: 6 }))
  .map(([flags, pieces]) => flags + pieces.join(''))
const text = fc.string({
  unit: fc.constantFrom('a', 'b', 'k', 's', 'K', 'A', '.', '1', '\u212a', '\u017f', 'é', '-'),
  maxLength: 40,
})

it('says of a text what RE2 says, in a string and in the bytes of a request', () => {
  const scanned = new LogsRequest()
  let known = 0
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 3, maxLength: 6 }), (source, texts) => {
      const literals = literalsOf(source)
      const matches = compileLinear(source)
      if (literals === undefined || typeof matches === 'string') return
      known++
      const holds = testOf(literals)
      const decision = new Decision([parseCondition(`IsMatch(body, ${JSON.stringify(source)})`)], [1])
      for (const each of [...texts, ...texts]) {
        if (literals.isExact) expect(holds(each), `${source} ${each}`).toBe(matches(each))
        else if (!holds(each)) expect(matches(each), `${source} ${each}`).toBe(false)
        const record = makeRecord({ record: { body: { stringValue: each } } }, scanned)
        decision.begin(scanned)
        const { matched, open } = decision.decide(record)
        const says = matched.length === 1 || (open.length === 1 && decision.holds(0))
        expect(says, `${source} ${each}`).toBe(matches(each))
      }
    }),
    { seed: 4, numRuns: 400 },
  )
  expect(known).toBeGreaterThan(100)
})
