/**
 * Which period a recipient key serves. Retention by key: when a period's key is destroyed, everything sealed under it
 * is unreadable, so a period's length is how late that can be. Short retentions (up to a month) get a key a day, which
 * makes a nightly deletion possible; longer ones a key a month. Days and months are those of the retention's time zone
 * (`1mo@Europe:Brussels`), on whose calendar stores count too; without one, UTC's.
 */
import { dayAround, dayName, startOfDate } from '../calendar.ts'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { compareRetention, parseRetention, type Retention, retentionEndMs, UnitError } from '../units.ts'

export interface Period {
  /** `2026-11-21` or `2026-11`. */
  readonly name: string
  readonly startMs: number
  /** The first moment after the period. */
  readonly endMs: number
}

const dailyUpTo = parseRetention('31d')

export function retentionOf(text: string): Retention {
  try {
    return parseRetention(text)
  } catch (error) {
    if (!(error instanceof UnitError)) throw error
    throw new KeyError(`cannot choose a key: ${error.message}`)
  }
}

/** No retention (a pipeline without a policy) counts as a long one. */
export function periodAt(retentionText: string, atMs: number): Period {
  const retention = retentionText === '' ? undefined : retentionOf(retentionText)
  const isDaily = retention !== undefined && compareRetention(retention, dailyUpTo) <= 0
  const name = dayName(dayAround(atMs, retention?.zone))
  return periodNamed(isDaily ? name : name.slice(0, 7), retention?.zone)
}

/** A period of a key that is kept so long. Throws `KeyError` for what is no period. */
export const periodOf = (name: string, retentionText: string): Period =>
  periodNamed(name, retentionText === '' ? undefined : retentionOf(retentionText).zone)

/** The same by the calendar of a zone; without one UTC's. */
export function periodNamed(name: string, zone?: string): Period {
  const match = /^(\d{4})-(\d{2})(?:-(\d{2}))?$/.exec(name)
  const [year, month, date] = [Number(match?.[1]), Number(match?.[2]) - 1, match?.[3] ? Number(match[3]) : undefined]
  const isReal = match !== null && new Date(Date.UTC(year, month, date ?? 1)).toISOString().startsWith(name)
  if (!isReal) throw new KeyError('not a period: write a month such as 2026-11 or a day such as 2026-11-21')
  const startMs = startOfDate(year, month, date ?? 1, zone)
  const endMs = date === undefined ? startOfDate(year, month + 1, 1, zone) : startOfDate(year, month, date + 1, zone)
  return { name, startMs, endMs }
}

/** When nothing sealed in the period needs to be readable any more. */
export function periodExpiryMs(period: Period, retentionText: string): number {
  if (retentionText === '') return Number.POSITIVE_INFINITY
  // Of the last moment in it: where a month is too short, the day after it may end no later than itself.
  return retentionEndMs(period.endMs - 1, retentionOf(retentionText)) + 1 + limits.keyExpirySlackMs
}
