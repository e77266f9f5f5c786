/**
 * What the words near a candidate say (wasm/context.ts), the slow way: strings, a map of phrases, no shortcut. It knows the
 * lists of words and the endings, and nothing else of processors/minimize.
 */
import { endings } from '../../processors/minimize/detect/openings.ts'
import { topicIds, topics, topicWords } from '../../processors/minimize/detect/topics.ts'

interface Word {
  readonly start: number
  readonly end: number
  readonly text: string
}
export interface Near {
  readonly distance: number
  readonly weight: number
}

const phrases = new Map<string, Set<number>>()
for (const topic of topics)
  for (const phrase of topicWords[topic].split(' ')) {
    const glued = phrase.replaceAll('_', '')
    for (const form of glued.length >= 7 ? [phrase, glued] : [phrase])
      phrases.set(form, (phrases.get(form) ?? new Set()).add(topicIds[topic]))
  }
const glueable = endings.map((ending) => Buffer.from(ending).toString('latin1'))

const isLetter = (c: string | undefined): boolean => c !== undefined && /[A-Za-z\x1a]/.test(c)
const isDigit = (c: string | undefined): boolean => c !== undefined && /[0-9]/.test(c)
const isUpper = (c: string | undefined): boolean => c !== undefined && /[A-Z]/.test(c)
const isLower = (c: string | undefined): boolean => isLetter(c) && !isUpper(c)

/** The words of text[from, to). `isCut`: what stands before `from` may make the first word half a one. */
function wordsOf(text: string, from: number, to: number, isCut: boolean): Word[] {
  const found: Word[] = []
  let i = from
  if (isCut) while (i < to && isLetter(text[i]) && isLetter(text[i - 1])) i++
  const first = i
  while (i < to) {
    if (!isLetter(text[i])) {
      i++
      continue
    }
    const start = i++
    while (i < to && isLetter(text[i])) {
      const isHump = !isUpper(text[i - 1]) || (i + 1 < to && isLower(text[i + 1]))
      if (isUpper(text[i]) && isHump) break
      i++
    }
    const isHexadecimal = (start > first && isDigit(text[start - 1])) || (i - start < 5 && i < to && isDigit(text[i]))
    if (!isHexadecimal) found.push({ start, end: i, text: text.slice(start, i).toLowerCase() })
  }
  return found
}

/** How near each topic is named that is named at all. */
export class OracleContext {
  readonly near = new Map<number, Near>()

  look(text: string, from: number, at: number): void {
    this.near.clear()
    const first = Math.max(from, at - 80)
    const words = wordsOf(text, first, at, first > from).slice(-20)
    for (const w of words.keys()) this.#phrases(text, words, w, (end) => Math.min(254, 1 + at - end))
  }

  nameBehind(text: string, from: number, to: number): void {
    const words = wordsOf(text, from, to, false)
    for (const w of words.slice(0, 5).keys()) this.#phrases(text, words.slice(0, 5), w, () => 2)
  }

  #phrases(text: string, words: readonly Word[], first: number, distanceOf: (end: number) => number): void {
    const { start } = words[first]!
    for (let count = 1; count <= 4 && first + count <= words.length; count++) {
      const row = words.slice(first, first + count)
      const gaps = row.slice(1).map((word, i) => text.slice(row[i]!.end, word.start))
      if (gaps.some((gap) => gap.length > 3)) return
      if (gaps.some((gap) => [...gap].some(isLetter))) continue
      const { end } = row.at(-1)!
      let named = phrases.get(row.map((word) => word.text).join('_'))
      if (named === undefined && count === 1) named = phrases.get(stemOf(row[0]!.text))
      if (named === undefined && gaps.every((gap) => gap === ''))
        named = phrases.get(row.map((one) => one.text).join(''))
      for (const topic of named ?? []) this.#name(topic, distanceOf(end), end - start)
    }
  }

  #name(topic: number, distance: number, weight: number): void {
    if (weight < 4 && distance > 20 && topic < topicIds.c_us) return
    const known = this.near.get(topic)
    if (known !== undefined && (distance > known.distance || (distance === known.distance && weight <= known.weight)))
      return
    this.near.set(topic, { distance, weight })
  }
}

function stemOf(word: string): string {
  const ending = glueable.find((one) => word.endsWith(one) && word.length - one.length >= 3)
  return ending === undefined ? word : word.slice(0, -ending.length)
}
