/** The words near a candidate, as WebAssembly reads them, against the slow oracle. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Context, far } from '../../../processors/minimize/detect/context.ts'
import { topics, topicWords } from '../../../processors/minimize/detect/topics.ts'
import { type Near, OracleContext } from '../../oracle/context.ts'

const phrases = topics.flatMap((topic) => topicWords[topic].split(' '))
const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)

const phrase = fc
  .tuple(
    fc.constantFrom(...phrases),
    fc.constantFrom(' ', '_', '-', ': ', '', '.', '    ', 'camel', '1b '),
    fc.constantFrom('', '', '', 'Number', 'number', 'Nr', 'nr', 'no', 'NUM', 'numero'),
    fc.constantFrom('as it is', 'as it is', 'capitals', 'capital', 'half'),
  )
  .map(([text, joint, ending, form]) => {
    const parts = text.split('_')
    const joined =
      joint === 'camel' ? parts.map((part, i) => (i > 0 ? capital(part) : part)).join('') : parts.join(joint)
    const word = `${joined}${ending}`
    if (form === 'capitals') return word.toUpperCase()
    if (form === 'capital') return capital(word)
    return form === 'half' ? word.slice(1) : word
  })
const filler = fc.constantFrom(
  'of',
  'the',
  'in',
  'user',
  'request',
  'a',
  'GET',
  'ABc',
  'aB',
  'x1',
  '12',
  'b2b',
  '\x1a\x1a',
)
const letters = fc.stringMatching(/^[ -~]{0,12}$/)
const joint = fc.constantFrom(' ', ' ', ' ', '_', '', '=', ': ', ', ', '"', '1', '-')
const line = fc
  .array(fc.tuple(fc.oneof({ weight: 3, arbitrary: phrase }, filler, letters), joint), { minLength: 1, maxLength: 14 })
  .map((parts) => parts.flat().join(''))

function read(text: string, look: (context: Context, bytes: Uint8Array) => void): Map<number, Near> {
  const context = new Context()
  look(context, Buffer.from(text, 'latin1'))
  const named = topics.map((_, topic) => topic).filter((topic) => context.distance[topic] !== far)
  expect(context.isSilent).toBe(named.length === 0)
  return new Map(named.map((topic) => [topic, { distance: context.distance[topic]!, weight: context.weight[topic]! }]))
}
const sorted = (near: Map<number, Near>): unknown => [...near].sort(([a], [b]) => a - b)

describe('words near a candidate', () => {
  test('before it', () => {
    const oracle = new OracleContext()
    fc.assert(
      fc.property(line, fc.nat(3), (text, skipped) => {
        const from = Math.min(skipped, text.length)
        oracle.look(text, from, text.length)
        expect(sorted(read(text, (context, bytes) => context.look(bytes, from, text.length)))).toEqual(
          sorted(oracle.near),
        )
      }),
      { numRuns: 3000, seed: 63 },
    )
  })

  test('behind it', () => {
    const oracle = new OracleContext()
    fc.assert(
      fc.property(line, (text) => {
        oracle.look(text, 0, 0)
        oracle.nameBehind(text, 0, Math.min(64, text.length))
        const found = read(text, (context, bytes) => {
          context.look(bytes, 0, 0)
          context.nameBehind(bytes, 0, Math.min(64, text.length))
        })
        expect(sorted(found)).toEqual(sorted(oracle.near))
      }),
      { numRuns: 1500, seed: 64 },
    )
  })

  test('each phrase of each topic is known, alone and with `number` glued to its word', () => {
    for (const [topic, name] of topics.entries())
      for (const written of topicWords[name].split(' '))
        for (const text of [written.replaceAll('_', ' '), ...(/^[a-z]{3,}$/.test(written) ? [`${written}Number`] : [])])
          expect([text, [...read(text, (context, bytes) => context.look(bytes, 0, text.length)).keys()]]).toEqual([
            text,
            expect.arrayContaining([topic]),
          ])
  })

  test('two contexts do not mix their words', () => {
    const [card, passport] = [Buffer.from('card number'), Buffer.from('passport')]
    const [a, b] = [new Context(), new Context()]
    a.look(card, 0, card.length)
    const alone = a.distance.slice()
    b.look(passport, 0, passport.length)
    a.look(card, 0, card.length)
    expect(a.distance.slice()).toEqual(alone)
  })
})
