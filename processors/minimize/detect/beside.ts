/**
 * What stands right beside a value.
 *
 * The key that a value has of its own in `key=value` or `"key":"value"`. Where there is one, the words before it belong to
 * other values: `phone_type=mobile bytes=40000500` holds no phone number. Keys that say nothing (`value`, `input`) do not
 * count, since then the words before say it: `field=bsn value=123456782`.
 */
import { alpha, classes, digit, quote, token } from './ascii.ts'
import { Phrases } from './phrases.ts'
import type { Scan } from './state.ts'

const keyBytesMax = 64
const neutral = new Phrases()
for (const word of 'value val v values input number num nr no data param arg args argument text content given got actual raw str string id key field was is item entry element current new old from to for query q search term with body payload msg message account user customer client person holder owner subject identifier document doc code ref reference'.split(
  ' ',
))
  neutral.add(word, 0)

/** How far before `at` the value's own key begins; 0 = it has none that says something. */
export function ownKey(s: Scan, at: number): number {
  let end = at
  while (end > s.from && at - end < 3 && (classes[s.bytes[end - 1]!]! & quote || '([\\'.includes(char(s, end - 1))))
    end--
  const isColon = s.byte(end - 1) === 58
  if (s.byte(end - 1) !== 61 && !isColon) {
    if (end < at || s.byte(end - 1) !== 32 || (s.byte(end - 2) !== 61 && s.byte(end - 2) !== 58)) return 0
    return s.byte(end - 2) === 61 ? keyBefore(s, end - 2, at) : quotedBefore(s, end - 2, at)
  }
  return isColon ? quotedBefore(s, end - 1, at) : keyBefore(s, end - 1, at)
}
const char = (s: Scan, at: number): string => String.fromCharCode(s.byte(at))

/** Before a colon only a key in quotes counts: `name of the customer: 17` is a sentence. */
function quotedBefore(s: Scan, colon: number, at: number): number {
  return classes[s.byte(colon - 1)]! & quote ? keyBefore(s, colon, at) : 0
}

function keyBefore(s: Scan, operator: number, at: number): number {
  let end = operator
  while (
    end > s.from &&
    operator - end < 3 &&
    (classes[s.bytes[end - 1]!]! & quote || '\\ '.includes(char(s, end - 1)))
  )
    end--
  let start = end
  while (
    start > s.from &&
    end - start < keyBytesMax &&
    (classes[s.bytes[start - 1]!]! & token || s.bytes[start - 1] === 46)
  )
    start--
  if (start === end || classes[s.bytes[start]!]! & digit) return 0
  const name = start
  let word = end
  while (word > name && (classes[s.bytes[word - 1]!]! & alpha) !== 0 && end - word < 16) word--
  if (neutral.word(s.bytes, word, end) > 0) return 0
  // The words of one name: `date of birth = …`.
  for (let words = 0; words < 2 && s.byte(start - 1) === 32 && (classes[s.byte(start - 2)]! & token) !== 0; words++) {
    let before = start - 1
    while (before > s.from && start - before < keyBytesMax && classes[s.bytes[before - 1]!]! & token) before--
    start = before
  }
  s.hits.steps += at - start
  return at - start
}

const units = new Phrases()
for (const word of 'byte bytes b kb mb gb tb kib mib gib ms us ns s sec secs second seconds minutes rows row records lines files items events requests blocks pages times packets hits entries ticks px percent tokens bits'.split(
  ' ',
))
  units.add(word, 0)
/** Whether what follows says that a number counts something: `163539 bytes`. */
export function isCounted(s: Scan, end: number): boolean {
  const from = s.byte(end) === 32 ? end + 1 : end
  let to = from
  while (to - from < 9 && classes[s.byte(to)]! & alpha) to++
  return to > from && units.word(s.bytes, from, to) > 0
}
