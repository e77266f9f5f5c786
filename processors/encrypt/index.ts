/**
 * `encrypt` says which fields are content that is sealed before it leaves.
 *
 * It only marks them, and says whose content they are and how their tokens are made. Sealing happens where a copy is
 * made for a destination (residency route), because a copy for purpose P must open with P's key only, and a purpose may
 * drop content or keep it. Formats and keys: src/keys.
 */
import { z } from 'zod'
import {
  type Counter,
  type Host,
  type OnKeyFailure,
  type Processor,
  processor,
  type Subject,
  type Subjects,
  type Verdict,
} from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { Kind } from '../../src/otlp/fields.ts'
import { type KeyTable, Role } from '../../src/otlp/keys.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import type { LogsRequest, Resource, Scope } from '../../src/otlp/request.ts'
import type { SealStyle } from '../../src/otlp/sealing.ts'
import { Col, Mark, ROW, type Slots } from '../../src/otlp/slots.ts'
import { parsePath } from '../../src/ottl/checker.ts'
import { ConditionError } from '../../src/ottl/syntax.ts'
import { findSubject, type SubjectKeys, subjectKeys } from './subject.ts'

const config = z.strictObject({
  fields: z
    .array(z.string())
    .min(1)
    .describe(
      'What is sealed, as OTTL paths: log.body, log.event_name, log.severity_text, scope.name, scope.version, ' +
        'log.attributes["key"], scope.attributes["key"], resource.attributes["key"].',
    ),
  always: z
    .boolean()
    .default(false)
    .describe('Seal these fields also where a purpose says `content: keep`. Where it says `drop`, they are dropped.'),
  subject: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe(
      'Attributes that name the person whose content it is; the first that has an answer counts. His content can be ' +
        'erased everywhere with `subject erase`.',
    ),
  bind_record: z
    .boolean()
    .default(false)
    .describe('Tokens open only in the record with the same `log.record.uid`, where a record has one.'),
  encoding: z
    .enum(['text', 'bytes'])
    .default('text')
    .describe('`text`: a string that starts with `cose:`. `bytes`: a bytes attribute, a quarter shorter.'),
  pad_to: z
    .array(z.int().min(1).max(limits.sealPadBytesMax))
    .min(1)
    .optional()
    .describe('Lengths in bytes that values are filled up to, rising; longer ones to a multiple of the last.'),
  index: z
    .boolean()
    .default(false)
    .describe('Adds a blind index of each sealed field: it can be searched for equal values, by month.'),
  carry_keys: z
    .boolean()
    .default(false)
    .describe('Each message that leaves carries the sealed keys of its tokens: the key store may get lost.'),
  on_key_failure: z
    .enum(['wait', 'reject', 'quarantine', 'drop'])
    .default('wait')
    .describe(
      'When a key cannot be had: `wait`: the sender is told to send again. `reject`, `quarantine`: the record. ' +
        '`drop`: the field is left out.',
    ),
})

const roles: Readonly<Record<string, number>> = {
  'log.body': Role.Body,
  'log.event_name': Role.EventName,
  'log.severity_text': Role.SeverityText,
  'scope.name': Role.ScopeName,
  'scope.version': Role.ScopeVersion,
}

/** What is sealed of a record, a scope or a resource. */
class Selection {
  /** Fields that are no attributes: a bit for each, by its role's number without the sign. */
  #roleBits = 0
  /** Attribute keys. Filled before the first request. */
  readonly keys = new Set<string>()
  /** Interned keys that are not among them: 1. */
  readonly #not = new Uint8Array(limits.internedKeysMax + 1)
  #generation = 0

  get isEmpty(): boolean {
    return this.#roleBits === 0 && this.keys.size === 0
  }

