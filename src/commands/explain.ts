/** `douane explain`: a sample in, what each step changes, and what each destination would get. */
import type { Command } from 'commander'
import { DouaneError } from '../errors.ts'
import { type Explanation, explain, type OtlpJson } from '../explain.ts'
import { explainField, type PathExplanation } from '../explain_path.ts'
import { colours as pc } from './colours.ts'
import { loadAccepted, readInput, withConfig, withFormat } from './common.ts'

interface ExplainOptions {
  readonly config?: string[]
  readonly format: 'text' | 'json'
  readonly tenant?: string
  readonly path?: string[]
  readonly purpose?: string[]
}

export function explainCommand(program: Command): void {
  const command = program
    .command('explain [sample]')
    .description('show what happens to a sample, step by step, and what each destination would get; sends nothing')
  withFormat(withConfig(command), ['text', 'json'], 'text')
    .option('--tenant <tenant>', "act as if the sender's credential spoke for this tenant")
    .option(
      '--path <path>',
      'instead of a sample: what is in force for this field, such as log.body (repeatable)',
      collect,
    )
    .option('--purpose <purpose>', 'with --path: for records of this purpose (repeatable)', collect)
    .addHelpText(
      'after',
      '\nSAMPLE is a file with OTLP/JSON or one log line as text; without it standard input is read.',
    )
    .action(async (sample: string | undefined, options: ExplainOptions) => {
      const config = loadAccepted(options.config)
      if (options.path !== undefined) {
        const { tenant = '', purpose = [] } = options
        const told = options.path.map((path) => explainField(config, path, tenant, purpose, Date.now()))
        const lines = options.format === 'json' ? told.map((each) => JSON.stringify(each)) : told.map(fieldText)
        process.stdout.write(`${lines.join('\n')}\n`)
        return
      }
      const input = await readInput(sample)
      if (input.toString('utf8').trim() === '') {
        throw new DouaneError('json', 'the sample is empty', 'Give OTLP/JSON, or one log line as text.')
      }
      const explanation = await explain(config, input, Date.now(), options.tenant)
      process.stdout.write(
        options.format === 'json' ? `${JSON.stringify(explanation)}\n` : explanationText(explanation),
      )
    })
}

const collect = (value: string, all: string[] = []): string[] => [...all, value]

/** What is in force for a field, for a person. */
export function fieldText({ path, tenant, purposes, says }: PathExplanation): string {
  const of = [
    tenant === '' ? 'any tenant' : `tenant ${tenant}`,
    ...(purposes.length > 0 ? [`purposes ${purposes.join(', ')}`] : []),
  ]
  const parts = says.flatMap(({ component, lines }) => [`  ${component}`, ...lines.map((line) => `    ${line}`)])
  return [`${pc.bold(path)}  ${pc.dim(of.join(', '))}`, ...parts].join('\n')
}

/** The whole story for a person: records flattened to `path = value` lines, changed lines marked. */
export function explanationText({ before, steps, destinations, answer }: Explanation): string {
  const out: string[] = [pc.bold('before'), ...flat(before).map(([path, value]) => `    ${path} = ${value}`)]
  let last = before
  for (const { processor, after } of steps) {
    const changes = diff(flat(last), flat(after))
    out.push('', pc.bold(processor) + (changes.length === 0 ? pc.dim('  changes nothing') : ''), ...changes)
    last = after
  }
  for (const { destination, region, gets } of destinations) {
    const where = region === '' ? '' : pc.dim(`  in ${region}`)
    out.push('', `${pc.bold(pc.cyan(`→ ${destination}`))}${where}`)
    out.push(...flat(gets).map(([path, value]) => `    ${path} = ${value}`))
  }
  if (destinations.length === 0) out.push('', pc.bold(pc.yellow('→ nowhere')))
  out.push('', `the sender is told: ${answer.is}${'message' in answer ? `: ${answer.message}` : ''}`)
  return `${out.join('\n')}\n`
}

type Lines = [path: string, value: string][]

function diff(before: Lines, after: Lines): string[] {
  const old = new Map(before)
  const now = new Map(after)
  const lines: string[] = []
  for (const [path, value] of before) {
    const next = now.get(path)
    if (next === undefined) lines.push(pc.red(`  - ${path} = ${value}`))
    else if (next !== value) lines.push(pc.red(`  - ${path} = ${value}`), pc.green(`  + ${path} = ${next}`))
  }
  for (const [path, value] of after) if (!old.has(path)) lines.push(pc.green(`  + ${path} = ${value}`))
  return lines
}

interface JsonKeyValue {
  readonly key?: string
  readonly value?: unknown
}
interface JsonRecord extends Record<string, unknown> {
  readonly attributes?: JsonKeyValue[]
}
interface JsonResourceLogs {
  readonly resource?: { attributes?: JsonKeyValue[] }
  readonly scopeLogs?: { scope?: { name?: string; attributes?: JsonKeyValue[] }; logRecords?: JsonRecord[] }[]
}

/** Every field as an OTTL path and a value; records are numbered where there are several. */
function flat(json: OtlpJson): Lines {
  const lines: Lines = []
  const groups = (json.resourceLogs ?? []) as JsonResourceLogs[]
  const total = groups.reduce(
    (n, { scopeLogs = [] }) => n + scopeLogs.reduce((m, scope) => m + (scope.logRecords?.length ?? 0), 0),
    0,
  )
  let index = 0
  for (const [g, group] of groups.entries()) {
    const prefix = groups.length > 1 ? `[${g}] ` : ''
    attributes(lines, `${prefix}resource.attributes`, group.resource?.attributes)
    for (const scope of group.scopeLogs ?? []) {
      attributes(lines, `${prefix}scope.attributes`, scope.scope?.attributes)
      for (const record of scope.logRecords ?? []) {
        const which = total > 1 ? `[${index}] ` : ''
        index++
        for (const [name, value] of Object.entries(record)) {
          if (name === 'attributes') attributes(lines, `${which}log.attributes`, record.attributes)
          else lines.push([`${which}log.${snake(name)}`, shown(value)])
        }
      }
    }
  }
  return lines
}

function attributes(lines: Lines, path: string, list: JsonKeyValue[] = []): void {
  for (const { key = '', value } of list) lines.push([`${path}[${JSON.stringify(key)}]`, shown(value)])
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** An AnyValue's inner value; a sealed one is long and says nothing: its start is enough. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const inner = Object.values(value)
    if (inner.length === 1) return shown(inner[0])
  }
  const text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? '')
  return /^"cose:/.test(text) && text.length > 40
    ? `${text.slice(0, 28)}…" (${text.length - 2} characters, sealed)`
    : text
}
