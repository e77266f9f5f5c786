/**
 * The rule that only metadata leaves: which keys are metadata, and what is done with the rest, content.
 *
 * A record of several purposes may be under several such rules. Copies are made later, one a purpose or merged, so what
 * only some purposes may have is not taken out here: the slot says which purposes may not have it (Slots.restrict).
 */
import type { MetadataRule } from './config.ts'
import { globs, type Matcher } from './globs.ts'

/** The rule of one purpose of a record; `mask` is its bit. 0 = a record without purposes. */
export interface PurposeRule {
  readonly mask: number
  readonly rule: MetadataRule | undefined
}

/** What becomes of a field. Masks of purposes. */
export interface Fate {
  /** `clear` for all, `gone` for all, else marked: content, or different things for different purposes. */
  readonly is: 'clear' | 'gone' | 'content' | 'split'
  readonly dropFor: number
  readonly contentFor: number
  /** Whether content is sealed. */
  readonly isSealed: boolean
}
export const clearFate: Fate = { is: 'clear', dropFor: 0, contentFor: 0, isSealed: false }

interface Compiled extends PurposeRule {
  readonly isAllowed: Matcher
  /** Over paths of a structured body's fields: only globs that name the body speak about it. */
  readonly isAllowedInBody: Matcher
}

export class MetadataPolicy {
  readonly #rules: readonly Compiled[]
  /** What becomes of a body of free text, and of what is not metadata in a structured one. */
  readonly ofBody: Fate
  /** Whether fields of a structured body may be metadata. */
  readonly judgesBody: boolean
  /** Whether a text body leaves its template. */
  readonly hasTemplate: boolean
  readonly templateWords: ReadonlySet<string>

  /** Undefined where none of the purposes has a rule. */
  static of(rules: readonly PurposeRule[]): MetadataPolicy | undefined {
    return rules.some(({ rule }) => rule !== undefined) ? new MetadataPolicy(rules) : undefined
  }

  private constructor(rules: readonly PurposeRule[]) {
    this.#rules = rules.map((each) => {
      const allowed = each.rule?.allowed_keys
      const inBody = allowed?.filter((glob) => glob.startsWith('log.body.')) ?? []
      return {
        ...each,
        isAllowed: allowed === undefined ? () => true : globs([...allowed, 'douane.*']),
        isAllowedInBody: allowed === undefined ? () => true : globs(inBody),
      }
    })
    this.ofBody = this.#fate(() => false)
    this.judgesBody = rules.every(({ rule }) => rule?.allowed_keys.some((glob) => glob.startsWith('log.body.')) ?? true)
    const withTemplate = rules.flatMap(({ rule }) => (rule?.template ? [rule] : []))
    this.hasTemplate = withTemplate.length > 0
    this.templateWords = new Set(
      withTemplate.flatMap(({ template_words: words }) => words).map((word) => word.toLowerCase()),
    )
  }

  fate(key: string): Fate {
    return this.#fate(({ isAllowed }) => isAllowed(key))
  }

  /** Whether all purposes may have a field of a structured body in the clear; `path` begins with `log.body.`. */
  allowsInBody(path: string): boolean {
    return this.#rules.every(({ isAllowedInBody }) => isAllowedInBody(path))
  }

  #fate(isAllowed: (rule: Compiled) => boolean): Fate {
    let dropFor = 0
    let contentFor = 0
    let isSealed = false
    let clear = 0
    let gone = 0
    for (const each of this.#rules) {
      if (each.rule === undefined || isAllowed(each)) clear++
      else if (each.rule.otherwise === 'drop') {
        dropFor |= each.mask
        gone++
      } else {
        contentFor |= each.mask
        isSealed ||= each.rule.otherwise === 'encrypt'
      }
    }
    if (clear === this.#rules.length) return clearFate
    const is = gone === this.#rules.length ? 'gone' : clear > 0 ? 'split' : 'content'
    return { is, dropFor, contentFor, isSealed }
  }
}
