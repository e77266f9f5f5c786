/**
 * The same answers as the Collector. `fixtures/collector.json` holds what its OTTL 0.149.0 answered to some 3,500
 * conditions on nine records. Douane may refuse at load what the Collector takes, but only a condition whose answer
 * does not depend on the record; and it answers alike otherwise, except as listed in `deviations`.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseCondition } from '../../src/ottl/checker.ts'
import { compileCondition } from '../../src/ottl/condition_set.ts'
import { ConditionError } from '../../src/ottl/syntax.ts'
import { OttlError } from '../../src/ottl/values.ts'
import { recordOf } from './records.ts'

interface Facts {
  readonly records: readonly unknown[]
  readonly answers: Readonly<Record<string, string>>
}
const facts: Facts = JSON.parse(readFileSync(new URL('./fixtures/collector.json', import.meta.url), 'utf8'))
const records = facts.records.map((request) => recordOf(request))

/** Where Douane answers an error and the Collector an answer that nobody wants. docs/ottl.md tells them. */
const deviations: readonly [why: string, condition: RegExp][] = [
  ['a substring that cuts a character is no text', /^Substring\(/],
  ['what a float out of range becomes depends on the processor in Go', /^Int\(attributes\["(big|nan)"\]\)/],
  ['the Collector skips what stands before `or true`', / or true$/],
]

/** `parseCondition`, or nothing when it refuses. */
function load(condition: string) {
  try {
    return compileCondition(parseCondition(condition))
  } catch (error) {
    if (error instanceof ConditionError) return undefined
    throw error
  }
}

function answer(test: (record: (typeof records)[number]) => boolean, record: (typeof records)[number]): string {
  try {
    return test(record) ? 'T' : 'F'
  } catch (error) {
    if (error instanceof OttlError) return 'E'
    throw error
  }
}

describe('the Collector', () => {
  it('gives the same answers', () => {
    const different: string[] = []
    let compared = 0
    for (const [condition, theirs] of Object.entries(facts.answers)) {
      const test = load(condition)
      if (test === undefined) continue
      records.forEach((record, i) => {
        const ours = answer(test, record)
        compared++
        if (ours === theirs[i] || (ours === 'E' && deviations.some(([, pattern]) => pattern.test(condition)))) return
        different.push(`${condition} on record ${i}: ${ours}, the Collector ${theirs[i]}`)
      })
    }
    expect(different).toEqual([])
    expect(compared).toBeGreaterThan(28_000)
  })

  it('takes nothing useful that is refused here', () => {
    const useful = Object.entries(facts.answers).filter(([condition, theirs]) => {
      const isNilOrder = /^nil [<>]=? | [<>]=? nil$/.test(condition)
      const isOutside = condition.startsWith('Time(')
      return load(condition) === undefined && theirs.includes('T') && theirs.includes('F') && !isNilOrder && !isOutside
    })
    expect(useful).toEqual([])
  })

  it('refuses no syntax that is taken here', () => {
    const taken = Object.entries(facts.answers).filter(([condition, theirs]) => theirs.includes('P') && load(condition))
    expect(taken).toEqual([])
  })
})
