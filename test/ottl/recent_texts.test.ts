/** What stands for a text stands for no other: same length, same ends, one byte apart in the middle. */
import { expect, it } from 'vitest'
import type { LogRecord } from '../../src/otlp/record.ts'
import { LogsRequest } from '../../src/otlp/request.ts'
import { parseCondition } from '../../src/ottl/checker.ts'
import { Decision } from '../../src/ottl/decision.ts'
import { recordOf, requestOf } from './records.ts'

const scanned = new LogsRequest()

/** What a decision says of a record with this event name. */
function decide(decision: Decision, eventName: string): number {
  const seen: LogRecord = recordOf(requestOf({ record: { eventName } }), scanned)
  decision.begin(scanned)
  return decision.decide(seen).mask
}

it('knows a text again, and none that differs in one byte', () => {
  for (const length of [1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 127, 128, 129]) {
    const text = 'abcdefgh'.repeat(17).slice(0, length)
    const decision = new Decision([parseCondition(`event_name == "${text}"`)], [1])
    expect([decide(decision, text), decide(decision, text), decide(decision, text)]).toEqual([1, 1, 1])
    for (let at = 0; at < length; at += length > 40 ? 5 : 1) {
      const other = `${text.slice(0, at)}Z${text.slice(at + 1)}`
      expect([decide(decision, other), decide(decision, text)], `byte ${at} of ${length}`).toEqual([0, 1])
    }
  }
})

it('gives a place to the last of the texts that want it', () => {
  const decision = new Decision([parseCondition('HasSuffix(event_name, "7")')], [1])
  for (const i of [...Array(1_500).keys(), ...Array(300).keys()]) {
    expect(decide(decision, `event.number.${i}`), String(i)).toBe(i % 10 === 7 ? 1 : 0)
  }
})
