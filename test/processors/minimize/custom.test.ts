/** The user's own detectors: context words, checksums, patterns that are refused, processors that do not meet. */
import { describe, expect, test } from 'vitest'
import minimize from '../../../processors/minimize/index.ts'
import { catastrophe } from '../../../processors/minimize/pattern_check.ts'
import { ConfigError } from '../../../src/errors.ts'
import { attribute, minimizeRecord, testHost, text } from './support.ts'

const own = (...custom_detectors: object[]) => ({ custom_detectors, annotations: 'silent' })
const create = (config: object) => minimize.create(minimize.config.parse(config), testHost())

describe('own detectors', () => {
  test('a name, a pattern, an action', () => {
    const config = own({ name: 'ticket', pattern: 'TCK-[0-9]+', action: { action: 'mask', keep_first: 4 } })
    expect(attribute('m', text('see TCK-123456 now'), { config })).toBe('see TCK-… now')
    expect(attribute('m', text('see tck-123456 now'), { config })).toBe('see tck-123456 now')
    expect(attribute('m', { intValue: 7n }, { config })).toBe(7n)
  })
  test('context words: in the key or before the finding, in any notation', () => {
    const config = own({ name: 'staff_no', pattern: '[0-9]{5}', context: ['staff number', 'Übung'] })
    expect(attribute('m', text('staff-number: 12345, room 54321'), { config })).toBe(
      'staff-number: <staff_no>, room <staff_no>',
    )
    expect(attribute('staffNumber', text('12345'), { config })).toBe('<staff_no>')
    expect(attribute('m', text('ubung 12345'), { config })).toBe('ubung <staff_no>')
    expect(attribute('m', text('room 12345'), { config })).toBe('room 12345')
  })
  test('a checksum by name', () => {
    const config = own({ name: 'member', pattern: 'M ?[0-9 ]{8,12}', checksum: 'mod11_10' })
    expect(attribute('m', text('M 79462 1'), { config })).toBe('M 79462 1')
    const luhn = own({ name: 'member', pattern: '[0-9]{4}-[0-9]{4}', checksum: 'luhn' })
    expect(attribute('m', text('7992-7396 and 7992-7398'), { config: luhn })).toBe('7992-7396 and <member>')
  })
  test('the strictest of rules holds for them too, and two processors may use one name', () => {
    const a = own({ name: 'code', pattern: 'AA[0-9]+', action: 'keep' })
    const b = own({ name: 'code', pattern: 'BB[0-9]+', action: 'mask' })
    expect(
      attribute('m', text('AA1 BB2'), { config: { ...a, tenants: { acme: { detectors: { code: 'hash' } } } } }),
    ).toMatch(/^hmac:\S+ BB2$/)
    expect(attribute('m', text('AA1 BB2'), { config: b })).toBe('AA1 <code>')
    expect(attribute('m', text('AA1 BB2'))).toBe('AA1 BB2')
  })
  test('are found in JSON escapes, folded text, values that begin alike', () => {
    const config = own({ name: 'ticket', pattern: 'TCK-[0-9]+' })
    expect(attribute('m', text('{"a":"\\u0054CK-123"}'), { config })).toBe('{"a":"<ticket>"}')
    expect(attribute('m', text('é TCK-1'), { config })).toBe('é <ticket>')
    const { attributes } = minimizeRecord(
      { attributes: ['TCK-1', 'TCK-2', 'none'].map((value, i) => ({ key: `k${i}`, value: text(value) })) },
      { config },
    )
    expect(attributes).toEqual({ k0: '<ticket>', k1: '<ticket>', k2: 'none' })
  })
  test('over other findings: nothing that one of them takes away comes back', () => {
    const config = own({ name: 'inner', pattern: 'example', action: 'keep' }, { name: 'tail', pattern: 'com and' })
    expect(attribute('m', text('to jane@example.com and more'), { config })).not.toContain('com and')
  })
  test('beyond the budget the value is masked whole', () => {
    const config = own({ name: 'x', pattern: 'a[^b]*b|a' })
    expect(attribute('m', text('a'.repeat(200_000)), { config })).toBe('<unscanned>')
  })
  test('a name that is taken, and a second of the same name, are refused', () => {
    expect(() => create(own({ name: 'email', pattern: 'x' }))).toThrow(/taken/)
    expect(() => create(own({ name: 'a', pattern: 'x' }, { name: 'a', pattern: 'y' }))).toThrow(/taken/)
  })
})

describe('patterns', () => {
  test.each([
    '(a+)+$',
    '(?:a+)+$',
    '(a|a)*b',
    '(a|aa)+$',
    '(\\w|\\d)*x',
    '([a-z]+)*@',
    '(.*)*x',
    '(x+x+)+y',
    '(\\s*\\w+\\s*)+;',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '(?i)(ab|AB)*c',
    '(?P<n>a*)*',
  ])('%s is refused with the reason', (pattern) => {
    try {
      create(own({ name: 'x', pattern }))
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError)
      expect(error).toMatchObject({ path: ['custom_detectors', 0, 'pattern'] })
      expect(String(error)).toContain('several ways')
    }
  })
  test.each([
    'TCK-[0-9]+',
    '([a-z]+-)+[0-9]+',
    '(\\d{3}-){2}\\d{4}',
    '(?:[a-z0-9]+\\.)+com',
    '.*foo.*bar',
    '(foo|bar|baz)+',
    '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Z]{2,}',
    '(\\d+,)*\\d+',
    '(?i)kunde[nr]*[: ]+([0-9]{6,10})',
    '\\d{1,500}x',
  ])('%s may be used', (pattern) => expect(catastrophe(pattern)).toBeUndefined())
  test.each(['(?=a)b', '(a)\\1', '[', 'a{2000}'])('%s is none that RE2 knows', (pattern) =>
    expect(() => create(own({ name: 'x', pattern }))).toThrow(ConfigError))
})
