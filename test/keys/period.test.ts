/** Periods of keys: on the calendar that stores count retention on, so that no key goes before a record that needs it. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SealContext, Sealer } from '../../src/contract.ts'
import { initKeys, listKeys } from '../../src/keys/operations.ts'
import { periodAt, periodExpiryMs, periodNamed, periodOf } from '../../src/keys/period.ts'
import { limits } from '../../src/limits.ts'
import { buildForm } from '../../src/pipeline/forms.ts'
import type { Policy } from '../../src/policy.ts'
import { createPurposes } from '../../src/purposes.ts'
import { inZone, parseRetention, retentionEndMs } from '../../src/units.ts'
import { decryptRows, freshFolder, noonMs, testSealer, text } from './support.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000
const iso = (ms: number): string => new Date(ms).toISOString()

test('short retentions have a key a day, long ones a key a month', () => {
  const at = Date.UTC(2026, 0, 31, 23)
  const nameOf = (text: string) => periodAt(text, at).name
  for (const text of ['6d', '30d', '1mo', '31d']) expect(nameOf(text)).toBe('2026-01-31')
  for (const text of ['32d', '2mo', '18mo', '7y', '']) expect(nameOf(text)).toBe('2026-01')
  expect(() => periodAt('18m', at)).toThrow(/retention/)
  for (const wrong of ['2026', '2026-13', '2026-02-30', '../etc', '']) {
    expect(() => periodNamed(wrong)).toThrow(/not a period/)
  }
})

test("days and months are those of the policy's time zone", () => {
  // In Brussels it is half past midnight on the first of February, in Los Angeles the afternoon before.
  const at = Date.UTC(2026, 0, 31, 23, 30)
  expect(periodAt('1mo@Europe:Brussels', at)).toEqual({
    name: '2026-02-01',
    startMs: Date.UTC(2026, 0, 31, 23),
    endMs: Date.UTC(2026, 1, 1, 23),
  })
  expect(periodAt('18mo@Europe:Brussels', at)).toMatchObject({ name: '2026-02', endMs: Date.UTC(2026, 1, 28, 23) })
  expect(periodAt('1mo@America:Los_Angeles', at)).toMatchObject({ name: '2026-01-31', endMs: Date.UTC(2026, 1, 1, 8) })
  // The night on which clocks are put forward has 23 hours.
  const spring = periodOf('2026-03-29', '1mo@Europe:Brussels')
  expect(spring.endMs - spring.startMs).toBe(23 * hourMs)
})

const zones = [undefined, 'UTC', 'Europe/Brussels', 'America/Los_Angeles', 'Pacific/Kiritimati', 'Pacific/Pago_Pago']
const moreZones = ['Australia/Lord_Howe', 'Africa/Casablanca', 'America/Santiago', 'Asia/Kathmandu']

test('a key outlives every record of its period, and by no more than the length of its period and 13 hours', () => {
  const kept = fc.constantFrom('6h', '1d', '6d', '30d', '1mo', '31d', '2mo', '18mo', '1y', '7y', '1y6mo')
  const zone = fc.constantFrom(...zones, ...moreZones)
  const atMs = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2032, 0, 1) })
  fc.assert(
    fc.property(kept, zone, atMs, (written, zone, atMs) => {
      const retention = inZone(parseRetention(written), zone)
      const period = periodAt(retention.text, atMs)
      expect(periodOf(period.name, retention.text)).toEqual(period)
      expect(period.startMs <= atMs && atMs < period.endMs).toBe(true)
      const expiresMs = periodExpiryMs(period, retention.text)
      const dueMs = retentionEndMs(atMs, retention)
      expect(expiresMs).toBeGreaterThanOrEqual(dueMs)
      // A month's due days may be spread over a longer month.
      const lengthMs = period.endMs - period.startMs > 2 * dayMs ? 31 * dayMs + hourMs : 25 * hourMs
      expect(expiresMs - dueMs).toBeLessThanOrEqual(lengthMs + limits.keyExpirySlackMs)
    }),
    { numRuns: 2000, seed: 6 },
  )
})

test('where a month is too short, the last days of the one before end with it, not before', () => {
  expect(iso(periodExpiryMs(periodNamed('2026-01-31'), '1mo'))).toBe('2026-03-01T13:00:00.000Z')
  // Half past eleven in the evening of 30 January is kept until half past eleven on 28 February.
  expect(iso(periodExpiryMs(periodNamed('2026-01-30'), '1mo'))).toBe('2026-03-01T13:00:00.000Z')
  expect(iso(periodExpiryMs(periodNamed('2026-01'), '18mo'))).toBe('2027-08-01T13:00:00.000Z')
})

describe('from the policy to the key', () => {
  const policyIn = (timeZone?: string) =>
    ({
      purposes: new Map([['support', { retention: parseRetention('1mo'), content: 'encrypt' }]]),
      timeZone,
    }) as unknown as Policy

  function contextIn(timeZone?: string): SealContext {
    let found: SealContext | undefined
    const sealer: Sealer = {
      seal(_value, context) {
        found = context
        return ''
      },
    } as Sealer
    const rule = { purposes: new Map() } as never
    const spec = { tenant: 'acme', rule, region: 'eu-de', mask: 1, withoutContent: false }
    buildForm(spec, policyIn(timeZone), createPurposes(['support']), sealer).seal(new Uint8Array(0), 'log.body')
    return found!
  }

  test('what is sealed says the zone, and the key that is made for it has that period', async () => {
    expect(contextIn()).toMatchObject({ purpose: 'support', retention: '1mo' })
    expect(contextIn('UTC')).toMatchObject({ retention: '1mo' })
    const context = contextIn('Asia/Tokyo')
    expect(context.retention).toBe('1mo@Asia:Tokyo')
    const dir = freshFolder()
    const { holder } = await initKeys(dir, noonMs)
    const { sealer, clock } = await testSealer(dir)
    // Eight in the evening in London, five in the morning of the next day in Tokyo.
    clock.ms = Date.UTC(2026, 10, 21, 20)
    const row = { tenant: 'acme', body: sealer.seal(text('sealed in the morning'), context, 'log.body') }
    expect(listKeys(holder, clock.ms)).toMatchObject([
      {
        period: '2026-11-22',
        retention: '1mo@Asia:Tokyo',
        state: 'in use',
        expiresMs: Date.UTC(2026, 11, 22, 15 + 13),
      },
    ])
    expect((await decryptRows(dir, [row])).rows[0]).toMatchObject({ body: 'sealed in the morning' })
    // An epoch ends with its day, an hour or less after it began.
    clock.ms = Date.UTC(2026, 10, 22, 15)
    sealer.seal(text('the next day'), context, 'log.body')
    expect(listKeys(holder, clock.ms).map(({ period }) => period)).toEqual(['2026-11-22', '2026-11-23'])
  })
})
