/**
 * A coarser value: an address to its network, an e-mail address to its domain, a time to the hour or day, a number to its
 * range, a postal code to its beginning, coordinates to fewer decimals. What cannot be made coarser is masked: never does
 * a value pass as it is because it was not understood.
 */
import { maskLabel } from './mask.ts'
import type { Coarseness, TimeUnit } from './treatment.ts'

/** Types whose values are made coarser by what they are; any other type by what the rule or the value's form says. */
export function generalize(type: string, text: string, coarseness: Coarseness): string {
  return coarser(type, text, coarseness) ?? maskLabel(type)
}

function coarser(type: string, text: string, how: Coarseness): string | undefined {
  switch (type) {
    case 'ip':
      return address(text, how)
    case 'email':
      return domain(text)
    case 'birth_date':
      return how.time === undefined ? /\d{4}/.exec(text)?.[0] : (time(text, how.time) ?? /\d{4}/.exec(text)?.[0])
    case 'coordinate':
      return coordinates(text, how.decimals ?? 1)
    case 'postal_code':
      return beginning(text, how.prefix ?? 2)
    default:
      return bySettings(text, how) ?? byForm(text, how)
  }
}

/** What the rule asks for, where it asks for something. */
function bySettings(text: string, { time: unit, range, prefix, decimals }: Coarseness): string | undefined {
  if (unit !== undefined) return time(text, unit)
  if (range !== undefined) return rangeOf(text, range)
  if (decimals !== undefined) return coordinates(text, decimals)
  return prefix === undefined ? undefined : beginning(text, prefix)
}

/** Nothing was asked for: by what the value looks like. */
function byForm(text: string, how: Coarseness): string | undefined {
  const asks = how.time ?? how.range ?? how.decimals ?? how.prefix
  if (asks !== undefined) return undefined
  return address(text, how) ?? (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text) ? domain(text) : time(text, 'hour'))
}

function domain(text: string): string | undefined {
  const at = text.lastIndexOf('@')
  return at < 0 ? undefined : text.slice(at)
}

const beginning = (text: string, length: number): string | undefined =>
  text.length > length ? text.slice(0, length) : undefined

/** `30-39` for 34 by tens; `-5..0` where a sign or a point would make that hard to read. */
function rangeOf(text: string, width: number): string | undefined {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value)) return undefined
  const low = Math.floor(value / width) * width
  if (Number.isInteger(width) && Number.isSafeInteger(low) && low >= 0) return `${low}-${low + width - 1}`
  return `${Number(low.toPrecision(12))}..${Number((low + width).toPrecision(12))}`
}

/** Every number in it: `51.2194,4.4025`, `{"lat":51.2194}` and `POINT(4.4 51.2)` alike. */
function coordinates(text: string, decimals: number): string | undefined {
  let count = 0
  const rounded = text.replace(/-?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?/g, (number) => {
    count++
    return String(Number(Number(number).toFixed(decimals)))
  })
  return count > 0 && text.length < 200 ? rounded : undefined
}

const iso = /^(\d{4})-(\d\d)-(\d\d)(?:([T ])(\d\d):(\d\d)(?::\d\d(?:[.,]\d{1,9})?)?( ?(?:Z|[+-]\d\d:?\d\d))?)?$/
const unitSeconds: Readonly<Record<'minute' | 'hour' | 'day', number>> = { minute: 60, hour: 3600, day: 86_400 }

/** ISO 8601 keeps its form and its offset; a number of seconds, milli-, micro- or nanoseconds stays one (UTC). */
function time(text: string, unit: TimeUnit): string | undefined {
  const parts = iso.exec(text)
  if (parts) {
    const [, year, month, day, t, hour, minute, zone = ''] = parts
    if (unit === 'year') return year
    if (unit === 'month') return `${year}-${month}`
    if (unit === 'day' || hour === undefined) return `${year}-${month}-${day}`
    return `${year}-${month}-${day}${t}${hour}:${unit === 'hour' ? '00' : minute}:00${zone}`
  }
  return /^[1-9]\d{8,18}$/.test(text) ? epoch(text, unit) : undefined
}

/** By its length: 9–10 digits are seconds, 12–13 milliseconds, 15–16 microseconds, 18–19 nanoseconds. */
function epoch(text: string, unit: TimeUnit): string | undefined {
  const scale = [9, 10].includes(text.length)
    ? 0
    : [12, 13].includes(text.length)
      ? 3
      : [15, 16].includes(text.length)
        ? 6
        : 9
  if (scale === 9 && text.length < 18) return undefined
  const ticks = 10n ** BigInt(scale)
  if (unit === 'month' || unit === 'year') {
    const date = new Date(Number(BigInt(text) / ticks) * 1000)
    const start = Date.UTC(date.getUTCFullYear(), unit === 'month' ? date.getUTCMonth() : 0)
    return String((BigInt(start) / 1000n) * ticks)
  }
  const width = BigInt(unitSeconds[unit]) * ticks
  return String((BigInt(text) / width) * width)
}

/** `192.168.7.9` → `192.168.7.0/24`; a port or anything else behind it goes too. */
function address(text: string, { ipv4 = 24, ipv6 = 48 }: Coarseness): string | undefined {
  const four = /^\[?(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\d.])/i.exec(text)
  if (four) {
    const octets = four.slice(1, 5).map(Number)
    if (octets.some((octet) => octet > 255)) return undefined
    const bits = octets.reduce((sum, octet) => sum * 256 + octet, 0)
    const size = 2 ** (32 - ipv4)
    const network = Math.floor(bits / size) * size
    return `${[24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join('.')}/${ipv4}`
  }
  const groups = groupsOf(text)
  if (groups === undefined) return undefined
  const bits = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n)
  const shift = BigInt(128 - ipv6)
  return `${writeIpv6((bits >> shift) << shift, Math.ceil(ipv6 / 16))}/${ipv6}`
}

/** Eight groups, with what `::` hides; brackets, zone and port are left out. */
function groupsOf(text: string): number[] | undefined {
  const bare = /^\[?([0-9a-fA-F:]{2,39})(?:%[\w.-]+)?(?:\](?::\d{1,5})?)?$/.exec(text)?.[1]
  if (bare === undefined || !bare.includes(':')) return undefined
  const [head = '', tail, more] = bare.split('::')
  if (more !== undefined) return undefined
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  if (zeros < 0) return undefined
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right].map((group) => Number.parseInt(group, 16))
  return groups.length === 8 && groups.every((group) => group >= 0 && group <= 0xffff) ? groups : undefined
}

function writeIpv6(bits: bigint, groups: number): string {
  const parts = Array.from({ length: groups }, (_, i) => ((bits >> BigInt(112 - i * 16)) & 0xffffn).toString(16))
  return `${parts.join(':')}${groups < 8 ? '::' : ''}`
}
