/**
 * What the words near a candidate say, for processors/minimize/detect/context.ts: it copies the bytes here, and reads how
 * far away each topic was named. test/oracle/context.ts is the same in TypeScript, and where the steps are explained.
 *
 * Why not TypeScript: a few dozens of bytes are cut into words and looked up for each number that is met. There each
 * look at a byte costs a check of the bounds, and a look at the object that holds the table: three times the time.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

/** The bytes at hand; in front of them is the byte before them, 0 where there is none. */
export const text: i32 = 16
export const textMax: i32 = 160
/** Byte → class bits of ascii.ts, and the same in lower case. */
export const classes: i32 = 256
export const lowered: i32 = 512
/** Topic → distance, and letters of the phrase that named it; which are named, after how many they are. */
export const distances: i32 = 768
export const weights: i32 = 1024
export const namedCount: i32 = 1280
const named: i32 = 1281
/** Words at hand: start and end. */
const words: i32 = 1552
/** What is glued to words: length (1), text; and one byte a letter that one of them ends in. */
export const endings: i32 = 2944
export const endingsMax: i32 = 8
export const endingRow: i32 = 16
export const endingLetters: i32 = 3072
/** One bit a place: how the first words of phrases begin (openings.ts); where a phrase may go on (phrases.ts). */
export const openings: i32 = 3328
export const beginnings: i32 = openings + 4096
/** Bucket → entry (u16); entry → its text (u32), length (u16), meanings (u16), which stand behind the text. */
export const buckets: i32 = beginnings + 2048
export const entries: i32 = buckets + 32768
export const entriesMax: i32 = 8192
export const phrases: i32 = entries + entriesMax * 8

const DIGIT: i32 = 1
const UPPER: i32 = 2
const LOWER: i32 = 4
const ALPHA: i32 = UPPER | LOWER
const FAR: i32 = 255
const WORDS_MAX: i32 = 20
const PHRASE_WORDS_MAX: i32 = 4
const BEHIND_WORDS_MAX: i32 = 5
const BEHIND: i32 = -2
const SHORT_WORD_BYTES_MAX: i32 = 20
const GAP_MAX: i32 = 3
const JOINT: i32 = 95
const SEED: i32 = <i32>0x811c9dc5
const STEM_MIN: i32 = 3
/** Topics from here on may be named by short words from afar. Set by the host. */
export let shortTopicsEnd: i32 = 0

@inline function classAt(at: i32): i32 {
  return <i32>load<u8>(classes + <i32>load<u8>(at))
}
@inline function lowerAt(at: i32): i32 {
  return <i32>load<u8>(lowered + <i32>load<u8>(at))
}
@inline function startOf(word: i32): i32 {
  return load<i32>(words + (word << 3))
}
@inline function endOf(word: i32): i32 {
  return load<i32>(words + (word << 3), 4)
}
@inline function step(hash: i32, byte: i32): i32 {
  return (hash ^ byte) * 0x01000193
}
@inline function bucketOf(hash: i32): i32 {
  return (hash ^ (hash >>> 15)) & 16383
}
@inline function bit(table: i32, place: i32): bool {
  return ((<i32>load<u8>(table + (place >>> 3)) >>> (place & 7)) & 1) != 0
}

/** Reads the words in [from, to) before a candidate at `to`. `isCut`: the byte before `from` belongs to the text. */
export function look(from: i32, to: i32, isCut: bool): void {
  for (let i = <i32>load<u8>(namedCount) - 1; i >= 0; i--) store<u8>(distances + <i32>load<u8>(named + i), FAR)
  store<u8>(namedCount, 0)
  const count = cut(from, to, isCut)
  for (let word = max(0, count - WORDS_MAX); word < count; word++) {
    const end = endOf(word)
    const isGlued = word + 1 < count && startOf(word + 1) == end
    if (isGlued || opens(startOf(word), end)) phrasesFrom(word, count, to)
  }
}

/** Adds what the words in [from, to) say, which stand behind the candidate. */
export function behind(from: i32, to: i32): void {
  const count = min(cut(from, to, false), BEHIND_WORDS_MAX)
  for (let word = 0; word < count; word++) phrasesFrom(word, count, BEHIND)
}

/** Names a topic: the nearest counts, of two as near that of more letters. */
export function name(topic: i32, distance: i32, weight: i32): void {
  if (weight > 0 && weight < 4 && distance > SHORT_WORD_BYTES_MAX && topic < shortTopicsEnd) return
  const known = <i32>load<u8>(distances + topic)
  if (known == FAR) {
    const count = <i32>load<u8>(namedCount)
    store<u8>(named + count, topic)
    store<u8>(namedCount, count + 1)
  }
  if (distance > known) return
  if (distance < known || weight > <i32>load<u8>(weights + topic)) store<u8>(weights + topic, weight)
  store<u8>(distances + topic, distance)
}

