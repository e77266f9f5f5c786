/**
 * What bounds the detectors' work: for each detector, text made of what wakes it (the words of its topic, the beginnings
 * and cut bodies of its tokens) costs steps that grow with its length and no faster; and more formats of secrets wake the
 * detectors hardly more often.
 */
import { expect, test } from 'vitest'
import { cleanLines } from '../../../bench/detect_samples.ts'
import { hintOf, lastScan, noHint, scanText } from '../../../processors/minimize/detect/index.ts'
import { topics, topicWords } from '../../../processors/minimize/detect/topics.ts'
import { tokenStarts, vendorFormats } from '../../../processors/minimize/detect/vendor_tokens.ts'
import { seeded } from '../../oracle/random.ts'
import { doubled, prefilter } from './doubled.ts'

const SEED = Number(process.env['SEED'] ?? 20261121)
type Random = () => number
const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)]!
const text = (random: Random, alphabet: string, length: number): string =>
  Array.from({ length }, () => pick(random, [...alphabet])).join('')

/** Steps over a piece that is repeated up to so many bytes. */
function steps(piece: string, bytes: number, key: string): number {
  scanText(piece.repeat(Math.ceil(bytes / piece.length)), key === '' ? noHint : hintOf(key))
  return lastScan().hits.steps
}

const stepsPerByteMax = 160
/** Steps that a look of a few thousand bytes may take however short the text is. */
const atOnceMax = 20_000

function expectLinear(piece: string, key: string, bytes: number): void {
  const [small, large] = [steps(piece, bytes, key), steps(piece, bytes * 4, key)]
  const told = JSON.stringify(piece.slice(0, 80))
  expect(large, told).toBeLessThanOrEqual(small * 6 + atOnceMax)
  expect(large, told).toBeLessThanOrEqual(bytes * 4 * stepsPerByteMax)
}

test.each(topics.map((topic, i) => [topic, i] as const))('numbers and codes beside the words of %s', (topic, i) => {
  const random = seeded(SEED + i)
  const phrases = topicWords[topic].split(' ')
  for (let run = 0; run < 2; run++) {
    const phrase = pick(random, phrases).replaceAll('_', pick(random, [' ', '_', '-', '']))
    const alphabet = pick(random, ['0123456789', '0123456789ABCDEFX', 'abc123'])
    const group = text(random, alphabet, 1 + Math.floor(random() * 18))
    const between = pick(random, [' ', ': ', '=', '-', '.', '/', ' (', ''])
    expectLinear(`${phrase}${between}${group}${pick(random, [' ', '-', '.', ', ', '\n'])}`, '', 1_500)
    expectLinear(`${group}${between}`, phrase, 1_000)
  }
})

test('tokens of each vendor, cut and begun again', () => {
  for (const [i, { format }] of vendorFormats.entries()) {
    const random = seeded(SEED + i)
    const token = format.replace(/\{(.)(\d+)(?:-\d+)?\}/g, (_, alphabet: string, n: string) =>
      text(random, alphabet === 'd' ? '0123456789' : 'abcdef0123456789', Number(n)),
    )
    const literal = /^[^{]*/.exec(format)![0]
    expectLinear(
      `${token.slice(0, 1 + Math.floor(random() * token.length))}${pick(random, ['', ' ', '-', '.', '"'])}`,
      '',
      2_000,
    )
    // The longest look at a token is 4 KiB.
    expectLinear(literal, '', 5_000)
  }
})

test('twice as many formats of secrets: hardly more places to look at', () => {
  const lines = Buffer.from(cleanLines(3_000, 11).join('\n')).map((byte) => byte & 127)
  const stops = prefilter(lines, tokenStarts)()
  expect(stops).toBeGreaterThan(1_000)
  expect(prefilter(lines, doubled(tokenStarts))()).toBeLessThan(stops * 1.05)
})
