/** What actions make of values: masks that keep ends, coarser values, and which of several rules wins. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { config } from '../../../processors/minimize/config.ts'
import { generalize } from '../../../processors/minimize/generalize.ts'
import { masked } from '../../../processors/minimize/mask.ts'
import { actions, plain, readTreatment, strictest, strictness } from '../../../processors/minimize/treatment.ts'
import { attribute, minimizeRecord, text } from './support.ts'

describe('mask', () => {
  test('the label; or first and last characters, never more than half of them', () => {
    const card = '4111111111111111'
    const config = { detectors: { credit_card: { action: 'mask', keep_first: 4, keep_last: 4 } } }
    expect(attribute('m', text(`paid with ${card} ok`), { config })).toBe('paid with 4111…1111 ok')
    expect(masked('x', 'abcdefgh', { ...plain('mask'), keepLast: 4 })).toBe('…efgh')
    expect(masked('x', 'abcdefg', { ...plain('mask'), keepLast: 4 })).toBe('<x>')
    expect(masked('x', '😀😀😀😀', { ...plain('mask'), keepFirst: 2 })).toBe('😀😀…')
  })
  test('an option that goes with another action is refused', () => {
    for (const wrong of [
      { action: 'drop', keep_last: 4 },
      { action: 'mask', time: 'hour' },
      { action: 'generalize', keep_first: 1 },
      { action: 'mask', keep_last: 40 },
    ])
      expect(config.safeParse({ keys: { k: wrong } }).success).toBe(false)
  })
})

describe('generalize', () => {
  test.each([
    ['ip', '192.168.7.9', {}, '192.168.7.0/24'],
    ['ip', '192.168.7.9:443', { ipv4: 16 }, '192.168.0.0/16'],
    ['ip', '2001:db8:1:2::7', {}, '2001:db8:1::/48'],
    ['ip', '2001:db8:abcd:12::7', { ipv6: 40 }, '2001:db8:ab00::/40'],
    ['ip', '[2001:db8::1]:443', {}, '2001:db8:0::/48'],
    ['ip', '::ffff:10.2.3.4', {}, '10.2.3.0/24'],
    ['ip', 'fe80::1%eth0', {}, 'fe80:0:0::/48'],
    ['ip', 'unix socket', {}, '<ip>'],
    ['email', 'jane@example.com', {}, '@example.com'],
    ['birth_date', '12.03.1985', {}, '1985'],
    ['birth_date', '1985-03-12', { time: 'month' }, '1985-03'],
    ['postal_code', '1012 AB', {}, '10'],
    ['postal_code', '1012 AB', { prefix: 4 }, '1012'],
    ['postal_code', '10', {}, '<postal_code>'],
    ['coordinate', '51.2194475', {}, '51.2'],
    ['coordinate', '51.2194475,4.4024643', { decimals: 2 }, '51.22,4.4'],
    ['coordinate', 'POINT(4.4024643 -51.2194475)', {}, 'POINT(4.4 -51.2)'],
    ['coordinate', 'nowhere', {}, '<coordinate>'],
    ['masked', '2026-03-04T05:06:07.123Z', { time: 'hour' }, '2026-03-04T05:00:00Z'],
    ['masked', '2026-03-04 05:06:07+02:00', { time: 'minute' }, '2026-03-04 05:06:00+02:00'],
    ['masked', '2026-03-04T05:06:07Z', { time: 'day' }, '2026-03-04'],
    ['masked', '1772600767', { time: 'hour' }, '1772600400'],
    ['masked', '1772600767123', { time: 'day' }, '1772582400000'],
    ['masked', '1772600767123456789', { time: 'month' }, '1772323200000000000'],
    ['masked', '34', { range: 10 }, '30-39'],
    ['masked', '-7', { range: 10 }, '-10..0'],
    ['masked', '0.37', { range: 0.25 }, '0.25..0.5'],
    ['masked', 'many', { range: 10 }, '<masked>'],
    ['masked', '10.1.2.3', {}, '10.1.2.0/24'],
    ['masked', '2026-03-04T05:06:07Z', {}, '2026-03-04T05:00:00Z'],
    ['masked', 'Jane', {}, '<masked>'],
  ] as const)('%s %s %j → %s', (type, value, how, expected) => expect(generalize(type, value, how)).toBe(expected))

  test('a number stays a number where the coarser value is one', () => {
    const config = {
      keys: { at: { action: 'generalize', time: 'hour' }, age: { action: 'generalize', range: 5 } },
    }
    expect(attribute('at', { intValue: 1772600767123n }, { config })).toBe(1772600400000n)
    expect(attribute('age', { intValue: 34n }, { config })).toBe('30-34')
    expect(attribute('geo.location.lat', { doubleValue: 51.2194475 })).toBe(51.2)
  })
  test('never gives a text back as it was, unless it is coarse already', () => {
    const how = fc.record({ time: fc.constantFrom('hour', 'day'), prefix: fc.integer({ min: 1, max: 4 }) } as const)
    fc.assert(
      fc.property(
        fc.string({ minLength: 5 }),
        fc.constantFrom('email', 'ip', 'postal_code', 'masked'),
        how,
        (t, type, h) => {
          expect(generalize(type, `${t}Q7#z`, type === 'masked' ? { time: h.time } : h)).not.toContain(`${t}Q7`)
        },
      ),
      { seed: 11, numRuns: 300 },
    )
  })
})

describe('the strictest wins', () => {
  const any = fc
    .record({
      action: fc.constantFrom(...actions),
      first: fc.integer({ min: 0, max: 8 }),
      last: fc.integer({ min: 0, max: 8 }),
      decimals: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
      time: fc.option(fc.constantFrom('hour', 'day', 'year' as const), { nil: undefined }),
    })
    .map(({ action, first, last, decimals, time }) =>
      readTreatment(
        action === 'mask'
          ? { action, keep_first: first, keep_last: last }
          : action === 'generalize'
            ? { action, decimals, time: time as 'hour' }
            : action,
      ),
    )
  test('in any order, and nothing that one of them takes away comes back', () => {
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 4 }), (list) => {
        const won = strictest(list)!
        expect(strictest(list.toReversed())).toEqual(won)
        const equal = list.filter(({ action }) => action === won.action)
        expect(strictness(won.action)).toBe(Math.max(...list.map(({ action }) => strictness(action))))
        for (const each of equal) {
          expect(won.keepFirst).toBeLessThanOrEqual(each.keepFirst)
          expect(won.keepLast).toBeLessThanOrEqual(each.keepLast)
          if (each.coarseness.decimals !== undefined)
            expect(won.coarseness.decimals).toBeLessThanOrEqual(each.coarseness.decimals)
        }
      }),
      { seed: 3, numRuns: 300 },
    )
  })
  test('over key, tenant and purpose', () => {
    const config = {
      keys: { 'a.b': { action: 'mask', keep_first: 2, keep_last: 2 } },
      tenants: { acme: { keys: { 'a.*': { action: 'mask', keep_last: 3 } } } },
      purposes: { billing: { keys: { '*': 'generalize' } }, support: { keys: { 'a.b': 'drop' } } },
    }
    const value = text('abcdefghij')
    expect(attribute('a.b', value, { config, tenant: 'globex' })).toBe('ab…ij')
    expect(attribute('a.b', value, { config })).toBe('…ij')
    expect(attribute('a.b', value, { config, purposes: 1 })).toBe('…ij')
    expect(attribute('a.b', value, { config, purposes: 3 })).toBeUndefined()
  })
})

test('changes are counted by type, detector, action and tenant, and by key; a key that is personal is not told', () => {
  const { counts } = minimizeRecord({
    body: text('use ghp_0123456789abcdefghijABCDEFGHIJ012345'),
    attributes: [
      { key: 'mail', value: text('to jane@example.com') },
      { key: 'jane@example.com', value: text('to jane@example.com') },
    ],
  })
  expect(counts.get('mask secret acme github_pat')).toBe(1)
  expect(counts.get('mask log.body acme')).toBe(1)
  expect(counts.get('mask mail acme')).toBe(1)
  expect([...counts.keys()].filter((name) => name.includes('jane'))).toEqual([])
})
