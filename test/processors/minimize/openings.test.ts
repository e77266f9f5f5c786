/** The set that lets most words pass must never let one pass that a phrase begins with. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Openings } from '../../../processors/minimize/detect/openings.ts'
import { topics, topicWords } from '../../../processors/minimize/detect/topics.ts'

const firstWords = [
  ...new Set(topics.flatMap((topic) => topicWords[topic].split(' ').map((one) => one.split('_')[0]!))),
]
const openings = new Openings()
for (const word of firstWords) openings.add(word)
const has = (word: string): boolean => openings.has(Buffer.from(`#${word}`), 1, word.length + 1)

describe('openings', () => {
  test.each([
    ['as they are', (word: string) => word],
    ['in capitals', (word: string) => word.toUpperCase()],
    ['with `Number` glued to them', (word: string) => (word.length < 3 ? word : `${word}Number`)],
    ['with `nr` glued to them', (word: string) => (word.length < 3 ? word : `${word}nr`)],
  ])('knows the first words of all phrases, %s', (_, written) => {
    expect(firstWords.filter((word) => !has(written(word)))).toEqual([])
  })

  test('passes most other words', () => {
    const word = fc.stringMatching(/^[a-z]{2,9}$/)
    const drawn = fc.sample(word, { numRuns: 2000, seed: 1 }).filter((one) => !firstWords.includes(one))
    expect(drawn.filter(has).length / drawn.length).toBeLessThan(0.1)
  })
})
