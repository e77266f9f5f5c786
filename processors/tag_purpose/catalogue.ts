/**
 * The event catalogue: a team writes its events down once, and from that list come their purposes, the check that each
 * has the fields that an audit needs, and which fields are content.
 *
 *   events:
 *     - name: auth.login              # or a prefix: auth.*
 *       description: Somebody signed in
 *       purpose: security             # or a list
 *       category: access              # access | application | system | security
 *       required: ['log.attributes["enduser.id"]', log.time_unix_nano]
 *       content: [log.body]
 *
 * An exact name wins over a prefix, a longer prefix over a shorter one. Event names are looked up by their bytes in a
 * table of their own, so that a known one costs no text; how many unknown ones it remembers is bounded.
 */
import { type Document, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import type { Counter, Host, Verdict } from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { KeyMemo, KeyTable } from '../../src/otlp/keys.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import { Mark } from '../../src/otlp/slots.ts'
import type { Decision } from '../../src/ottl/decision.ts'
import type { Path } from '../../src/ottl/paths.ts'
import { OttlError, type Value } from '../../src/ottl/values.ts'
import { purposeNames, recordPath } from './options.ts'

export type Incomplete = 'count' | 'annotate' | 'quarantine' | 'reject'

const paths = () => z.array(z.string()).max(limits.catalogueFieldsMax).default([])

export const catalogueSchema = z.strictObject({
  events: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[^*]+\*?$/, 'an event has a name, or a prefix that ends with *')
          .describe('The event_name, or its beginning followed by *.'),
        description: z.string().optional().describe('What happened, for the transparency notice.'),
        purpose: purposeNames().describe('What such records are kept for.'),
        category: z
          .enum(['access', 'application', 'system', 'security'])
          .optional()
          .describe('The category of audit events that it belongs to.'),
        required: paths().describe('Paths of the fields that each record of this event must have.'),
        content: paths().describe('Paths of the fields that hold content: log.body, or attributes of the record.'),
      }),
    )
    .max(limits.catalogueEventsMax),
})
export type CatalogueFile = z.output<typeof catalogueSchema>

interface Event {
  readonly index: number
  readonly mask: number
  readonly required: readonly { readonly name: string; readonly path: number }[]
  /** Numbers of paths in the condition set. */
  readonly content: readonly number[]
}

export class Catalogue {
  readonly #exact = new Map<string, Event>()
  readonly #prefixes = new Map<string, Event>()
  /** Lengths of the prefixes, longest first. */
  readonly #prefixLengths: readonly number[]
  readonly #names = new KeyTable()
  readonly #memo = new KeyMemo<Event | null>((name) => this.#lookUp(name))
  readonly #incomplete: Incomplete
  readonly #incompleteCounts: Int32Array
  readonly #counters: readonly Counter[]

  /** `addPath` gives a path its number in the condition set. */
  constructor(file: string, host: Host, incomplete: Incomplete, addPath: (path: Path) => number) {
    this.#incomplete = incomplete
    const { events } = readCatalogue(file, host)
    for (const [index, event] of events.entries()) {
      const known: Event = {
        index,
        mask: event.purpose.reduce((mask, name) => mask | host.purposes.bit(name), 0),
        required: event.required.map(({ text, path }) => ({ name: text, path: addPath(path) })),
        content: event.content.map(({ path }) => addPath(path)),
      }
      if (event.name.endsWith('*')) this.#prefixes.set(event.name.slice(0, -1), known)
      else this.#exact.set(event.name, known)
    }
    this.#prefixLengths = [...new Set([...this.#prefixes.keys()].map((prefix) => prefix.length))].sort((a, b) => b - a)
    const counter = host.counter('incomplete_events', 'Events that lack a field which the catalogue requires.', [
      'event',
    ])
    this.#counters = events.map(({ name }) => counter.with(name))
    this.#incompleteCounts = new Int32Array(events.length)
  }

