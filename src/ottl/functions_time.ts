/** Converters over times and durations. Times are UTC. `Now` is left out: a rule must give the same answer on replay. */
import { type FunctionSpec, notA, param } from './function_spec.ts'
import { type Moment, Type, type Value } from './values.ts'

const isMoment = (value: Value, kind: 'time' | 'duration'): value is Moment =>
  value !== null && typeof value === 'object' && 'kind' in value && value.kind === kind

const ofTime = (summary: string, apply: (nanos: bigint) => bigint): FunctionSpec => ({
  params: [param('time', Type.Time)],
  result: Type.Int,
  summary,
  prepare: (_, fail) => (value) => (isMoment(value, 'time') ? apply(value.nanos) : fail(notA('a time', value))),
})

/** Rounds towards the past, as calendars do. */
const floorDiv = (nanos: bigint, unit: bigint): bigint => (nanos - (((nanos % unit) + unit) % unit)) / unit
const milli = 1_000_000n
const calendar = (summary: string, read: (date: Date) => number): FunctionSpec =>
  ofTime(summary, (nanos) => BigInt(read(new Date(Number(floorDiv(nanos, milli))))))

const unitNanos: Record<string, bigint> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  ms: milli,
  s: 1000n * milli,
  m: 60_000n * milli,
  h: 3_600_000n * milli,
}

/** `1h30m`, `-1.5s` → nanoseconds, as Go's time.ParseDuration. */
function parseGoDuration(text: string): bigint | undefined {
  const unsigned = text.replace(/^[+-]/, '')
  if (unsigned === '0') return 0n
  if (text.length > 60 || !/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h)|\.\d+(?:ns|us|µs|ms|s|m|h))+$/.test(unsigned))
    return undefined
  let nanos = 0n
  for (const [, whole, fraction, unit] of unsigned.matchAll(/(\d*)\.?(\d*)(ns|us|µs|ms|s|m|h)/g)) {
    const scale = unitNanos[unit!]!
    nanos += BigInt(whole || '0') * scale + (BigInt(fraction || '0') * scale) / 10n ** BigInt(fraction!.length)
  }
  return text.startsWith('-') ? -nanos : nanos
}

export const timeFunctions: Readonly<Record<string, FunctionSpec>> = {
  Duration: {
    params: [param('duration', Type.String, { isLiteral: true })],
    result: Type.Duration,
    summary: 'a span of time, such as `"1h30m"`; units ns, us, ms, s, m, h',
    prepare: ([text], _, refuse) => {
      const nanos = parseGoDuration(text as string)
      if (nanos === undefined) return refuse(0, 'a duration is written like "1h30m" (ns, us, ms, s, m, h)')
      return () => ({ kind: 'duration', nanos })
    },
  },
  UnixNano: ofTime('nanoseconds since 1970', (nanos) => BigInt.asIntN(64, nanos)),
  UnixMicro: ofTime('microseconds since 1970', (nanos) => floorDiv(nanos, 1000n)),
  UnixMilli: ofTime('milliseconds since 1970', (nanos) => floorDiv(nanos, milli)),
  UnixSeconds: ofTime('seconds since 1970', (nanos) => floorDiv(nanos, 1000n * milli)),
  Year: calendar('the year', (date) => date.getUTCFullYear()),
  Month: calendar('the month, 1 to 12', (date) => date.getUTCMonth() + 1),
  Day: calendar('the day of the month', (date) => date.getUTCDate()),
  Weekday: calendar('the day of the week, Sunday = 0', (date) => date.getUTCDay()),
  Hour: calendar('the hour, 0 to 23', (date) => date.getUTCHours()),
  Minute: calendar('the minute', (date) => date.getUTCMinutes()),
}