/** Cuts [from, to) into words of letters, also at the capitals of camelCase. Returns how many. */
function cut(from: i32, to: i32, isCut: bool): i32 {
  let i = from
  if (isCut) while (i < to && (classAt(i) & ALPHA) != 0 && (classAt(i - 1) & ALPHA) != 0) i++
  let count = 0
  let before = 0
  while (i < to) {
    let kind = classAt(i)
    if ((kind & ALPHA) == 0) {
      before = kind
      i++
      continue
    }
    const start = i
    for (i++; i < to; i++) {
      kind = classAt(i)
      if ((kind & LOWER) == 0 && ((kind & UPPER) == 0 || isHump(i, to))) break
    }
    const isWord = (before & DIGIT) == 0 && (i - start >= 5 || (kind & DIGIT) == 0)
    before = ALPHA
    if (!isWord) continue
    const row = words + (count++ << 3)
    store<i32>(row, start)
    store<i32>(row, i, 4)
  }
  return count
}
@inline function isHump(at: i32, to: i32): bool {
  return (classAt(at - 1) & (LOWER | DIGIT)) != 0 || (at + 1 < to && (classAt(at + 1) & LOWER) != 0)
}

/** Whether a phrase may begin with this word, or with what is left of it without its ending: `Openings.has`. */
function opens(start: i32, end: i32): bool {
  const length = end - start
  const first = load<i32>(start)
  const a = (first & 31) << 15
  const b = length > 1 ? ((first >>> 8) & 31) << 10 : 0
  const c = length > 2 ? ((first >>> 16) & 31) << 5 : 0
  if (bit(openings, folded(a | b | c | (length > 3 ? (first >>> 24) & 31 : 0)))) return true
  return length > STEM_MIN && bit(openings, folded(a | b | c)) && stemEnd(start, end) == start + STEM_MIN
}
@inline function folded(letters: i32): i32 {
  return (letters ^ (letters >>> 7)) & 32767
}

/** Where a word's ending begins; 0 = it has none. */
function stemEnd(start: i32, end: i32): i32 {
  if (load<u8>(endingLetters + lowerAt(end - 1)) == 0) return 0
  for (let row = endings; row < endings + endingsMax * endingRow; row += endingRow) {
    const length = <i32>load<u8>(row)
    const at = end - length
    if (length == 0 || at - start < STEM_MIN) continue
    let i = 0
    while (i < length && lowerAt(at + i) == load<u8>(row + 1 + i)) i++
    if (i == length) return at
  }
  return 0
}

/** Names what phrases say that begin with word `first`. `at`: the candidate, or `BEHIND`. */
function phrasesFrom(first: i32, count: i32, at: i32): void {
  let hash = SEED
  let glued = SEED
  let isGlued = true
  const start = startOf(first)
  for (let word = first; ; ) {
    const end = endOf(word)
    for (let i = startOf(word); i < end; i++) {
      const letter = lowerAt(i)
      hash = step(hash, letter)
      glued = step(glued, letter)
    }
    let entry = find(start, end, hash)
    if (entry == 0) {
      if (word == first) entry = withoutEnding(start, end)
      else if (isGlued) entry = find(start, end, glued)
    }
    if (entry != 0) nameAll(entry, min(FAR - 1, at < 0 ? -at : 1 + at - end), end - start)
    if (++word == count || word == first + PHRASE_WORDS_MAX) return
    const gap = startOf(word) - end
    if (gap > 0) isGlued = false
    if (gap > GAP_MAX || (!isGlued && !bit(beginnings, bucketOf(hash)))) return
    hash = step(hash, JOINT)
  }
}

function withoutEnding(start: i32, end: i32): i32 {
  const stem = stemEnd(start, end)
  if (stem == 0) return 0
  let hash = SEED
  for (let i = start; i < stem; i++) hash = step(hash, lowerAt(i))
  return find(start, stem, hash)
}

function nameAll(entry: i32, distance: i32, weight: i32): void {
  const row = entries + (entry << 3)
  const from = load<i32>(row) + <i32>load<u16>(row, 4)
  const to = from + <i32>load<u16>(row, 6)
  for (let meaning = from; meaning < to; meaning++) name(load<u8>(meaning), distance, weight)
}

/** The entry of the phrase in [start, end): `Phrases.find`; 0 = none. */
function find(start: i32, end: i32, hash: i32): i32 {
  let bucket = bucketOf(hash)
  let entry = <i32>load<u16>(buckets + (bucket << 1))
  while (entry != 0 && !isPhrase(entry, start, end)) {
    bucket = (bucket + 1) & 16383
    entry = <i32>load<u16>(buckets + (bucket << 1))
  }
  return entry
}

function isPhrase(entry: i32, start: i32, end: i32): bool {
  const row = entries + (entry << 3)
  let at = load<i32>(row)
  const last = at + <i32>load<u16>(row, 4)
  let i = start
  while (i < end) {
    if (at == last) return false
    if (load<u8>(at) == JOINT) {
      at++
      while (i < end && !isLetter(lowerAt(i))) i++
      continue
    }
    if (load<u8>(at) != lowerAt(i)) return false
    at++
    i++
  }
  return at == last
}
@inline function isLetter(c: i32): bool {
  return (c >= 97 && c <= 122) || c == 0x1a
}
