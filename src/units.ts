/**
 * Durations and sizes as people write them in the configuration: `5s`, `1m30s`, `64MiB`, `18mo`.
 *
 * Two kinds of duration, because they are two things. An elapsed one (`parseDurationMs`) is a number of milliseconds:
 * timeouts, intervals. A calendar one (`parseRetention`) counts months and years, which have no fixed length: how long
 * records are kept. A bare number is refused for durations, since nobody can tell seconds from milliseconds.
 *
 * The parsers throw `UnitError`, whose message says what is allowed; the zod helpers turn it into a schema's issue.
 */
import { z } from 'zod'
import { addMonths, isZone } from './calendar.ts'

/** A text that is no duration or size. The message says what is allowed. */
export class UnitError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UnitError'
  }
}

const secondMs = 1000
const hourMs = 3600 * secondMs
const dayMs = 24 * hourMs

const durationUnitsMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: secondMs,
  m: 60 * secondMs,
  h: hourMs,
  d: dayMs,
}

const durationText = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/
const durationPart = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g

/** `5s`, `250ms`, `1m30s`, `1.5h`, `2d`, `0` → milliseconds (not rounded). Throws `UnitError`. */
export function parseDurationMs(text: string): number {
  if (text === '0') return 0
  if (!durationText.test(text)) {
    throw new UnitError('not a duration: write a number with ns, us, ms, s, m, h or d, such as 500ms, 5s or 1m30s')
  }
  let totalMs = 0
  for (const [, amount, unit] of text.matchAll(durationPart)) totalMs += Number(amount) * durationUnitsMs[unit!]!
  return totalMs
}

const byteUnits: Record<string, number> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** `64MiB`, `1.5GB`, `4096`, 4096 → whole bytes. KiB, MiB, GiB count in 1024s; kB, MB, GB in 1000s. Throws `UnitError`. */
export function parseBytes(size: string | number): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(size))
  const factor = match ? byteUnits[match[2]!] : undefined
  const bytes = match && factor !== undefined ? Number(match[1]) * factor : Number.NaN
  if (!Number.isSafeInteger(bytes)) {
    throw new UnitError('not a size: write whole bytes, or a number with kB, MB, GB, KiB, MiB or GiB, such as 64MiB')
  }
  return bytes
}

/** How long something is kept: months are calendar months, `ms` is the rest. Either may be 0, not both. */
export interface Retention {
  /** As written, such as `18mo`. */
  readonly text: string
  readonly months: number
  readonly ms: number
  /** Whose calendar the months are counted on; missing: UTC's. */
  readonly zone?: string
}

const retentionUnits: Record<string, { months: number; ms: number }> = {
  h: { months: 0, ms: hourMs },
  d: { months: 0, ms: dayMs },
  w: { months: 0, ms: 7 * dayMs },
  mo: { months: 1, ms: 0 },
  y: { months: 12, ms: 0 },
}
const retentionMonthsMax = 1200

/**
 * `6d`, `30d`, `2w`, `18mo`, `7y`, `1y6mo`, `12h` → calendar months and the rest. Throws `UnitError`.
 * Minutes are refused: `18m` for `18mo` would delete a year and a half of records after eighteen minutes.
 * A policy's time zone follows behind an @, with colons: `1mo@Europe:Brussels`.
 */
export function parseRetention(text: string): Retention {
  const known = knownRetentions.get(text)
  if (known !== undefined) return known
  const retention = readRetention(text)
  if (knownRetentions.size >= retentionsKeptMax) knownRetentions.clear()
  knownRetentions.set(text, retention)
  return retention
}

/** A policy of many tenants says the same few again and again. */
const knownRetentions = new Map<string, Retention>()
const retentionsKeptMax = 1024

function readRetention(text: string): Retention {
  let months = 0
  let ms = 0
  const [period = '', named, ...more] = text.split('@')
  const zone = named?.replaceAll(':', '/')
  const isFine = zone === undefined || (more.length === 0 && isZone(zone))
  if (isFine && /^(?:\d+(?:mo|h|d|w|y))+$/.test(period)) {
    for (const [, amount, unit] of period.matchAll(/(\d+)(mo|h|d|w|y)/g)) {
      months += Number(amount) * retentionUnits[unit!]!.months
      ms += Number(amount) * retentionUnits[unit!]!.ms
    }
  }
  if (months + ms === 0 || months > retentionMonthsMax || ms > retentionMonthsMax * 31 * dayMs) {
    throw new UnitError('not a retention: write h, d, w, mo (months) or y (years), up to 100y, such as 30d, 18mo or 7y')
  }
  return { text, months, ms, ...(zone !== undefined && { zone }) }
}

/** The same, counted on the calendar of a time zone. */
export function inZone(retention: Retention, zone: string | undefined): Retention {
  if (zone === undefined || zone === 'UTC') return retention
  return { ...retention, zone, text: `${retention.text}@${zone.replaceAll('/', ':')}` }
}

/** When something made at `fromMs` has been kept long enough. 31 January + 1mo is the last day of February. */
export function retentionEndMs(fromMs: number, { months, ms, zone }: Retention): number {
  return (months === 0 ? fromMs : addMonths(fromMs, months, zone)) + ms
}

/** Negative: `a` is shorter. A month counts as a twelfth of the mean Gregorian year, so 12mo = 1y and 31d > 1mo. */
export function compareRetention(a: Retention, b: Retention): number {
  const monthMs = (365.2425 / 12) * dayMs
  return a.months * monthMs + a.ms - (b.months * monthMs + b.ms)
}

/** A schema of text that `parse` understands; its output is what `parse` gives. */
function parsed<Output>(parse: (text: string) => Output) {
  return (text: string, context: { addIssue(message: string): void }): Output => {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof UnitError)) throw error
      context.addIssue(error.message)
      return z.NEVER
    }
  }
}

/** An elapsed duration such as `5s`; the output is milliseconds. */
export const duration = () => z.string().transform(parsed(parseDurationMs))

/** A size such as `64MiB` or 67108864; the output is bytes. */
export const byteSize = () =>
  z.union([z.string(), z.number()]).transform((size, context) => parsed(() => parseBytes(size))('', context))

/** A calendar duration such as `18mo`, without a zone; the output is a `Retention`. */
export const retention = () => z.string().transform(parsed((text) => parseRetention(text.replaceAll('@', ' '))))

/** A time zone of the IANA database. */
export const timeZone = () => z.string().refine(isZone, { error: 'is not a time zone such as Europe/Brussels or UTC' })
