/**
 * What is done with each finding and each key, for one tenant and one set of purposes. Where several rules speak, the
 * strictest wins. Worked out once a combination, and once a key within it; the same decision is what `explain` tells.
 */
import { ConfigError } from '../../src/errors.ts'
import { KeyMemo } from '../../src/otlp/keys.ts'
import { nothingTold, type Told } from './audit.ts'
import type { Config } from './config.ts'
import { hintOf, type KeyHint, lastScan, noHint, scanText } from './detect/index.ts'
import type { Detector } from './detect/registry.ts'
import { wordsOf } from './detect/secret_keys.ts'
import { type Encoding, encodingOf } from './encoded.ts'
import { globs, type Matcher } from './globs.ts'
import { entryOfWords, type KeyEntry, keyGlobs, keyTable } from './key_table.ts'
import { clearFate, type Fate, type MetadataPolicy } from './metadata.ts'
import { type Action, plain, readTreatment, strictest, type Treatment } from './treatment.ts'

/** What a key decides about its value. */
export interface Verdict {
  readonly action: Action | 'scan'
  readonly treatment: Treatment
  /** The label of a mask. */
  readonly type: string
  /** As it is told and counted: never a key that is personal itself. */
  readonly key: string
  readonly hint: KeyHint
  /** What the key says its value is wrapped in. */
  readonly encoding: Encoding
  /** What becomes of it by the rule that only metadata leaves. */
  readonly fate: Fate
  /** Whether the key itself holds personal data or a secret. */
  readonly isPersonal: boolean
  /** The last value of this key in which nothing was found, in the request of that number: records repeat themselves. */
  readonly clean: { request: number; start: number; end: number }
  readonly told: Told
}
export const nothingClean = (): Verdict['clean'] => ({ request: -1, start: 0, end: 0 })

/** The rules of the whole, of a tenant, of a purpose; `origin` is where they stand in the config. */
export interface Layer {
  readonly origin: string
  readonly rules: Pick<Config, 'detectors' | 'keys'>
}

/** A rule that speaks about something, and where it stands. */
export interface Spoken {
  readonly treatment: Treatment
  readonly origin: string
}

/** Treatments by type where `mask` is not the sane one. */
const defaults: Readonly<Record<string, Treatment>> = { ip: plain('generalize'), url: plain('keep') }

interface KeyRule extends Spoken {
  readonly matches: Matcher
}

export class Policy {
  readonly detectors: readonly Detector[]
  /** Detector → what is done with its findings. */
  readonly treatmentOf: readonly Treatment[]
  readonly metadata: MetadataPolicy | undefined
  readonly keys: KeyMemo<Verdict>
  /** The same for names of JSON that lie in bytes, by their own table of keys. */
  readonly names: KeyMemo<Verdict>
  /** What is decided about names that are no attribute keys: inside JSON, in key-value lists. Bounded by clearing. */
  readonly #nested = new Map<string, Verdict>()
  readonly #rules: readonly KeyRule[]
  readonly #layers: readonly Layer[]
  readonly #own: Readonly<Record<string, Treatment>>

  /** `own`: what is done with findings of the user's detectors. */
  constructor(
    layers: readonly Layer[],
    all: readonly Detector[],
    own: Readonly<Record<string, Treatment>>,
    metadata: MetadataPolicy | undefined,
  ) {
    this.#layers = layers
    this.#own = own
    this.detectors = all
    this.treatmentOf = all.map((detector) => this.ofDetector(detector).treatment)
    this.#rules = layers.flatMap(({ origin, rules }) =>
      Object.entries(rules.keys).map(([key, option]) => ({
        matches: globs([key]),
        treatment: readTreatment(option),
        origin: `${origin}keys["${key}"]`,
      })),
    )
    this.metadata = metadata
    this.keys = new KeyMemo((key) => this.#decide(key))
    this.names = new KeyMemo((key) => this.#decide(key))
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

  /** What is done with the findings of a detector, and who says so. */
  ofDetector({ name, type }: Detector): Spoken {
    const spoken = this.#layers.flatMap(({ origin, rules }) => {
      const named = Object.hasOwn(rules.detectors, name) ? name : type
      const option = Object.hasOwn(rules.detectors, named) ? rules.detectors[named] : undefined
      return option === undefined ? [] : [{ treatment: readTreatment(option), origin: `${origin}detectors.${named}` }]
    })
    const ruled = strictest(spoken.map(({ treatment }) => treatment))
    if (ruled) return { treatment: ruled, origin: originOf(spoken, ruled) }
    const own = Object.hasOwn(this.#own, name) ? this.#own[name] : undefined
    if (own) return { treatment: own, origin: `custom_detectors ${name}` }
    return { treatment: defaults[type] ?? plain('mask'), origin: 'built in' }
  }

  /** What is done with a key's value, and who says so. Undefined: the detectors look at it. */
  ofKey(key: string): (Spoken & { readonly type: string }) | undefined {
    const known = entryOf(key)
    const type = known?.type ?? 'masked'
    const spoken = this.#rules.filter(({ matches }) => matches(key))
    const ruled = strictest(spoken.map(({ treatment }) => treatment))
    if (ruled) return { treatment: ruled, origin: originOf(spoken, ruled), type }
    if (known === undefined || known.action === 'scan') return undefined
    return { treatment: plain(known.action), origin: `a known key (${known.type})`, type }
  }

  #decide(key: string): Verdict {
    if (key.startsWith('douane.')) return ownKey
    scanText(key, noHint)
    const isPersonal = lastScan().hits.count > 0
    const ruled = this.ofKey(key)
    return {
      action: ruled?.treatment.action ?? 'scan',
      treatment: ruled?.treatment ?? plain('mask'),
      type: ruled?.type ?? 'masked',
      key: isPersonal ? '<personal>' : key,
      hint: hintOf(key),
      encoding: encodingOf(key),
      fate: this.metadata?.fate(key) ?? clearFate,
      isPersonal,
      clean: nothingClean(),
      told: nothingTold(),
    }
  }
}

/** What the gateway itself adds. */
const ownKey: Verdict = {
  action: 'keep',
  treatment: plain('keep'),
  type: 'own',
  key: 'douane',
  hint: noHint,
  encoding: 'none',
  fate: clearFate,
  isPersonal: false,
  clean: nothingClean(),
  told: nothingTold(),
}

const entryOf = (key: string): KeyEntry | undefined =>
  keyTable.get(key) ?? keyGlobs.find(([glob]) => glob(key))?.[1] ?? entryOfWords(wordsOf(key).join(' '))

/** Every rule that is as strict as what came out. */
const originOf = (spoken: readonly Spoken[], ruled: Treatment): string =>
  spoken
    .filter(({ treatment }) => treatment.action === ruled.action)
    .map(({ origin }) => origin)
    .join(', ')

/** Throws `ConfigError` for a name that no detector has, with the known ones, nearest first. */
export function checkNames(rules: Pick<Config, 'detectors'>, path: readonly string[], all: readonly Detector[]): void {
  const known = [...new Set(all.flatMap(({ name, type }) => [type, name]))]
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
