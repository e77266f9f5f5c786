/**
 * `detect`: what personal data and secrets a text holds. The whole of minimize's eyes, for other callers and for tests.
 *
 * @example detect('mail jane@example.com')  // [{ detector: 'email', type: 'email', start: 5, end: 21, confidence: 0.95 }]
 */
import { limits } from '../../../src/limits.ts'
import { project } from './ascii.ts'
import { topicsOfKey } from './context.ts'
import { type Stops, scan, scanStops } from './engine.ts'
import { keyedValue, mayBeCode } from './keyed.ts'
import { isPlaceholderText } from './placeholder.ts'
import { isDrawn, looksRandom } from './random.ts'
import { detector, detectors } from './registry.ts'
import { SecretKey, secretKey, vendorOfKey } from './secret_keys.ts'
import { Scan } from './state.ts'
import { hasForm, type Vendor } from './vendor_names.ts'

export interface Finding {
  readonly detector: string
  readonly type: string
  /** UTF-16 offsets. */
  readonly start: number
  readonly end: number
  /** 0…1. */
  readonly confidence: number
}

/** What the key of an attribute says about its value: worked out once a key. */
export interface KeyHint {
  readonly topics: readonly number[]
  /** Whether the value as a whole may be such a number where nothing in it makes the scan stop (keyed.ts). */
  readonly isCode: boolean
  readonly secret: SecretKey
  /** Whose keys such a secret is held against. */
  readonly vendor: Vendor | undefined
}
export const noHint: KeyHint = { topics: [], isCode: false, secret: SecretKey.None, vendor: undefined }
export function hintOf(key: string): KeyHint {
  const secret = secretKey(key)
  const topics = topicsOfKey(key)
  return { topics, isCode: mayBeCode(topics), secret, vendor: secret === SecretKey.None ? undefined : vendorOfKey(key) }
}

const state = new Scan()
const generic = detector('generic_secret', 'secret')
const whole = detector('unscanned')

/**
 * Scans bytes[from, to), which must be ASCII. False: a byte >= 0x80 was met, `scanText` must be asked.
 * The findings are in `lastScan().hits`, sorted, as offsets from 0 of `bytes`.
 */
export function scanBytes(bytes: Uint8Array, from: number, to: number, hint: KeyHint): boolean {
  state.hits.clear()
  if (to - from > limits.scannedBytesMax) {
    state.hits.overflow = true
    return true
  }
  begin(bytes, from, to, hint)
  if (!scan(state)) return false
  if (hint.isCode && state.hits.count === 0) keyedValue(state)
  if (hint.secret !== SecretKey.None) wholeSecret(hint)
  if (state.hits.count > 1) state.hits.sort()
  return true
}

/** The same where a prefilter tells where to look: from `first` on. The key tells no secret. */
export function scanStopsIn(
  bytes: Uint8Array,
  from: number,
  to: number,
  hint: KeyHint,
  first: number,
  stops: Stops,
): void {
  state.hits.clear()
  begin(bytes, from, to, hint)
  scanStops(state, first, stops)
  if (state.hits.count > 1) state.hits.sort()
}

function begin(bytes: Uint8Array, from: number, to: number, hint: KeyHint): void {
  state.number++
  state.bytes = bytes
  state.from = from
  state.to = to
  state.context.reset(hint.topics)
  state.isKeyed = hint.topics.length > 0
}

/** The same over text: offsets are UTF-16. */
export function scanText(text: string, hint: KeyHint): void {
  if (text.length > limits.scannedBytesMax) {
    state.hits.clear()
    state.hits.overflow = true
    return
  }
  const projection = project(text)
  scanBytes(projection.bytes, 0, projection.length, hint)
  const { offsets } = projection
  if (offsets === undefined) return
  for (let i = 0; i < state.hits.count; i++) {
    state.hits.start[i] = offsets[state.hits.start[i]!]!
    state.hits.end[i] = offsets[state.hits.end[i]!]!
  }
}

export const lastScan = (): Scan => state

/** The value of a key that tells: a secret as a whole, as far as the kind of key says. */
function wholeSecret({ secret: kind, vendor }: KeyHint): void {
  const { bytes, from, to, hits } = state
  const length = to - from
  if (length === 0 || hits.count > 0) return
  const text = Buffer.from(bytes.subarray(from, Math.min(to, from + 96))).toString('latin1')
  if (length <= 96 && isPlaceholderText(text)) return
  if (vendor !== undefined && hasForm(bytes, from, to, vendor)) {
    hits.add(from, to, vendor.detector, 90)
    return
  }
  if (kind === SecretKey.Vendor) return
  if (kind === SecretKey.Random && !looksRandom(bytes, from, to, 12)) return
  if (kind === SecretKey.Drawn && !isDrawn(bytes, from, to)) return
  if (kind === SecretKey.Code && !/^\d{3,8}$/.test(text)) return
  hits.add(from, to, generic, 85)
}

export interface DetectContext {
  /** The attribute's key. */
  readonly key?: string
  /** Report URLs too. */
  readonly urls?: boolean
}

export function detect(text: string, context: DetectContext = {}): Finding[] {
  state.withUrls = context.urls ?? false
  try {
    scanText(text, context.key === undefined ? noHint : hintOf(context.key))
  } finally {
    state.withUrls = false
  }
  const { hits } = state
  if (hits.overflow)
    return [{ detector: 'unscanned', type: detectors[whole]!.type, start: 0, end: text.length, confidence: 1 }]
  return Array.from({ length: hits.count }, (_, i) => ({
    detector: detectors[hits.detector[i]!]!.name,
    type: detectors[hits.detector[i]!]!.type,
    start: hits.start[i]!,
    end: hits.end[i]!,
    confidence: hits.confidence[i]! / 100,
  }))
}
