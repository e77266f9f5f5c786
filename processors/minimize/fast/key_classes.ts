/** What a key's verdict comes to for the program that visits most fields (wasm/minimize/index.ts). */
import { maskLabel } from '../mask.ts'
import type { Policy, Verdict } from '../policy.ts'

export const KeyClass = {
  /** Not known yet, or nothing that the program does: TypeScript looks at each value. */
  Unknown: 0,
  /** Left as it is, but for what is nested. */
  Nothing: 1,
  /** The detectors look at it, and the key says nothing about the value. */
  Scan: 2,
  /** The same where the key names what the value may be: short numbers count then. */
  ScanWithTopics: 3,
  /** `hmac:…` whatever it is. */
  Hash: 4,
  /** IPv4 addresses to their /24. */
  Network: 5,
  /** As `Scan`, and text with a `%` may be percent-encoded. */
  ScanEncoded: 6,
  /** From here on: masked by the label of that number, less this one. */
  Mask: 16,
} as const

/** `labelOf` numbers the labels of masks; -1 = no room for another one. */
export function classOf(
  { action, treatment, type, hint, encoding, fate, isPersonal }: Verdict,
  labelOf: (label: string) => number,
): number {
  if (isPersonal || fate.is !== 'clear') return KeyClass.Unknown
  switch (action) {
    case 'keep':
      return KeyClass.Nothing
    case 'hash':
      return KeyClass.Hash
    case 'generalize':
      return type === 'ip' && (treatment.coarseness.ipv4 ?? 24) === 24 ? KeyClass.Network : KeyClass.Unknown
    case 'scan':
      if (hint.secret !== 0 || hint.isCode || (encoding !== 'none' && encoding !== 'percent')) return KeyClass.Unknown
      if (hint.topics.length === 0) return encoding === 'none' ? KeyClass.Scan : KeyClass.ScanEncoded
      return encoding === 'none' ? KeyClass.ScanWithTopics : KeyClass.Unknown
    case 'mask': {
      const label = treatment.keepFirst + treatment.keepLast === 0 ? labelOf(maskLabel(type)) : -1
      return label === -1 ? KeyClass.Unknown : KeyClass.Mask + label
    }
    default:
      return KeyClass.Unknown
  }
}

/** By the negated `Role`: the body, names that programmers gave, the schema's URL. */
export function classesOfRoles({ metadata }: Policy): Uint8Array {
  const { Unknown, Scan, Nothing } = KeyClass
  return Uint8Array.of(Unknown, metadata === undefined ? Scan : Unknown, Scan, Scan, Scan, Scan, Nothing)
}
