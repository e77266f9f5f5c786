/**
 * What is done with a value: an action, and how far it goes. Read from config, put in order from the mildest to the
 * strictest, and joined where several rules of equal strictness speak.
 */
import { z } from 'zod'

/** From the mildest to the strictest: where several rules speak, the strictest wins. */
export const actions = ['keep', 'generalize', 'encrypt', 'hash', 'mask', 'drop'] as const
export type Action = (typeof actions)[number]
const order: Readonly<Record<Action, number>> = { keep: 0, generalize: 1, encrypt: 2, hash: 3, mask: 4, drop: 5 }
export const strictness = (action: Action): number => order[action]

export const timeUnits = ['minute', 'hour', 'day', 'month', 'year'] as const
export type TimeUnit = (typeof timeUnits)[number]

/** How coarse `generalize` makes a value. What is left out follows from the value's type. */
export interface Coarseness {
  readonly time?: TimeUnit | undefined
  /** Width of a range of numbers. */
  readonly range?: number | undefined
  /** Characters of a postal code, or of any text, that stay. */
  readonly prefix?: number | undefined
  readonly decimals?: number | undefined
  /** Bits of an address that stay. */
  readonly ipv4?: number | undefined
  readonly ipv6?: number | undefined
}

export interface Treatment {
  readonly action: Action
  /** Characters that a mask leaves at each end; 0 and 0: the type's label alone. */
  readonly keepFirst: number
  readonly keepLast: number
  readonly coarseness: Coarseness
}

export const plain = (action: Action): Treatment => ({ action, keepFirst: 0, keepLast: 0, coarseness: {} })

const detailed = z
  .strictObject({
    action: z.enum(actions).describe('What is done.'),
    keep_first: z.int().min(0).max(8).optional().describe('mask: characters that stay at the start.'),
    keep_last: z.int().min(0).max(8).optional().describe('mask: characters that stay at the end.'),
    time: z.enum(timeUnits).optional().describe('generalize: what a time is cut to.'),
    range: z.number().positive().optional().describe('generalize: the width of the range that stands for a number.'),
    prefix: z.int().min(1).max(16).optional().describe('generalize: how many characters of a code stay.'),
    decimals: z.int().min(0).max(6).optional().describe('generalize: decimals of coordinates and other numbers.'),
    ipv4: z.int().min(0).max(32).optional().describe('generalize: bits of an IPv4 address that stay.'),
    ipv6: z.int().min(0).max(128).optional().describe('generalize: bits of an IPv6 address that stay.'),
  })
  .superRefine((given, context) => {
    for (const [name, value] of Object.entries(given)) {
      if (name === 'action' || value === undefined) continue
      const wanted = name.startsWith('keep_') ? 'mask' : 'generalize'
      if (given.action !== wanted)
        context.addIssue({ code: 'custom', path: [name], message: `${name} goes with action: ${wanted} only` })
    }
  })

/** `mask`, or `{ action: mask, keep_last: 4 }`. */
export const treatment = z
  .union([z.enum(actions), detailed])
  .describe('An action, or an action with how far it goes: { action: mask, keep_last: 4 }.')
export type TreatmentOption = z.output<typeof treatment>

export function readTreatment(option: TreatmentOption): Treatment {
  if (typeof option === 'string') return plain(option)
  const { action, keep_first = 0, keep_last = 0, ...coarseness } = option
  return { action, keepFirst: keep_first, keepLast: keep_last, coarseness }
}

/** The strictest of several; of equal ones, what each of them leaves least of. Undefined: nobody spoke. */
export function strictest(candidates: readonly Treatment[]): Treatment | undefined {
  return candidates.reduce<Treatment | undefined>((a, b) => {
    if (a === undefined || strictness(b.action) > strictness(a.action)) return b
    return a.action === b.action ? joined(a, b) : a
  }, undefined)
}

function joined(a: Treatment, b: Treatment): Treatment {
  return {
    action: a.action,
    keepFirst: Math.min(a.keepFirst, b.keepFirst),
    keepLast: Math.min(a.keepLast, b.keepLast),
    coarseness: {
      time: timeUnits[Math.max(unitOf(a), unitOf(b))],
      range: of(Math.max, a.coarseness.range, b.coarseness.range),
      prefix: of(Math.min, a.coarseness.prefix, b.coarseness.prefix),
      decimals: of(Math.min, a.coarseness.decimals, b.coarseness.decimals),
      ipv4: of(Math.min, a.coarseness.ipv4, b.coarseness.ipv4),
      ipv6: of(Math.min, a.coarseness.ipv6, b.coarseness.ipv6),
    },
  }
}
const unitOf = ({ coarseness: { time } }: Treatment): number => (time === undefined ? -1 : timeUnits.indexOf(time))
const of = (
  pick: (a: number, b: number) => number,
  a: number | undefined,
  b: number | undefined,
): number | undefined => (a === undefined || b === undefined ? (a ?? b) : pick(a, b))

/** For people: `mask, last 4 stay`. */
export function describeTreatment({ action, keepFirst, keepLast, coarseness }: Treatment): string {
  const parts: string[] = [action]
  if (keepFirst > 0) parts.push(`first ${keepFirst} stay`)
  if (keepLast > 0) parts.push(`last ${keepLast} stay`)
  for (const [name, value] of Object.entries(coarseness)) if (value !== undefined) parts.push(`${name} ${value}`)
  return parts.join(', ')
}
