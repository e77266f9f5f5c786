/**
 * tag_purpose: writes down what each record is kept for (`record.purposes`). Where a record may go, and for how long,
 * follows from its purposes alone, so the question is never answered by accident:
 *
 *   rules ─┐
 *   event catalogue ─┼─▶ all that apply, joined ─▶ none? `default`: purposes, or quarantine
 *   the sender's proposal, where trusted ─┘
 *
 * A rule that cannot be evaluated (HasPrefix of a number …) does not count as false: the record as a whole follows
 * `error_mode`. Nothing here names payload: counters are by rule number, event name of the catalogue, and outcome.
 */
import { z } from 'zod'
import { type Counter, type Host, type Processor, processor, type Verdict } from '../src/contract.ts'
import { ConfigError } from '../src/errors.ts'
import { limits } from '../src/limits.ts'
import type { LogRecord } from '../src/otlp/record.ts'
import type { LogsRequest } from '../src/otlp/request.ts'
import { Decision, type Outcome } from '../src/ottl/decision.ts'
import type { Path } from '../src/ottl/paths.ts'
import { OttlError } from '../src/ottl/values.ts'
import { Catalogue } from './tag_purpose/catalogue.ts'
import { condition, purposeName, purposeNames, recordPath } from './tag_purpose/options.ts'
import { Proposals } from './tag_purpose/proposals.ts'

const rule = z.strictObject({
  purpose: purposeNames().describe('What the records are kept for: a name, or a list of names.'),
  when: condition().describe('An OTTL condition (docs/ottl.md).'),
})

const proposal = z.strictObject({
  path: recordPath().describe('The attribute in which a sender may propose purposes: text, or a list of texts.'),
  allow: z.array(purposeName()).min(1).describe('The purposes that may be proposed. Others are ignored and counted.'),
  tenants: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('The tenants whose senders are trusted with it. Left out: all tenants that are known.'),
})

const config = z.strictObject({
  rules: z
    .array(rule)
    .max(limits.purposeRulesMax)
    .default([])
    .describe('Every rule that matches applies; their purposes are joined.'),
  default: z
    .union([z.literal('quarantine'), purposeNames()])
    .default('quarantine')
    .describe('The purposes of a record that nothing matched, or `quarantine`.'),
  error_mode: z
    .enum(['quarantine', 'reject', 'default_purpose'])
    .default('quarantine')
    .describe('What becomes of a record on which a rule cannot be evaluated.'),
  catalogue: z.string().min(1).optional().describe('A YAML file that lists the known events (docs/tag_purpose.md).'),
  incomplete: z
    .enum(['count', 'annotate', 'quarantine', 'reject'])
    .default('count')
    .describe('What becomes of an event of the catalogue that lacks a required field. It is counted in any case.'),
  from_attribute: proposal.optional().describe('Lets trusted senders propose purposes themselves.'),
})
type Config = z.output<typeof config>

/** No mask: masks are positive. */
const failed = -1

export const tagPurpose = processor({
  name: 'tag_purpose',
  config,
  create: (options, host) => new TagPurpose(options, host),
})

/** Asks the host for a purpose's bit, and says where in the config a refused one stands. */
function maskOf(names: readonly string[], host: Host, path: readonly (string | number)[]): number {
  let mask = 0
  for (const name of names) {
    try {
      mask |= host.purposes.bit(name)
    } catch (error) {
      if (error instanceof ConfigError) throw new ConfigError(error.message, path, error.fix)
      throw error
    }
  }
  return mask
}

class TagPurpose implements Processor {
  readonly #decision: Decision
  readonly #masks: readonly number[]
  /** 0: quarantine. */
  readonly #default: number
  readonly #errorMode: Config['error_mode']
  readonly #catalogue: Catalogue | undefined
  readonly #proposals: Proposals | undefined
  /** Counts since the last request, a cell a rule: counters are told once a request. */
  readonly #matches: Int32Array
  readonly #errors: Int32Array
  readonly #matchCounters: readonly Counter[]
  readonly #errorCounters: readonly Counter[]
  /** Outcomes that were counted since the last request. */
  readonly #outcomes: Outcome[] = []
  #defaulted = 0
  readonly #defaultedCounter: Counter

