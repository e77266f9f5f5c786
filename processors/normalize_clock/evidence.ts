/** Why a time was changed: what stands in `douane.clock.evidence`. Each kind can be switched off. */
export const evidenceKinds = [
  'future',
  'timezone',
  'sent_at',
  'trace',
  'direct_flat',
  'unset',
  'unit',
  'missing',
  'clamp',
] as const
export type EvidenceKind = (typeof evidenceKinds)[number]
export const Evidence = { none: -1, future: 0, timezone: 1, sentAt: 2, trace: 3, directFlat: 4, unset: 5 } as const
export type Evidence = (typeof Evidence)[keyof typeof Evidence]

/** What an estimate rests on, and which kinds are allowed. */
export type Allowed = Readonly<Record<EvidenceKind, boolean>>