  hasRole(role: number): boolean {
    return (this.#roleBits & (1 << -role)) !== 0
  }

  addRole(role: number): void {
    this.#roleBits |= 1 << -role
  }

  /** Calls `visit` for what is chosen of slots [first, end): every one of several attributes with the same key. */
  each(slots: Slots, first: number, end: number, visit: (slots: Slots, slot: number) => void): number {
    let visited = 0
    const { rows } = slots
    const chosen = this.#chosenOf(slots.keys)
    for (let slot = first, at = first * ROW + Col.KeyId; slot < end; slot++, at += ROW) {
      const id = rows[at]!
      if (id >= 0 ? chosen[id] === 1 : (this.#roleBits & (1 << -id)) === 0) continue
      if (id >= 0 && !this.#has(slots, slot, id)) continue
      if (slots.kind(slot) === Kind.Removed) continue
      visit(slots, slot)
      visited++
    }
    return visited
  }

  /** By id: 1 = not among them. What is not known yet is asked for. */
  #chosenOf(keys: KeyTable): Uint8Array {
    if (this.#generation !== keys.generation) {
      this.#not.fill(0)
      this.#generation = keys.generation
    }
    return this.#not
  }

  #has(slots: Slots, slot: number, id: number): boolean {
    const isChosen = this.keys.has(slots.key(slot))
    if (!isChosen && id > 0) this.#not[id] = 1
    return isChosen
  }
}

type Selections = Record<'log' | 'scope' | 'resource', Selection>

/** Adds one configured path. What stands deeper than a field or a top-level attribute seals the whole of it. */
function select(selections: Selections, source: string, index: number): void {
  const path = pathOf(source, index)
  const role = roles[`${path.of}.${path.field}`]
  if (role !== undefined) {
    selections[path.of].addRole(role)
    return
  }
  const [key] = path.keys
  if (path.field !== 'attributes' || typeof key !== 'string') {
    throw new ConfigError(
      `${source} cannot be sealed`,
      ['fields', index],
      `Name one of ${Object.keys(roles).join(', ')}, or an attribute such as log.attributes["comment"].`,
    )
  }
  selections[path.of].keys.add(key)
}

function pathOf(source: string, index: number): ReturnType<typeof parsePath> {
  try {
    return parsePath(source)
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error
    throw new ConfigError(`${error.reason} (column ${error.column})`, ['fields', index], error.fix)
  }
}

/** How fields are sealed; undefined: as by default. */
function styleOf(options: z.output<typeof config>): SealStyle | undefined {
  const { bind_record: bindsRecord, encoding, pad_to: padTo, index: isIndexed, carry_keys: carriesKeys } = options
  if (padTo?.some((size, i) => i > 0 && size <= padTo[i - 1]!)) {
    throw new ConfigError('the lengths do not rise', ['pad_to'], 'Order them, such as [64, 256, 1024].')
  }
  const asBytes = encoding === 'bytes'
  const isOwn = bindsRecord || asBytes || padTo !== undefined || isIndexed || carriesKeys
  return isOwn ? { bindsRecord, asBytes, padTo, isIndexed, carriesKeys } : undefined
}

class Encrypt implements Processor {
  readonly onKeyFailure: OnKeyFailure
  readonly #selections: Selections
  readonly #subjectKeys: SubjectKeys | undefined
  readonly #subjects: Subjects | undefined
  readonly #style: SealStyle | undefined
  readonly #marks: number
  readonly #marked: Counter
  readonly #erased: Counter
  readonly #overQuota: Counter
  #request: LogsRequest | undefined

  constructor(options: z.output<typeof config>, selections: Selections, host: Host) {
    const { always, subject } = options
    this.#selections = selections
    this.onKeyFailure = options.on_key_failure
    this.#subjectKeys = subject === undefined ? undefined : subjectKeys([subject].flat())
    this.#subjects = host.subjects
    if (this.#subjectKeys && !this.#subjects) throw new ConfigError('there are no keys of people here', ['subject'])
    this.#style = styleOf(options)
    this.#marks = Mark.Content | Mark.Seal | (always ? Mark.AlwaysSeal : 0)
    this.#marked = host.counter('fields_marked', 'Fields that were marked to be sealed.')
    this.#erased = host.counter('fields_of_erased', 'Fields that were left out: their person was erased.')
    this.#overQuota = host.counter('records_over_quota', 'Records of people who are too many for a secret each.')
  }

  begin(request: LogsRequest): void {
    this.#request = request
  }

  explainPath(path: string): readonly string[] {
    const { of, field, keys } = parsePath(path.startsWith('log.body.') ? 'log.body' : path)
    const role = roles[`${of}.${field}`]
    const { [of]: selection } = this.#selections
    const isChosen = role === undefined ? selection.keys.has(String(keys[0])) : selection.hasRole(role)
    if (!isChosen) return ['not among its fields']
    const isAlways = (this.#marks & Mark.AlwaysSeal) !== 0
    return [`content, sealed${isAlways ? ', also where a purpose says keep' : ''} (fields)`]
  }

  resource({ slots, first, end, index, tenant }: Resource): void {
    const subject = this.#find('resource', slots, first, end, tenant)
    if (subject !== undefined) this.#request!.sealings.setResource(index, subject)
    this.#visit('resource', slots, first, end, subject)
  }

  scope({ slots, first, end, resourceIndex }: Scope): void {
    this.#visit('scope', slots, first, end, this.#request!.sealings.ofResource(resourceIndex))
  }

  record(view: LogRecord): Verdict {
    const { slots, first, end, index, resource } = view
    const own = this.#find('log', slots, first, end, resource.tenant)
    const { sealings } = this.#request!
    if (own !== undefined) sealings.setRecord(index, own)
    const subject = own ?? (this.#subjectKeys === undefined ? undefined : sealings.ofResource(resource.index))
    if (subject?.state === 'failed' && (this.onKeyFailure === 'reject' || this.onKeyFailure === 'quarantine')) {
      return this.onKeyFailure
    }
    this.#visit('log', slots, first, end, subject)
    if (subject?.state === 'over_quota') {
      view.add('douane.subject_over_quota', { kind: 'bool', value: true })
      this.#overQuota.add(1)
    }
    return 'keep'
  }

  #find(of: 'log' | 'resource', slots: Slots, first: number, end: number, tenant: string): Subject | undefined {
    const keys = this.#subjectKeys?.[of]
    return keys === undefined || keys.length === 0
      ? undefined
      : findSubject(slots, first, end, keys, tenant, this.#subjects!)
  }

  #visit(of: keyof Selections, slots: Slots, first: number, end: number, subject: Subject | undefined): void {
    const selection = this.#selections[of]
    if (selection.isEmpty) return
    const isErased = subject?.state === 'erased'
    const count = selection.each(slots, first, end, isErased ? remove : this.#mark)
    if (count > 0) (isErased ? this.#erased : this.#marked).add(count)
  }

  readonly #mark = (slots: Slots, slot: number): void => {
    slots.mark(slot, this.#marks)
    if (this.#style !== undefined) this.#request!.sealings.setStyle(slot, this.#style)
  }
}

/** What was sealed for an erased person could be opened by nobody: it is left out at once. */
const remove = (slots: Slots, slot: number): void => slots.remove(slot)

export default processor({
  name: 'encrypt',
  config,
  create: (options, host: Host): Processor => {
    const selections = { log: new Selection(), scope: new Selection(), resource: new Selection() }
    for (const [index, source] of options.fields.entries()) select(selections, source, index)
    return new Encrypt(options, selections, host)
  },
})
