/**
 * Puts actions in place of findings: in text, in JSON inside text (which stays valid JSON), in trees of values.
 *
 * One visit of a field fills `seals`, `drops` and the counts. Fail closed: when a detector throws, or gives up at one of
 * its bounds, the whole value is replaced.
 */
import { isUtf8 } from 'node:buffer'
import { limits } from '../../src/limits.ts'
import type { AnyValue } from '../../src/otlp/value.ts'
import { generalize, type Hasher, mask } from './actions.ts'
import type { Action } from './config.ts'
import { type KeyHint, lastScan, scanBytes, scanText } from './detect/index.ts'
import { detectors } from './detect/registry.ts'
import { rewriteJson } from './json.ts'
import type { CustomDetector, Policy, Verdict } from './policy.ts'

export const unscanned = 'unscanned'

export class Rewriter {
  policy: Policy
  readonly #hasher: Hasher
  readonly #custom: readonly CustomDetector[]
  readonly #counted: (action: Action, type: string) => void
  /** What the field that is being visited must be: sealed, or taken out. */
  seals = false
  drops = false

  constructor(
    policy: Policy,
    hasher: Hasher,
    custom: readonly CustomDetector[],
    counted: (action: Action, type: string) => void,
  ) {
    this.policy = policy
    this.#hasher = hasher
    this.#custom = custom
    this.#counted = counted
  }

  begin(): void {
    this.seals = false
    this.drops = false
  }

  /** The new text of ASCII bytes[start, end); undefined = as it is. The caller hands over other bytes as text. */
  bytes(bytes: Buffer, start: number, end: number, hint: KeyHint): string | undefined {
    let isScanned = false
    try {
      isScanned = this.#custom.length === 0 && scanBytes(bytes, start, end, hint)
    } catch {
      return this.#whole(unscanned)
    }
    if (!isScanned) return this.text(bytes.utf8Slice(start, end), hint, 0)
    const { hits } = lastScan()
    if (hits.count === 0 && !hits.overflow)
      return mayBeEscaped(bytes, start, end) ? this.text(bytes.latin1Slice(start, end), hint, 0) : undefined
    if (isJsonStart(bytes[start]!)) return this.text(bytes.latin1Slice(start, end), hint, 0)
    return this.#replace(bytes.latin1Slice(start, end), start)
  }

  /** The new text; undefined = as it is. `depth`: how many strings of JSON this one is inside. */
  text(text: string, hint: KeyHint, depth: number): string | undefined {
    if (depth <= limits.embeddedJsonDepthMax && text.length > 1 && isJsonStart(text.charCodeAt(0))) {
      const json = rewriteJson(text, this, depth)
      if (json.isJson) return json.text
    }
    try {
      scanText(text, hint)
      this.#scanCustom(text)
    } catch {
      return this.#whole(unscanned)
    }
    const { hits } = lastScan()
    return hits.count === 0 && !hits.overflow ? undefined : this.#replace(text, 0)
  }

  #scanCustom(text: string): void {
    const { hits } = lastScan()
    for (const { id, pattern } of this.#custom) {
      const matcher = pattern.matcher(text)
      while (matcher.find()) if (matcher.end() > matcher.start()) hits.add(matcher.start(), matcher.end(), id, 99)
    }
    if (this.#custom.length > 0) hits.sort()
  }

  #replace(text: string, base: number): string | undefined {
    const { hits } = lastScan()
    if (hits.overflow) return this.#whole(unscanned)
    let out = ''
    let at = 0
    let isChanged = false
    for (let i = 0; i < hits.count; i++) {
      const { type } = detectors[hits.detector[i]!]!
      const action = this.policy.actionOf[hits.detector[i]!]!
      if (action === 'keep') continue
      this.#counted(action, type)
      const start = hits.start[i]! - base
      const end = hits.end[i]! - base
      if (this.#isWholeField(action)) continue
      out += text.slice(at, start) + this.piece(action, type, text.slice(start, end))
      at = end
      isChanged = true
    }
    return isChanged ? out + text.slice(at) : undefined
  }

  /** Drop and encrypt concern the whole field. */
  #isWholeField(action: Action): boolean {
    if (action === 'drop') this.drops = true
    else if (action === 'encrypt') this.seals = true
    else return false
    return true
  }

  piece(action: Action, type: string, text: string): string {
    if (action === 'hash') return this.#hasher.hash(text)
    return action === 'generalize' ? generalize(type, text) : mask(type)
  }

  #whole(type: string): string {
    this.#counted('mask', type)
    return mask(type)
  }

  /** A value of a key that says itself what is done; undefined = as it is. */
  keyed(verdict: Verdict, text: string): string | undefined {
    const action = verdict.action as Action
    if (action === 'keep' || text === '' || text === '-') return undefined
    if (text.startsWith('hmac:') || text.startsWith('cose:')) return undefined
    this.#counted(action, verdict.type)
    return this.#isWholeField(action) ? undefined : this.piece(action, verdict.type, text)
  }

  /** A tree of values; the same object = as it is. */
  tree(value: AnyValue, verdict: Verdict): AnyValue {
    switch (value.kind) {
      case 'string': {
        const text =
          verdict.action === 'scan' ? this.text(value.value, verdict.hint, 0) : this.keyed(verdict, value.value)
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

  /** The value of a key that decides is treated as a whole, whatever stands inside it. */
  #entries(value: Extract<AnyValue, { kind: 'kvlist' }>, verdict: Verdict): AnyValue {
    let isChanged = false
    const entries = value.entries.map((entry) => {
      const own = this.policy.nested(entry.key)
      const key = own.isPersonal ? (this.text(entry.key, own.hint, 0) ?? entry.key) : entry.key
      const inner = this.tree(entry.value, verdict.action === 'scan' ? own : verdict)
      if (inner === entry.value && key === entry.key) return entry
      isChanged = true
      return { key, value: inner }
    })
    return isChanged ? { kind: 'kvlist', entries } : value
  }

  number(value: Extract<AnyValue, { kind: 'int' | 'double' }>, verdict: Verdict): AnyValue {
    const text = String(value.value)
    const changed = verdict.action === 'scan' ? this.text(text, verdict.hint, 0) : this.keyed(verdict, text)
    return changed === undefined ? value : { kind: 'string', value: changed }
  }

  /** Bytes that are text are looked at as text; others as latin-1, and replaced whole where they hold something. */
  #binary(value: Extract<AnyValue, { kind: 'bytes' }>, verdict: Verdict): AnyValue {
    const isText = isUtf8(value.value)
    const text = Buffer.from(value.value).toString(isText ? 'utf8' : 'latin1')
    const changed = verdict.action === 'scan' ? this.text(text, verdict.hint, 0) : this.keyed(verdict, text)
    if (changed === undefined) return value
    return isText ? { kind: 'bytes', value: Buffer.from(changed) } : { kind: 'string', value: mask('bytes') }
  }
}

const isJsonStart = (c: number): boolean => c === 123 || c === 91
/** Text in which `@` may be written `\u0040`. */
function mayBeEscaped(bytes: Buffer, start: number, end: number): boolean {
  if (!isJsonStart(bytes[start]!)) return false
  for (let i = start; i < end - 1; i++) if (bytes[i] === 92) return true
  return false
}
