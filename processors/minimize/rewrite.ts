/**
 * Puts actions in place of findings: in text, in JSON and encodings inside text (which stay valid), in trees of values.
 *
 * One visit of a field fills `seals`, `drops` and the counts. Fail closed: when a detector throws, or gives up at one of
 * its bounds, the whole value is replaced.
 */
import { isUtf8 } from 'node:buffer'
import { limits } from '../../src/limits.ts'
import type { Slots } from '../../src/otlp/slots.ts'
import type { AnyValue } from '../../src/otlp/value.ts'
import type { CustomDetectors } from './custom.ts'
import type { Stops } from './detect/engine.ts'
import { type KeyHint, lastScan, noHint, scanBytes, scanStopsIn, scanText } from './detect/index.ts'
import { type Encoding, rewriteEncoded } from './encoded.ts'
import { Patch } from './fast/patch.ts'
import { generalize } from './generalize.ts'
import type { Hasher } from './hasher.ts'
import { rewriteJson } from './json.ts'
import { JsonNames } from './json_names.ts'
import { masked, maskLabel } from './mask.ts'
import type { Policy, Verdict } from './policy.ts'
import type { Action, Treatment } from './treatment.ts'

export const unscanned = 'unscanned'

/** Told for each finding or key that something is done with. `detector` is the key's type where a key decided. */
export type Counted = (action: Action, type: string, detector: string) => void

export class Rewriter {
  policy: Policy
  readonly #hasher: Hasher
  readonly #custom: CustomDetectors
  readonly #counted: Counted
  readonly #names = new JsonNames()
  /** What the field that is being visited must be: sealed, or taken out. */
  seals = false
  drops = false
  readonly #patched = new Patch()
  /** The labels of masks, by detector. */
  readonly #labels: Buffer[] = []
  /** The attribute's key, which the user's detectors may want to know. */
  #key = ''

  constructor(policy: Policy, hasher: Hasher, custom: CustomDetectors, counted: Counted) {
    this.policy = policy
    this.#hasher = hasher
    this.#custom = custom
    this.#counted = counted
  }

  begin(key: string): void {
    this.seals = false
    this.drops = false
    this.#key = key
  }

  /** The new text of bytes[start, end); undefined = as it is. `isReceived`: they lie in the request as it came in. */
  bytes(bytes: Buffer, start: number, end: number, verdict: Verdict, isReceived: boolean): string | undefined {
    const { hint, encoding } = verdict
    const asBytes = encoding === 'none' && (this.#custom.isEmpty || (isReceived && !this.#custom.isPossible))
    let isScanned = false
    try {
      isScanned = asBytes && scanBytes(bytes, start, end, hint)
    } catch {
      return this.#whole(unscanned)
    }
    if (!isScanned) return this.text(bytes.utf8Slice(start, end), hint, 0, encoding)
    return this.#found(bytes, start, end, hint)
  }

  /**
   * Rewrites a slot where a prefilter tells where the detectors have to look: ASCII as it came in that is no JSON, of a key
   * without encoding. No string is made unless a treatment needs one.
   */
  slot(slots: Slots, slot: number, hint: KeyHint, first: number, stops: Stops): void {
    const { hits } = lastScan()
    let isWhole = false
    try {
      scanStopsIn(slots.body, slots.start(slot), slots.end(slot), hint, first, stops)
    } catch {
      isWhole = true
    }
    if (isWhole || hits.overflow) slots.setText(slot, this.#whole(unscanned))
    else if (hits.count > 0) this.#patch(slots, slot)
  }

  #patch(slots: Slots, slot: number): void {
    const { hits } = lastScan()
    const { body } = slots
    const patch = this.#patched
    patch.begin()
    let at = slots.start(slot)
    for (let i = 0; i < hits.count; i++) {
      const treatment = this.#treatment(i)
      const start = Math.max(at, hits.start[i]!)
      const end = hits.end[i]!
      if (treatment === undefined || end <= start) continue
      const id = hits.detector[i]!
      const { type } = this.policy.detectors[id]!
      const isMask = treatment.action === 'mask' && treatment.keepFirst + treatment.keepLast === 0
      if (isMask) patch.putBytes(start, end, this.#label(id, type))
      else if (!isPlainNetwork(type, treatment) || !patch.putNetwork(body, start, end))
        patch.putText(start, end, this.piece(treatment, type, body.latin1Slice(start, end)))
      at = end
    }
    if (!patch.isEmpty) patch.apply(slots, slot)
  }

  #label(detector: number, type: string): Buffer {
    const known = this.#labels[detector]
    if (known !== undefined) return known
    const label = Buffer.from(maskLabel(type))
    this.#labels[detector] = label
    return label
  }

  /** What becomes of bytes[start, end), in which the last scan looked. */
  #found(bytes: Buffer, start: number, end: number, hint: KeyHint): string | undefined {
    const { hits } = lastScan()
    const isJson = isJsonStart(bytes[start]!)
    if (hits.count === 0 && !hits.overflow) {
      const isOpen = isJson && this.#names.mayTell(bytes, start, end, this.policy)
      return isOpen ? this.text(bytes.latin1Slice(start, end), hint, 0) : undefined
    }
    if (isJson) return this.text(bytes.latin1Slice(start, end), hint, 0)
    return this.#replace(bytes.latin1Slice(start, end), start)
  }