  begin(): void {
    if (this.#names.isFull) this.#names.clear()
  }

  end(): void {
    for (const [i, count] of this.#incompleteCounts.entries()) if (count > 0) this.#counters[i]!.add(count)
    this.#incompleteCounts.fill(0)
  }

  find(record: LogRecord): Event | undefined {
    const slot = record.eventName
    if (slot < 0) return undefined
    const { slots } = record
    const id = this.#names.idOf(slots.bytes(slot), slots.start(slot), slots.end(slot))
    const found = id > 0 ? this.#memo.byId(this.#names, id) : this.#memo.byName(slots.text(slot))
    return found ?? undefined
  }

  /** Marks the event's content, and checks that its required fields are there. */
  check(event: Event, record: LogRecord, decision: Decision): Verdict {
    for (const path of event.content) {
      const slot = decision.slot(path)
      if (slot >= 0) record.slots.mark(slot, Mark.Content | Mark.Seal)
    }
    const missing = event.required.filter(({ path }) => !isPresent(decision, path))
    if (missing.length === 0) return 'keep'
    this.#incompleteCounts[event.index]!++
    if (this.#incomplete === 'quarantine' || this.#incomplete === 'reject') return this.#incomplete
    if (this.#incomplete === 'annotate') {
      const values = missing.map(({ name }) => ({ kind: 'string' as const, value: name }))
      record.add('douane.incomplete', { kind: 'array', values })
    }
    return 'keep'
  }

  #lookUp(name: string): Event | null {
    const exact = this.#exact.get(name)
    if (exact !== undefined) return exact
    for (const length of this.#prefixLengths) {
      const event = name.length >= length ? this.#prefixes.get(name.slice(0, length)) : undefined
      if (event !== undefined) return event
    }
    return null
  }
}

/** Neither nil, nor empty text, nor zero: a time, a number or an id that the sender left out is zero. */
function isPresent(decision: Decision, path: number): boolean {
  const value = read(decision, path)
  if (value === null || value === '' || value === 0n) return false
  if (typeof value !== 'object' || !('kind' in value)) return true
  if (value.kind === 'time') return value.nanos !== 0n
  return value.kind !== 'trace_id' && value.kind !== 'span_id' ? true : /[^0]/.test(value.hex)
}

function read(decision: Decision, path: number): Value {
  try {
    return decision.value(path)
  } catch (error) {
    // Keys that lead into what is no map: the field is not there.
    if (error instanceof OttlError) return null
    throw error
  }
}

interface Field {
  readonly text: string
  readonly path: Path
}
type ReadEvent = Omit<CatalogueFile['events'][number], 'required' | 'content'> & {
  readonly required: readonly Field[]
  readonly content: readonly Field[]
}

/** Reads and checks the file. Throws one `ConfigError` that lists every problem as `file:line:column what`. */
export function readCatalogue(file: string, host: Host): { events: ReadEvent[] } {
  if (host.readText === undefined) throw new ConfigError('files cannot be read here', ['catalogue'])
  const text = host.readText(file)
  if (text.length > limits.catalogueBytesMax) {
    throw new ConfigError(`larger than ${limits.catalogueBytesMax} bytes`, ['catalogue'], 'split it')
  }
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    logLevel: 'silent',
  })
  const problems: string[] = []
  const tell = (offset: number, what: string): void => {
    const { line, col } = lines.linePos(offset)
    problems.push(`${file}:${line}:${col} ${what}`)
  }
  for (const fault of document.errors) tell(fault.pos[0], `not YAML 1.2: ${fault.message}`)
  const events = problems.length > 0 ? [] : readEvents(document, tell, host)
  if (problems.length > 0) throw new ConfigError(problems.join('\n'), ['catalogue'])
  return { events }
}

type Tell = (offset: number, what: string) => void

function readEvents(document: Document, tell: Tell, host: Host): ReadEvent[] {
  const offsetOf = (path: readonly PropertyKey[]): number => {
    for (let end = path.length; end >= 0; end--) {
      const node = document.getIn(path.slice(0, end), true) as { range?: [number, number, number] } | undefined
      if (node?.range) return node.range[0]
    }
    return 0
  }
  const parsed = catalogueSchema.safeParse(document.toJS({ maxAliasCount: 100 }))
  if (!parsed.success) {
    for (const issue of parsed.error.issues) tell(offsetOf(issue.path), `${issue.path.join('.')}: ${issue.message}`)
    return []
  }
  const seen = new Set<string>()
  return parsed.data.events.map((event, i) => {
    const at = (...path: PropertyKey[]): number => offsetOf(['events', i, ...path])
    if (seen.has(event.name)) tell(at('name'), `the event ${event.name} is listed twice`)
    seen.add(event.name)
    try {
      for (const name of event.purpose) host.purposes.bit(name)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      tell(at('purpose'), error.fix === undefined ? error.message : `${error.message}; ${error.fix}`)
    }
    const fieldsOf = (kind: 'required' | 'content'): Field[] =>
      event[kind].flatMap((text, j) => {
        const path = recordPath().safeParse(text)
        if (!path.success) tell(at(kind, j), path.error.issues[0]!.message)
        else if (kind === 'content' && !canBeContent(path.data)) tell(at(kind, j), contentRule)
        else return [{ text, path: path.data }]
        return []
      })
    return { ...event, required: fieldsOf('required'), content: fieldsOf('content') }
  })
}

const contentRule = 'content is log.body, or an attribute of the record such as log.attributes["comment"]'
const canBeContent = ({ of, field, keys }: Path): boolean =>
  of === 'log' && ((field === 'body' && keys.length === 0) || (field === 'attributes' && keys.length === 1))
