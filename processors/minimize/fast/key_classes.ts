/** What a key's verdict comes to for the program that visits most fields (wasm/minimize/index.ts). */
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
} as const
export type KeyClass = (typeof KeyClass)[keyof typeof KeyClass]

export function classOf({ action, treatment, type, hint, encoding, fate, isPersonal }: Verdict): KeyClass {
  if (isPersonal || fate.is !== 'clear') return KeyClass.Unknown
  switch (action) {
    case 'keep':
      return KeyClass.Nothing
    case 'hash':
      return KeyClass.Hash
    case 'generalize':
      return type === 'ip' && (treatment.coarseness.ipv4 ?? 24) === 24 ? KeyClass.Network : KeyClass.Unknown
    case 'scan':
      if (hint.secret !== 0 || (encoding !== 'none' && encoding !== 'percent')) return KeyClass.Unknown
      if (hint.topics.length === 0) return encoding === 'none' ? KeyClass.Scan : KeyClass.ScanEncoded
      return encoding === 'none' ? KeyClass.ScanWithTopics : KeyClass.Unknown
    default:
      return KeyClass.Unknown
  }
}

/** By the negated `Role`: the body, names that programmers gave, the schema's URL. */
export function classesOfRoles({ metadata }: Policy): Uint8Array {
  const { Unknown, Scan, Nothing } = KeyClass
  return Uint8Array.of(Unknown, metadata === undefined ? Scan : Unknown, Scan, Scan, Scan, Scan, Nothing)
}