  /** The new text; undefined = as it is. `depth`: how many strings of JSON or encodings this one is inside. */
  text(text: string, hint: KeyHint, depth: number, encoding: Encoding = 'none'): string | undefined {
    if (encoding !== 'none' && depth < limits.encodedDepthMax && text.length <= limits.scannedBytesMax) {
      const inner = rewriteEncoded(text, encoding, (decoded, name) => this.#unwrapped(decoded, name, hint, depth + 1))
      if (inner !== undefined) return this.text(inner, hint, depth) ?? inner
    }
    if (depth <= limits.embeddedJsonDepthMax && text.length > 1 && isJsonStart(text.charCodeAt(0))) {
      const json = rewriteJson(text, this, depth)
      if (json.isJson) return json.text
    }
    try {
      scanText(text, hint)
      if (!this.#custom.isEmpty) this.#custom.scan(text, this.#key, lastScan().hits)
    } catch {
      return this.#whole(unscanned)
    }
    const { hits } = lastScan()
    return hits.count === 0 && !hits.overflow ? undefined : this.#replace(text, 0)
  }

  /** What was wrapped may be wrapped again. A name that stood before it decides about it, as a key would. */
  #unwrapped(text: string, name: string, hint: KeyHint, depth: number): string | undefined {
    if (name === '') return this.text(text, hint, depth, 'either')
    const verdict = this.policy.nested(name)
    if (verdict.action !== 'scan') return this.keyed(verdict, text)
    return this.text(text, verdict.hint, depth, 'either')
  }

  #replace(text: string, base: number): string | undefined {
    const { hits } = lastScan()
    if (hits.overflow) return this.#whole(unscanned)
    let out = ''
    let at = 0
    let isChanged = false
    for (let i = 0; i < hits.count; i++) {
      const treatment = this.#treatment(i)
      // Findings of the users' detectors may lie over others: what one took away, the next does not bring back.
      const start = Math.max(at, hits.start[i]! - base)
      const end = hits.end[i]! - base
      if (treatment === undefined || end <= start) continue
      const { type } = this.policy.detectors[hits.detector[i]!]!
      out += text.slice(at, start) + this.piece(treatment, type, text.slice(start, end))
      at = end
      isChanged = true
    }
    return isChanged ? out + text.slice(at) : undefined
  }

