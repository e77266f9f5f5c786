/**
 * How often what is no identifier looks like one: for each type of the detectors' tables.
 *
 *   node bench/base_rates.ts [FILE…]
 *
 * Prints a table for docs/detectors.md, over the generated ordinary lines and the lines of the files, which should be
 * ordinary logs too:
 *
 *   passes   of random numbers of the type's lengths, one in so many passes its check
 *   fits     runs of digits, or of letters and digits, in 10,000 lines that have its length and shape and pass its check:
 *            the alarms there would be if every such run were taken
 *   found    findings in 10,000 lines, as the detectors work: generated lines, and lines of the files
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { codes } from '../processors/minimize/detect/codes.ts'
import { detect } from '../processors/minimize/detect/index.ts'
import { europe } from '../processors/minimize/detect/numbers_europe.ts'
import { world } from '../processors/minimize/detect/numbers_world.ts'
import { detectors } from '../processors/minimize/detect/registry.ts'
import { cleanLines } from './detect_samples.ts'

const linesGenerated = 200_000
const drawn = 200_000
const lineBytesMax = 20_000
const { positionals } = parseArgs({ allowPositionals: true })

const generated = cleanLines(linesGenerated, 21)
const read = positionals.flatMap((file) =>
  readFileSync(file, 'latin1')
    .split('\n')
    .filter((line) => line.length > 0 && line.length < lineBytesMax),
)

/** A fixed sequence: xorshift32. */
let state = 2463534242
function random(): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) / 2 ** 32
}

const numbers = [...europe, ...world]
const asBytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))

/** Of random numbers of the lengths of the type's rules, how many pass one of them. */
function passing(type: string): number {
  const rules = numbers.filter((rule) => rule.type === type)
  const lengths = [...new Set(rules.flatMap((rule) => rule.lengths))]
  if (lengths.length === 0) return Number.NaN
  let passed = 0
  for (let i = 0; i < drawn; i++) {
    const length = lengths[i % lengths.length]!
    const number = Uint8Array.from({ length }, () => 48 + Math.floor(random() * 10))
    if (rules.some((rule) => rule.lengths.includes(length) && rule.check(number, 0, length))) passed++
  }
  return passed / drawn
}

/** Type → runs in the lines that fit it. */
function fitting(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  const add = (type: string): unknown => counts.set(type, (counts.get(type) ?? 0) + 1)
  for (const line of lines)
    for (const [run] of line.matchAll(/[A-Za-z0-9]{4,34}/g)) {
      const bytes = asBytes(run)
      const types = new Set<string>()
      if (/^\d+$/.test(run))
        for (const rule of numbers)
          if (rule.lengths.includes(run.length) && rule.check(bytes, 0, run.length)) types.add(rule.type)
      for (const rule of codes)
        if (rule.lengths.includes(run.length) && rule.shape.test(run) && (rule.check?.(run) ?? true))
          types.add(rule.type)
      for (const type of types) add(type)
    }
  return counts
}

/** Type → findings in the lines. */
function found(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of lines) for (const { type } of detect(line)) counts.set(type, (counts.get(type) ?? 0) + 1)
  return counts
}

const per = (count: number, lines: number): string =>
  count === 0 ? '0' : ((count * 10_000) / lines).toFixed(count * 10_000 < lines * 10 ? 2 : 0)

const fits = fitting([...generated, ...read])
const inGenerated = found(generated)
const inRead = found(read)
const types = [...new Set(detectors.map(({ type }) => type))].filter((type) => type !== 'unscanned').sort()
console.log(`${generated.length} generated lines, ${read.length} of files\n`)
console.log('| type | passes | fits | found in generated | found in files |\n| --- | --- | --- | --- | --- |')
for (const type of types) {
  const rate = passing(type)
  const passes = Number.isNaN(rate)
    ? ''
    : rate === 0
      ? `< 1 in ${drawn}`
      : rate === 1
        ? 'all'
        : `1 in ${Math.round(1 / rate)}`
  const isRule = numbers.some((rule) => rule.type === type) || codes.some((rule) => rule.type === type)
  const fit = isRule ? per(fits.get(type) ?? 0, generated.length + read.length) : ''
  console.log(
    `| \`${type}\` | ${passes} | ${fit} | ${per(inGenerated.get(type) ?? 0, generated.length)} | ${read.length === 0 ? '' : per(inRead.get(type) ?? 0, read.length)} |`,
  )
}
