/**
 * Times of records as text: Unix nanoseconds to RFC 3339 and back, all nine digits kept.
 */
import { parseDurationMs, UnitError } from '../../src/units.ts'

const nanosInSecond = 1_000_000_000n

/** Unix nanoseconds → `2026-11-21T00:00:00.000000000Z`. */
export function formatNanos(nanos: bigint): string {
  const rest = ((nanos % nanosInSecond) + nanosInSecond) % nanosInSecond
  const seconds = new Date(Number((nanos - rest) / 1_000_000n)).toISOString().slice(0, 19)
  return `${seconds}.${String(rest).padStart(9, '0')}Z`
}

/**
 * What `--since` and `--until` take → Unix nanoseconds: `2026-11-21`, `2026-11-21T10:00:00.5+01:00` (without a zone:
 * UTC), or a duration before now such as `1h`. Throws `UnitError`.
 */
export function parseWhen(text: string, nowMs: number): bigint {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d)?)?$/i.exec(text)
  if (!match) {
    try {
      return BigInt(Math.round((nowMs - parseDurationMs(text)) * 1000)) * 1000n
    } catch (error) {
      if (error instanceof UnitError) throw new UnitError(whenAllowed)
      throw error
    }
  }
  const [, day, time = '00:00:00', fraction = '', zone = 'Z'] = match
  const ms = Date.parse(`${day}T${time}${zone.toUpperCase()}`)
  // Date.parse takes the 30th of February for a day in March.
  const isDay = !Number.isNaN(ms) && new Date(`${day}T00:00:00Z`).toISOString().startsWith(day!)
  if (!isDay) throw new UnitError(whenAllowed)
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}

const whenAllowed = 'not a time: write 2026-11-21, 2026-11-21T10:00:00Z, or how long ago, such as 90m or 2d'