  /** Counts finding `i`. What is done with it where it stands; undefined = nothing, or the whole field goes. */
  #treatment(i: number): Treatment | undefined {
    const id = lastScan().hits.detector[i]!
    const treatment = this.policy.treatmentOf[id]!
    if (treatment.action === 'keep') return undefined
    const { name, type } = this.policy.detectors[id]!
    this.#counted(treatment.action, type, name)
    return this.#isWholeField(treatment.action) ? undefined : treatment
  }

  /** Drop and encrypt concern the whole field. */
  #isWholeField(action: Action): boolean {
    if (action === 'drop') this.drops = true
    else if (action === 'encrypt') this.seals = true
    else return false
    return true
  }

  piece(treatment: Treatment, type: string, text: string): string {
    if (treatment.action === 'hash') return this.#hasher.hash(text)
    return treatment.action === 'generalize'
      ? generalize(type, text, treatment.coarseness)
      : masked(type, text, treatment)
  }

  #whole(type: string): string {
    this.#counted('mask', type, type)
    return maskLabel(type)
  }

  /** A value of a key that says itself what is done; undefined = as it is. */
  keyed(verdict: Verdict, text: string): string | undefined {
    const { action } = verdict.treatment
    if (action === 'keep' || text === '' || text === '-') return undefined
    if (text.startsWith('hmac:') || text.startsWith('cose:')) return undefined
    this.#counted(action, verdict.type, verdict.type)
    return this.#isWholeField(action) ? undefined : this.piece(verdict.treatment, verdict.type, text)
  }

  /** A tree of values; the same object = as it is. */
  tree(value: AnyValue, verdict: Verdict): AnyValue {
    switch (value.kind) {
      case 'string': {
        const text = this.#inspected(verdict, value.value)
        return text === undefined ? value : { kind: 'string', value: text }
      }
      case 'int':
      case 'double':
        return this.number(value, verdict)
      case 'array': {
        const values = value.values.map((each) => this.tree(each, verdict))
        return values.every((each, i) => each === value.values[i]) ? value : { kind: 'array', values }
      }
      case 'kvlist':
        return this.#entries(value, verdict)
      case 'bytes':
        return this.#binary(value, verdict)
      default:
        return value
    }
  }

  #inspected(verdict: Verdict, text: string): string | undefined {
    return verdict.action === 'scan' ? this.text(text, verdict.hint, 0, verdict.encoding) : this.keyed(verdict, text)
  }

  /** The value of a key that decides is treated as a whole, whatever stands inside it. */
  #entries(value: Extract<AnyValue, { kind: 'kvlist' }>, verdict: Verdict): AnyValue {
    let isChanged = false
    const entries = value.entries.map((entry) => {
      const own = this.policy.nested(entry.key)
      const key = own.isPersonal ? (this.text(entry.key, noHint, 0) ?? entry.key) : entry.key
      const inner = this.tree(entry.value, verdict.action === 'scan' ? own : verdict)
      if (inner === entry.value && key === entry.key) return entry
      isChanged = true
      return { key, value: inner }
    })
    return isChanged ? { kind: 'kvlist', entries } : value
  }

  /** A number that was made coarser may still be one. */
  number(value: Extract<AnyValue, { kind: 'int' | 'double' }>, verdict: Verdict): AnyValue {
    const changed = this.#inspected(verdict, String(value.value))
    if (changed === undefined) return value
    if (value.kind === 'int' && /^-?\d{1,18}$/.test(changed)) return { kind: 'int', value: BigInt(changed) }
    if (value.kind === 'double' && /^-?\d{1,20}(?:\.\d{1,20})?$/.test(changed))
      return { kind: 'double', value: Number(changed) }
    return { kind: 'string', value: changed }
  }

  /** Bytes that are text are looked at as text; others as latin-1, and replaced whole where they hold something. */
  #binary(value: Extract<AnyValue, { kind: 'bytes' }>, verdict: Verdict): AnyValue {
    const isText = isUtf8(value.value)
    const text = Buffer.from(value.value).toString(isText ? 'utf8' : 'latin1')
    const changed = this.#inspected(verdict, text)
    if (changed === undefined) return value
    return isText ? { kind: 'bytes', value: Buffer.from(changed) } : { kind: 'string', value: maskLabel('bytes') }
  }
}

const isPlainNetwork = (type: string, { action, coarseness }: Treatment): boolean =>
  action === 'generalize' && type === 'ip' && (coarseness.ipv4 ?? 24) === 24
const isJsonStart = (c: number): boolean => c === 123 || c === 91
