/**
 * What is done with each finding and each key, for one tenant and one set of purposes. Where several rules speak, the
 * strictest wins. Worked out once a combination, and once a key within it.
 */
import { RE2JS } from 're2js'
import { ConfigError } from '../../src/errors.ts'
import { KeyMemo } from '../../src/otlp/keys.ts'
import { type Action, type Config, strictness } from './config.ts'
import { hintOf, type KeyHint, lastScan, noHint, scanText } from './detect/index.ts'
import { detector, detectors } from './detect/registry.ts'
import { wordsOf } from './detect/secret_keys.ts'
import { globs, type Matcher } from './globs.ts'
import { entryOfWords, keyGlobs, keyTable } from './key_table.ts'

/** What a key decides about its value. */
export interface Verdict {
  readonly action: Action | 'scan'
  /** The label of a mask. */
  readonly type: string
  readonly hint: KeyHint
  /** False: content, by the rule that only metadata leaves. */
  readonly isMetadata: boolean
  /** Whether the key itself holds personal data or a secret. */
  readonly isPersonal: boolean
  /** The last value of this key in which nothing was found, in the request of that number: records repeat themselves. */
  readonly clean: { request: number; start: number; end: number }
}
export const nothingClean = (): Verdict['clean'] => ({ request: -1, start: 0, end: 0 })

export interface CustomDetector {
  readonly id: number
  readonly pattern: RE2JS
}

/** Actions by type where `mask` is not the sane one. */
const defaults: Record<string, Action> = { ip: 'generalize', url: 'keep' }

type Rules = Pick<Config, 'detectors' | 'keys'>

export class Policy {
  /** Detector → what is done with its findings. */
  readonly actionOf: readonly Action[]
  readonly otherwise: 'drop' | 'encrypt' | 'keep' | undefined
  readonly keys: KeyMemo<Verdict>
  /** What is decided about names that are no attribute keys: inside JSON, in key-value lists. Bounded by clearing. */
  readonly #nested = new Map<string, Verdict>()
  readonly #rules: readonly { matches: Matcher; action: Action }[]
  readonly #isAllowed: Matcher | undefined

  /** `own`: the actions of the user's detectors. */
  constructor(layers: readonly Rules[], own: Readonly<Record<string, Action>>, metadata: Config['metadata']) {
    this.actionOf = detectors.map(
      ({ name, type }) =>
        strictest(layers.flatMap((layer) => layer.detectors[name] ?? layer.detectors[type] ?? [])) ??
        own[type] ??
        defaults[type] ??
        'mask',
    )
    this.#rules = layers.flatMap(({ keys }) =>
      Object.entries(keys).map(([key, action]) => ({ matches: globs([key]), action })),
    )
    this.#isAllowed = metadata && globs([...metadata.allowed_keys, 'douane.*'])
    this.otherwise = metadata?.otherwise
    this.keys = new KeyMemo((key) => this.#decide(key))
  }

  nested(key: string): Verdict {
    let verdict = this.#nested.get(key)
    if (!verdict) {
      if (this.#nested.size > 4096) this.#nested.clear()
      verdict = this.#decide(key)
      this.#nested.set(key, verdict)
    }
    return verdict
  }

  #decide(key: string): Verdict {
    const isMetadata = this.#isAllowed?.(key) ?? true
    const ruled = strictest(this.#rules.filter(({ matches }) => matches(key)).map(({ action }) => action))
    const known =
      keyTable.get(key) ?? keyGlobs.find(([glob]) => globs([glob])(key))?.[1] ?? entryOfWords(wordsOf(key).join(' '))
    scanText(key, noHint)
    const isPersonal = lastScan().hits.count > 0
    if (key.startsWith('douane.'))
      return { action: 'keep', type: 'own', hint: noHint, isMetadata: true, isPersonal: false, clean: nothingClean() }
    return {
      action: ruled ?? known?.action ?? 'scan',
      type: known?.type ?? 'masked',
      hint: hintOf(key),
      isMetadata,
      isPersonal,
      clean: nothingClean(),
    }
  }
}

const strictest = (candidates: readonly Action[]): Action | undefined =>
  candidates.reduce<Action | undefined>((a, b) => (a === undefined || strictness(b) > strictness(a) ? b : a), undefined)

/** Registers the user's detectors. Throws `ConfigError` where RE2 cannot run a pattern in linear time. */
export function customDetectors(config: Config): CustomDetector[] {
  return config.custom_detectors.map(({ name, pattern }, i) => {
    try {
      return { id: detector(name), pattern: RE2JS.compile(pattern) }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : 'it is no regular expression'
      const fix = 'Leave out back-references and look-around: they cannot be matched in linear time.'
      throw new ConfigError(`the pattern cannot be used: ${reason}`, ['custom_detectors', i, 'pattern'], fix)
    }
  })
}

/** Every name that `detectors` may hold: types, and single detectors. */
const knownNames = (): string[] => [...new Set(detectors.flatMap(({ name, type }) => [type, name]))]

/** Throws `ConfigError` for a name that no detector has, with the known ones, nearest first. */
export function checkNames(rules: Pick<Config, 'detectors'>, path: readonly string[]): void {
  const known = knownNames()
  for (const name of Object.keys(rules.detectors)) {
    if (known.includes(name)) continue
    const likeness = (other: string): number =>
      [...pairsOf(other)].filter((pair) => pairsOf(name).has(pair)).length / (other.length + name.length)
    const nearest = known.toSorted((a, b) => likeness(b) - likeness(a)).slice(0, 12)
    throw new ConfigError(
      `there is no detector "${name}"`,
      [...path, 'detectors', name],
      `Known, nearest first: ${nearest.join(', ')} …`,
    )
  }
}
const pairsOf = (text: string): Set<string> =>
  new Set(Array.from({ length: text.length - 1 }, (_, i) => text.slice(i, i + 2)))
