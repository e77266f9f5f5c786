/**
 * Values whose key alone says what they are, and in which nothing makes the scan stop: `{"licensePlate":"ab51 abc"}`,
 * `{"bic":"DEUTDEFF"}`, `{"dob":"June 19, 1952"}`.
 */
import { classes, space } from './ascii.ts'
import { dateAt } from './birth.ts'
import { codes } from './codes.ts'
import { wholeCode } from './mixed.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'
import { topicIds } from './topics.ts'

const lengthMin = 4
const lengthMax = 40
const birthDate = detector('birth_date')
const topicsOfCodes = new Set([topicIds.birth_date, ...codes.flatMap(({ topics }) => topics.map((t) => topicIds[t]))])

/** Whether values of a key with these topics have to be looked at as a whole. */
export const mayBeCode = (topics: readonly number[]): boolean => topics.some((topic) => topicsOfCodes.has(topic))

/** Looks at the whole value; the key's topics are the scan's. */
export function keyedValue(s: Scan): void {
  let { from, to } = s
  while (from < to && classes[s.bytes[from]!]! & space) from++
  while (to > from && classes[s.bytes[to - 1]!]! & space) to--
  if (to - from < lengthMin || to - from > lengthMax) return
  if (s.context.keyTopics.includes(topicIds.birth_date) && dateAt(s, from) === to) s.hits.add(from, to, birthDate, 90)
  else wholeCode(s, from, to)
}
