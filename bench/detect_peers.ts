/**
 * minimize's detectors beside gitleaks, detect-secrets and Presidio, on the same text: precision, recall, MB per CPU-second.
 *
 *   node bench/detect_peers.ts [--corpus FILE]… [--gitleaks PROGRAM] [--python PROGRAM]
 *
 * `--gitleaks`: its program (`go install github.com/zricethezav/gitleaks/v8@latest`). `--python`: one with the packages
 * detect-secrets and presidio-analyzer. What is not given is left out. Without a corpus: the generated one of
 * detect_samples.ts. A label counts as found when a finding overlaps it, whatever type it has; a finding that overlaps no
 * label is wrong. Tools for secrets are held against labels of secrets, Presidio against all others, minimize against both.
 * Loading is left out of CPU time (minimize: the best of five rounds); of gitleaks' time its start on an empty folder is taken off.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { detect } from '../processors/minimize/detect/index.ts'
import { cleanLines, labelled, type Row } from './detect_samples.ts'

const { values } = parseArgs({
  options: { corpus: { type: 'string', multiple: true }, gitleaks: { type: 'string' }, python: { type: 'string' } },
})
/** Of presidio-research: names, places and dates are out of scope, and URLs are no personal data as such. */
const outOfScope =
  /^(?:person|location|address|org|organization|date|date_time|title|prefix|age|postal|zip_code|nrp|gpe|street_address|url|domain_name)$/i

interface Span {
  readonly start: number
  readonly end: number
}
interface Result {
  readonly found: readonly (readonly Span[])[]
  readonly cpuSeconds: number
}
interface Tool {
  readonly name: string
  readonly finds: 'secrets' | 'others' | 'all'
  readonly run: (texts: readonly string[]) => Result
}

const tools: Tool[] = [{ name: 'minimize', finds: 'all', run: ours }]
if (values.gitleaks !== undefined) tools.push({ name: 'gitleaks', finds: 'secrets', run: gitleaks(values.gitleaks) })
if (values.python !== undefined) {
  tools.push({ name: 'detect-secrets', finds: 'secrets', run: python(values.python, 'detect-secrets') })
  tools.push({ name: 'presidio', finds: 'others', run: python(values.python, 'presidio') })
}

function ours(texts: readonly string[]): Result {
  let cpuSeconds = Number.POSITIVE_INFINITY
  let found: Span[][] = []
  // The first rounds are compiled meanwhile.
  for (let round = 0; round < 5; round++) {
    const before = process.cpuUsage()
    found = texts.map((text) => detect(text))
    const { user, system } = process.cpuUsage(before)
    cpuSeconds = Math.min(cpuSeconds, (user + system) / 1e6)
  }
  return { found, cpuSeconds }
}

function gitleaks(program: string): Tool['run'] {
  return (texts) => {
    const folder = mkdtempSync(join(tmpdir(), 'detect-peers-'))
    try {
      const [lines, empty] = ['lines', 'empty'].map((name) => join(folder, name))
      for (const each of [lines!, empty!]) mkdirSync(each)
      writeFileSync(join(lines!, 'lines.txt'), `${texts.join('\n')}\n`)
      const report = join(folder, 'report.json')
      const start = timed(program, empty!, report)
      const cpuSeconds = timed(program, lines!, report) - start
      const found: Span[][] = texts.map(() => [])
      for (const { StartLine, Secret } of JSON.parse(readFileSync(report, 'utf8')) as GitleaksFinding[]) {
        const at = texts[StartLine - 1]?.indexOf(Secret) ?? -1
        if (at >= 0) found[StartLine - 1]!.push({ start: at, end: at + Secret.length })
      }
      return { found, cpuSeconds }
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
}
interface GitleaksFinding {
  readonly StartLine: number
  readonly Secret: string
}

/** CPU seconds of one run, by the shell's own clock of its children. */
function timed(program: string, folder: string, report: string): number {
  const command = `TIMEFORMAT='%U %S'; time "$0" dir "$1" --report-format json --report-path "$2" --no-banner --exit-code 0 --log-level error`
  const { stderr } = spawnSync('bash', ['-c', command, program, folder, report], { encoding: 'utf8' })
  const [user = 0, system = 0] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  return user + system
}

function python(program: string, tool: string): Tool['run'] {
  const script = join(import.meta.dirname, 'peers/detect_peers.py')
  return (texts) => {
    const input = texts.map((text) => JSON.stringify(text)).join('\n')
    const { stdout, stderr, status } = spawnSync(program, [script, tool], {
      input,
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
    })
    if (status !== 0) throw new Error(`${tool}: ${stderr.slice(-2000)}`)
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const { cpu } = rows.pop() as { cpu: number }
    // Offsets in code points are offsets in UTF-16 where there is nothing beyond the basic plane.
    const found = (rows as [number, number][][]).map((spans) => spans.map(([start, end]) => ({ start, end })))
    return { found, cpuSeconds: cpu }
  }
}

function compare(title: string, rows: readonly Row[]): void {
  const texts = rows.map(({ text }) => text.replace(/[\r\n]/g, ' '))
  const megabytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6
  console.log(`\n${title}: ${rows.length} texts, ${megabytes.toFixed(2)} MB`)
  console.log('tool              labels    found    wrong  precision   recall   MB per CPU-second')
  for (const { name, finds, run } of tools) {
    const { found, cpuSeconds } = run(texts)
    let labels = 0
    let right = 0
    let wrong = 0
    for (const [i, row] of rows.entries()) {
      const spans = row.spans.filter(({ type }) => !outOfScope.test(type))
      const isIts = ({ type }: { type: string }): boolean =>
        finds === 'all' || (finds === 'secrets') === /^secret/i.test(type)
      const overlaps = (a: Span, b: Span): boolean => row.approx === true || (a.start < b.end && b.start < a.end)
      for (const span of spans.filter(isIts)) {
        labels++
        if (found[i]!.some((each) => overlaps(each, span))) right++
      }
      // What overlaps a name or another label that is out of scope is not counted.
      wrong += found[i]!.filter((each) => !row.spans.some((span) => overlaps(each, span))).length
    }
    const precision = right / (right + wrong || 1)
    const cells = [labels, right, wrong].map((n) => String(n).padStart(9)).join('')
    const shares = [precision, right / (labels || 1)].map((n) => n.toFixed(3))
    const speed = (megabytes / Math.max(cpuSeconds, 1e-3)).toFixed(2)
    console.log(`${name.padEnd(15)}${cells}${shares[0]!.padStart(11)}${shares[1]!.padStart(9)}${speed.padStart(20)}`)
  }
}

for (const file of values.corpus ?? []) {
  const rows = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  compare(
    file,
    rows.map((line) => JSON.parse(line) as Row).filter(({ negFor }) => negFor === undefined),
  )
}
if (values.corpus === undefined) compare('generated, seed 5', labelled(3000, 5))
compare(
  'ordinary log lines, generated, seed 7',
  cleanLines(10_000, 7).map((text) => ({ text, spans: [] })),
)
