/**
 * The texts of which a pattern needs one, so that bytes can be searched for them without making a string.
 *
 *   logged (in|out)|denied     "logged in", "logged out", "denied": it matches where one is there, and only there
 *   user [0-9]+ locked         " locked": it may match where that is there, and nowhere else
 *   ^[a-z]+$                   nothing
 *
 * ASCII without control characters; `(?i)` may stand in front. What this does not know, it says nothing of.
 */
import { limits } from '../limits.ts'

export interface Literals {
  /** Small letters where `folds`. */
  readonly texts: readonly string[]
  readonly folds: boolean
  /** One of them is enough: else the pattern itself has to be asked where one is there. */
  readonly isExact: boolean
}

const textLengthMin = 2

/** What a part of a pattern matches: exactly these texts, or something else. */
type Part = readonly string[] | undefined
/** Of one alternative, or of several: exactly these, or one of these within. */
interface Found {
  readonly texts: readonly string[]
  readonly isExact: boolean
}

export function literalsOf(pattern: string): Literals | undefined {
  const folds = pattern.startsWith('(?i)')
  const reader = new Reader(folds ? pattern.slice(4).toLowerCase() : pattern)
  const found = reader.alternatives()
  if (found === undefined || !reader.isAtEnd) return undefined
  const texts = [...new Set(found.texts)]
  const isFine = texts.every((text) => text.length >= textLengthMin && text.length <= limits.literalBytesMax)
  return isFine && texts.length > 0 ? { texts, folds, isExact: found.isExact } : undefined
}

class Reader {
  readonly #pattern: string
  #at = 0

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  get isAtEnd(): boolean {
    return this.#at === this.#pattern.length
  }

  /** Undefined: nothing is known of one of them. */
  alternatives(): Found | undefined {
    const texts: string[] = []
    let isExact = true
    let isKnown = true
    for (;;) {
      const parts = this.#parts()
      if (parts === undefined) return undefined
      const found = required(parts)
      isKnown &&= found !== undefined
      texts.push(...(found?.texts ?? []))
      isExact &&= found?.isExact ?? false
      if (this.#pattern[this.#at] !== '|') break
      this.#at++
    }
    return isKnown && texts.length <= limits.literalsMax ? { texts, isExact } : { texts: [], isExact: false }
  }

  #parts(): Part[] | undefined {
    const parts: Part[] = []
    while (!this.isAtEnd && !'|)'.includes(this.#pattern[this.#at]!)) {
      const part = this.#part()
      if (part === null) return undefined
      const quantifier = /^(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})\??/.exec(this.#pattern.slice(this.#at))
      if (quantifier !== null) this.#at += quantifier[0].length
      else if (this.#pattern[this.#at] === '{') return undefined
      parts.push(quantifier === null ? part : undefined)
    }
    return parts
  }

  /** Null: this is not understood. */
  #part(): Part | null {
    const character = this.#pattern[this.#at++]!
    if (character === '(') return this.#group()
    if (character === '[') {
      const rest = /^\^?(?:[^\\\][]|\\[dws\\.^$|?*+(){}\][/-])+\]/.exec(this.#pattern.slice(this.#at))
      if (rest === null) return null
      this.#at += rest[0].length
      return undefined
    }
    if (character === '\\') {
      const next = this.#pattern[this.#at++] ?? ''
      if ('dwsb'.includes(next) && next !== '') return undefined
      return '\\.^$|?*+(){}[]/-'.includes(next) && next !== '' ? [next] : null
    }
    if ('.^$'.includes(character)) return undefined
    return character >= ' ' && character <= '~' && !'*+?{}])'.includes(character) ? [character] : null
  }

  #group(): Part | null {
    if (this.#pattern[this.#at] === '?') {
      if (this.#pattern.slice(this.#at, this.#at + 2) !== '?:') return null
      this.#at += 2
    }
    const found = this.alternatives()
    if (found === undefined || this.#pattern[this.#at++] !== ')') return null
    return found.isExact ? found.texts : undefined
  }
}

/** The best run of exact parts: the one whose shortest text is longest. */
function required(parts: readonly Part[]): Found | undefined {
  let best: readonly string[] | undefined
  let run: readonly string[] = ['']
  const offer = (): void => {
    if (best === undefined || shortest(run) > shortest(best)) best = run
    run = ['']
  }
  let isExact = true
  for (const part of parts) {
    const longer = part?.flatMap((tail) => run.map((head) => head + tail))
    if (longer !== undefined && longer.length <= limits.literalsMax) run = longer
    else {
      isExact = false
      offer()
      if (part !== undefined) run = part
    }
  }
  offer()
  return shortest(best!) === 0 ? undefined : { texts: best!, isExact }
}

const shortest = (texts: readonly string[]): number => Math.min(...texts.map((text) => text.length))
