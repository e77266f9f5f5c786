/**
 * Quality and speed of minimize's detectors.
 *
 *   npm run bench:detect -- [--corpus FILE]… [--misses TYPE] [--alarms]
 *
 * A corpus is JSON lines: {"text", "spans": [{start, end, type}]}, UTF-16 offsets; `negFor` marks a row that is a negative
 * for one detector only: it is left out. Labels of types that are out of scope (names, places, dates …) are not counted.
 * A finding is right when it overlaps a label of its type. Without a corpus: the generated one of bench/detect_samples.ts.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { detect, noHint, scanBytes, scanText } from '../processors/minimize/detect/index.ts'
import { cleanLines, labelled, type Row } from './detect_samples.ts'

/** What other people's corpora call our types. */
const aliases: Record<string, readonly string[]> = {
  email_address: ['email'],
  ip_address: ['ip'],
  phone_number: ['phone'],
  iban_code: ['iban'],
  domain_name: ['url'],
  us_driver_license: ['us_driving_licence', 'driving_licence', 'uk_driving_licence'],
}
const outOfScope = new Set(
  'person location address org organization date date_time title prefix age postal zip_code nrp gpe street_address'.split(
    ' ',
  ),
)
const { values } = parseArgs({
  options: { corpus: { type: 'string', multiple: true }, misses: { type: 'string' }, alarms: { type: 'boolean' } },
})

interface Score {
  right: number
  missed: number
  wrong: number
}

const typesOf = (label: string): readonly string[] => aliases[label.toLowerCase()] ?? [label.toLowerCase()]

function score(rows: readonly Row[]): Map<string, Score> {
  const scores = new Map<string, Score>()
  const of = (type: string): Score => {
    if (!scores.has(type)) scores.set(type, { right: 0, missed: 0, wrong: 0 })
    return scores.get(type)!
  }
  const urls = rows.some((row) => row.spans.some((span) => typesOf(span.type).includes('url')))
  for (const row of rows) {
    if (row.negFor) continue
    const findings = detect(row.text, { urls })
    const used = new Set<number>()
    for (const span of row.spans) {
      if (outOfScope.has(span.type.toLowerCase())) continue
      const types = typesOf(span.type)
      const hits = findings.flatMap((f, i) =>
        (row.approx || (f.start < span.end && f.end > span.start)) &&
        (types.includes(f.type) || f.type.endsWith(types[0]!))
          ? [i]
          : [],
      )
      for (const i of hits) used.add(i)
      if (hits.length > 0) of(types[0]!).right++
      else {
        of(types[0]!).missed++
        if (values.misses === types[0])
          console.log('missed', JSON.stringify(row.text.slice(Math.max(0, span.start - 50), span.end + 15)))
      }
    }
    for (const [i, f] of findings.entries()) {
      if (
        used.has(i) ||
        (f.type === 'birth_date' &&
          row.spans.some((span) => span.type.startsWith('DATE') && f.start < span.end && f.end > span.start))
      )
        continue
      of(f.type).wrong++
      if (values.alarms)
        console.log('wrong', f.detector, JSON.stringify(row.text.slice(Math.max(0, f.start - 40), f.end + 15)))
    }
  }
  return scores
}

function print(title: string, scores: Map<string, Score>): void {
  const total = { right: 0, missed: 0, wrong: 0 }
  const line = (type: string, s: Score): string => {
    const precision = s.right / (s.right + s.wrong || 1)
    const recall = s.right / (s.right + s.missed || 1)
    const f1 = (2 * precision * recall) / (precision + recall || 1)
    const cells = [s.right + s.missed, s.wrong, precision.toFixed(3), recall.toFixed(3), f1.toFixed(3)]
    return type.padEnd(22) + cells.map((cell) => String(cell).padStart(10)).join('')
  }
  console.log(
    `\n${title}\n${'type'.padEnd(22)}${['labels', 'wrong', 'precision', 'recall', 'F1'].map((c) => c.padStart(10)).join('')}`,
  )
  for (const [type, s] of [...scores].sort(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(line(type, s))
    for (const key of ['right', 'missed', 'wrong'] as const) total[key] += s[key]
  }
  console.log(line('all', total))
}

function alarms(): void {
  const lines = cleanLines(50_000, 7)
  let wrong = 0
  for (const line of lines) {
    const findings = detect(line)
    wrong += findings.length
    if (values.alarms) for (const f of findings) console.log('alarm', f.detector, JSON.stringify(line))
  }
  console.log(`\nfalse alarms: ${((wrong * 10_000) / lines.length).toFixed(2)} per 10,000 clean lines`)
}

function speed(): void {
  const clean = cleanLines(20_000, 8)
  const dirty = labelled(4000, 9).map((row) => row.text)
  for (const [name, lines] of [
    ['clean lines', clean],
    ['lines with findings', dirty],
  ] as const) {
    const buffers = lines.map((line) => Buffer.from(line))
    const bytes = buffers.reduce((sum, b) => sum + b.length, 0)
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 8; round++) {
      const before = process.cpuUsage()
      for (const [i, b] of buffers.entries()) if (!scanBytes(b, 0, b.length, noHint)) scanText(lines[i]!, noHint)
      const used = process.cpuUsage(before)
      best = Math.min(best, (used.user + used.system) / 1e6)
    }
    console.log(
      `${name}: ${(bytes / best / 1e6).toFixed(0)} MB, ${(lines.length / best / 1e3).toFixed(0)} thousand lines per CPU-second (${(bytes / lines.length).toFixed(0)} bytes each)`,
    )
  }
}

const corpora = values.corpus ?? []
for (const file of corpora)
  print(
    file,
    score(
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Row),
    ),
  )
if (corpora.length === 0) print('generated, seed 5', score(labelled(5000, 5)))
alarms()
speed()
