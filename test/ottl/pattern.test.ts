/** Patterns: V8 and RE2JS say the same wherever V8 is used, and what is not known to be linear never reaches V8. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileLinear, compilePattern, toNative } from '../../src/ottl/pattern.ts'

const atom = fc.constantFrom(
  'a',
  'b',
  'k',
  's',
  '.',
  '\\.',
  '\\d',
  '\\w',
  '\\s',
  '[ab]',
  '[^a]',
  '[a-c0-9_]',
  '-',
  ' ',
  '(a|b)',
  '(?:ab|c)?',
  '\\/',
)
const quantified = fc
  .tuple(atom, fc.constantFrom('', '', '', '?', '*', '+', '{2}', '{1,3}', '{0,2}'))
  .map(([a, q]) => a + q)
const sequence = fc.array(quantified, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''))
const pattern = fc
  .tuple(fc.constantFrom('', '^', '(?i)'), fc.array(sequence, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '$'))
  .map(([start, alternatives, end]) => start + alternatives.join('|') + end)
const text = fc
  .array(fc.constantFrom('a', 'b', 'c', 'A', 'K', '\u212a', 'ſ', '1', '_', '-', ' ', '\n', '\u2028', '.', 'é', '😀'), {
    maxLength: 12,
  })
  .map((t) => t.join(''))

describe('plain patterns', () => {
  it('mean the same to both engines', () => {
    let native = 0
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 5 }), (source, texts) => {
        const quick = toNative(source)
        const linear = compileLinear(source)
        if (quick === undefined || typeof linear === 'string') return
        native++
        for (const each of texts) expect(quick.test(each), `${source} on ${JSON.stringify(each)}`).toBe(linear(each))
      }),
      { seed: 4, numRuns: 5000 },
    )
    expect(native).toBeGreaterThan(1000)
  })

  it.each([
    '^auth\\.(login|logout)$',
    '(?i)password|secret',
    '^/api/v[0-9]+/users/.*',
    'foo.*',
    '\\d{4}-\\d{2}',
    '^[a-z]+\\.',
  ])('%s runs in V8', (source) => expect(toNative(source)).toBeInstanceOf(RegExp))

  it.each([
    '(a+)+$',
    '(a|a)*b',
    '[0-9]+ms$',
    '.*ring',
    '^a*a*b',
    '^(a?){9}b',
    'a{0,50}a{0,50}b',
    '(a|b|c){1,9}x',
    '^.*foo',
    '[[:alpha:]]',
    '\\pL',
    '\\bx',
  ])('%s does not', (source) => expect(toNative(source)).toBeUndefined())
})

describe('hostile patterns and texts', () => {
  it('take time that grows with the text only', () => {
    const hostile: [string, string][] = [
      ['^(a+)+$', 'a'],
      ['(a|aa)+$', 'a'],
      ['(.*a){8}$', 'a'],
      ['^a+b+c$', 'a'],
      ['[0-9]+ms$', '1'],
      ['x{1,3}y?x{1,3}z', 'x'],
      ['^[a-z]+[0-9]+[a-z]+$', 'a'],
    ]
    for (const [source, letter] of hostile) {
      const matches = compilePattern(source)
      if (typeof matches === 'string') throw new Error(matches)
      const text = `${letter.repeat(100_000)}!`
      const start = process.hrtime.bigint()
      expect(matches(text)).toBe(false)
      // Backtracking engines need minutes, quadratic ones seconds.
      expect(Number(process.hrtime.bigint() - start) / 1e6, source).toBeLessThan(1500)
    }
  })

  it('are refused with a reason where RE2 refuses them', () => {
    for (const source of ['(', 'a**', '(?=a)', '\\1', '[z-a]', '(?<=a)b'])
      expect(compilePattern(source), source).toMatch(/RE2 syntax/)
  })
})
