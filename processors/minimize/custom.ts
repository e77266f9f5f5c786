/**
 * The user's own detectors: patterns run by RE2 in linear time, with context words and a checksum where they are given.
 * Their numbers follow those of the built-in detectors, and belong to one processor: two processors may use one name.
 *
 * RE2 needs text where the built-in detectors read bytes, so a request is first searched for the letters that a pattern
 * must contain; where none occurs, its values are looked at by the built-in detectors alone.
 */
import { RE2JS } from 're2js'
import { ConfigError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import type { CustomDetectorOption } from './config.ts'
import { checksumHolds } from './detect/checksums.ts'
import type { Hits } from './detect/hits.ts'
import { type Detector, detectors } from './detect/registry.ts'
import { wordsOf } from './detect/secret_keys.ts'
import { catastrophe } from './pattern_check.ts'

interface Custom {
  readonly id: number
  readonly option: CustomDetectorOption
  readonly pattern: RE2JS
  /** Text that every match contains; undefined = none is known. */
  readonly literal: string | undefined
  readonly context: RE2JS | undefined
}

export class CustomDetectors {
  readonly #all: readonly Custom[]
  /** The built-in detectors, then these: what a finding's number stands for. */
  readonly detectors: readonly Detector[]
  /** Whether a value of the request at hand may hold anything of these. */
  #isPossible = true

  /** Throws `ConfigError` for a name that is taken, and a pattern that cannot be used. */
  constructor(options: readonly CustomDetectorOption[]) {
    const taken = new Set(options.length === 0 ? [] : detectors.flatMap(({ name, type }) => [name, type]))
    this.#all = options.map((option, i) => {
      if (taken.has(option.name))
        throw new ConfigError(`the name "${option.name}" is taken`, ['custom_detectors', i, 'name'], 'Choose another.')
      taken.add(option.name)
      const pattern = compile(option.pattern, i)
      const words = option.context.map((word) => wordsOf(word).join('[^\\pL\\pN]*')).filter((word) => word !== '')
      return {
        id: detectors.length + i,
        option,
        pattern,
        literal: requiredText(option.pattern),
        context: words.length === 0 ? undefined : RE2JS.compile(`(?i)(?:^|[^\\pL])(?:${words.join('|')})(?:$|[^\\pL])`),
      }
    })
    this.detectors = [...detectors, ...options.map(({ name }) => ({ name, type: name }))]
  }

  get isEmpty(): boolean {
    return this.#all.length === 0
  }
  /** Whether values of this request, as they came in, must be read as text. */
  get isPossible(): boolean {
    return this.#isPossible
  }

  /** Once a request, before its values. */
  begin(body: Buffer): void {
    this.#isPossible = this.#all.some(({ literal }) => literal === undefined || body.includes(literal))
  }

  /** Adds what is found in `text`, under the attribute's key, to `hits`. Beyond its budget the value is given up. */
  scan(text: string, key: string, hits: Hits): void {
    const stepsMax = Math.max(limits.customStepsMax, 2 * text.length)
    let steps = 0
    for (const { id, option, pattern, literal, context } of this.#all) {
      if (literal !== undefined && !text.includes(literal)) continue
      const matcher = pattern.matcher(text)
      while (matcher.find()) {
        // One find may look at all of the text.
        steps += text.length + 1
        if (steps > stepsMax) {
          hits.overflow = true
          return
        }
        const [start, end] = [matcher.start(), matcher.end()]
        if (end === start) continue
        if (option.checksum !== undefined && !checksumHolds(option.checksum, text.slice(start, end))) continue
        if (context !== undefined && !isNamed(context, text, start, key)) continue
        hits.add(start, end, id, 99)
      }
    }
    hits.sort()
  }
}

/** Accents and capitals aside: in the key, or not far before the finding. */
function isNamed(context: RE2JS, text: string, start: number, key: string): boolean {
  const before = text.slice(Math.max(0, start - limits.customContextLengthMax), start)
  return [before, key].some((each) => context.matcher(wordsOf(each).join(' ')).find())
}

function compile(pattern: string, index: number): RE2JS {
  const refuse = (reason: string, fix: string): never => {
    throw new ConfigError(`the pattern cannot be used: ${reason}`, ['custom_detectors', index, 'pattern'], fix)
  }
  try {
    const reason = catastrophe(pattern)
    if (reason !== undefined) refuse(reason, 'Write it so that a text matches in one way: `a+` instead of `(a+)+`.')
    return RE2JS.compile(pattern)
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    const reason = cause instanceof Error ? cause.message : 'it is no regular expression'
    return refuse(reason, 'Leave out back-references and look-around: they cannot be matched in linear time.')
  }
}

/** The longest run of plain letters, digits, `-` and `_` that stands outside of groups, classes and alternatives. */
function requiredText(pattern: string): string | undefined {
  if (/\(\?|[|]/.test(pattern)) return undefined
  let longest = ''
  let run = ''
  let depth = 0
  const close = (): void => {
    if (run.length > longest.length) longest = run
    run = ''
  }
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!
    if (c === '[') {
      close()
      i = pattern.indexOf(']', i + 2)
      if (i < 0) return undefined
    } else if (c === '(' || c === ')') {
      close()
      depth += c === '(' ? 1 : -1
    } else if (depth === 0 && /[A-Za-z0-9_-]/.test(c)) run += c
    else {
      // A quantifier takes the last letter away from what must be there.
      if ('*?{'.includes(c)) run = run.slice(0, -1)
      close()
      if (c === '\\') i++
      else if (c === '{') i = Math.max(i, pattern.indexOf('}', i))
    }
  }
  close()
  return longest.length >= 3 ? longest : undefined
}