  constructor(options: Config, host: Host) {
    const { rules } = options
    this.#masks = rules.map(({ purpose }, i) => maskOf(purpose, host, ['rules', i, 'purpose']))
    this.#default = options.default === 'quarantine' ? 0 : maskOf(options.default, host, ['default'])
    this.#errorMode = options.error_mode
    const paths = new PathList()
    this.#catalogue =
      options.catalogue === undefined
        ? undefined
        : new Catalogue(options.catalogue, host, options.incomplete, (path) => paths.add(path))
    this.#proposals =
      options.from_attribute === undefined
        ? undefined
        : new Proposals(options.from_attribute, host, paths.add(options.from_attribute.path), (names) =>
            maskOf(names, host, ['from_attribute', 'allow']),
          )
    this.#decision = new Decision(
      rules.map(({ when }) => when),
      this.#masks,
      paths.all,
    )
    const matched = host.counter('rule_matches', 'Records that a rule matched.', ['rule'])
    const erred = host.counter('rule_errors', 'Records on which a rule could not be evaluated.', ['rule'])
    this.#matchCounters = rules.map((_, i) => matched.with(String(i)))
    this.#errorCounters = rules.map((_, i) => erred.with(String(i)))
    this.#matches = new Int32Array(rules.length)
    this.#errors = new Int32Array(rules.length)
    this.#defaultedCounter = host.counter(
      'defaulted_records',
      'Records that no rule, event or proposal gave a purpose.',
    )
  }

  begin(request: LogsRequest): void {
    this.#decision.begin(request)
    this.#catalogue?.begin()
  }

  record(record: LogRecord): Verdict {
    const decision = this.#decision
    const outcome = decision.decide(record)
    if (outcome.count++ === 0) this.#outcomes.push(outcome)
    let mask = record.purposes | outcome.mask
    if (outcome.failed !== -1 || outcome.open.length !== 0) {
      const more = this.#ask(outcome)
      if (more === failed) return this.#failed(record)
      mask |= more
    }
    let verdict: Verdict = 'keep'
    if (this.#catalogue !== undefined) {
      const event = this.#catalogue.find(record)
      if (event !== undefined) {
        mask |= event.mask
        verdict = this.#catalogue.check(event, record, decision)
      }
    }
    if (this.#proposals !== undefined) mask |= this.#proposals.read(record, decision)
    if (mask === 0) {
      this.#defaulted++
      mask = this.#default
      if (mask === 0 && verdict !== 'reject') verdict = 'quarantine'
    }
    record.purposes = mask
    return verdict
  }

  end(_request: LogsRequest): void {
    for (const outcome of this.#outcomes) {
      for (const index of outcome.matched) this.#matches[index]! += outcome.count
      outcome.count = 0
    }
    this.#outcomes.length = 0
    flush(this.#matches, this.#matchCounters)
    flush(this.#errors, this.#errorCounters)
    if (this.#defaulted > 0) this.#defaultedCounter.add(this.#defaulted)
    this.#defaulted = 0
    this.#catalogue?.end()
    this.#proposals?.end()
  }

  /** What the rules that an outcome leaves open add; `failed` where a rule cannot be evaluated. */
  #ask(outcome: Outcome): number {
    let mask = 0
    let index = outcome.failed
    try {
      if (index === -1) {
        for (index of outcome.open) {
          if (!this.#decision.holds(index)) continue
          mask |= this.#masks[index]!
          this.#matches[index]!++
        }
        return mask
      }
    } catch (error) {
      if (!(error instanceof OttlError)) throw error
    }
    this.#errors[index]!++
    return failed
  }

  #failed(record: LogRecord): Verdict {
    if (this.#errorMode !== 'default_purpose') return this.#errorMode
    record.purposes = this.#default
    return this.#default === 0 ? 'quarantine' : 'keep'
  }
}

/** The paths that the catalogue and proposals read, each once. */
class PathList {
  readonly all: Path[] = []
  readonly #known = new Map<string, number>()
  add(path: Path): number {
    const name = JSON.stringify([path.of, path.field, path.keys.map(String)])
    const known = this.#known.get(name)
    if (known !== undefined) return known
    this.#known.set(name, this.all.length)
    return this.all.push(path) - 1
  }
}

function flush(counts: Int32Array, counters: readonly Counter[]): void {
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue
    counters[i]!.add(counts[i]!)
    counts[i] = 0
  }
}
