/**
 * Which period a recipient key serves. Retention by key: when a period's key is destroyed, everything sealed under it
 * is unreadable, so a period's length is how late that can be. Short retentions (up to a month) get a key a day, which
 * makes a nightly deletion possible; longer ones a key a month. Days and months are UTC.
 */
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
  const daily = retentionText !== '' && compareRetention(retentionOf(retentionText), dailyUpTo) <= 0
  return parsePeriod(new Date(atMs).toISOString().slice(0, daily ? 10 : 7))
}

/** Throws `KeyError` for what is no period. */
export function parsePeriod(name: string): Period {
  const match = /^(\d{4})-(\d{2})(?:-(\d{2}))?$/.exec(name)
  const [year, month, day] = [Number(match?.[1]), Number(match?.[2]) - 1, match?.[3] ? Number(match[3]) : undefined]
  const startMs = Date.UTC(year, month, day ?? 1)
  if (!match || !new Date(startMs).toISOString().startsWith(name)) {
    throw new KeyError('not a period: write a month such as 2026-11 or a day such as 2026-11-21')
  }
  return { name, startMs, endMs: day === undefined ? Date.UTC(year, month + 1, 1) : startMs + 86_400_000 }
}

/** When nothing sealed in the period needs to be readable any more. */
export function periodExpiryMs(period: Period, retentionText: string): number {
  if (retentionText === '') return Number.POSITIVE_INFINITY
  return retentionEndMs(period.endMs, retentionOf(retentionText)) + limits.keyExpirySlackMs
}
