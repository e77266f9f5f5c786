/**
 * `encrypt` says which fields are content that is sealed before it leaves.
 *
 * It only marks them. Sealing happens where a copy is made for a destination (residency route), because a copy for
 * purpose P must open with P's key only, and a purpose may drop content or keep it. Formats and keys: src/keys.
 */
import { z } from 'zod'
import { type Host, type Processor, processor } from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import { Kind } from '../../src/otlp/fields.ts'
import { KeyMemo, Role } from '../../src/otlp/keys.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import type { Resource, Scope } from '../../src/otlp/request.ts'
import { Mark, type Slots } from '../../src/otlp/slots.ts'
import { parsePath } from '../../src/ottl/checker.ts'
import { ConditionError } from '../../src/ottl/syntax.ts'

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
  readonly roles = new Set<number>()
  /** Attribute keys. Filled before the first request. */
  readonly keys = new Set<string>()
  readonly #chosen = new KeyMemo((key) => this.keys.has(key))

  get isEmpty(): boolean {
    return this.roles.size === 0 && this.keys.size === 0
  }

  /** Marks what is chosen of slots [first, end). Every one of several attributes with the same key. */
  mark(slots: Slots, first: number, end: number, marks: number): number {
    let marked = 0
    for (let slot = first; slot < end; slot++) {
      if (slots.kind(slot) === Kind.Removed || !this.#has(slots, slot)) continue
      slots.mark(slot, marks)
      marked++
    }
    return marked
  }

  #has(slots: Slots, slot: number): boolean {
    const id = slots.keyId(slot)
    if (id < 0) return this.roles.has(id)
    if (this.keys.size === 0) return false
    return id > 0 ? this.#chosen.byId(slots.keys, id) : this.#chosen.byName(slots.key(slot))
  }
}

type Selections = Record<'log' | 'scope' | 'resource', Selection>

/** Adds one configured path. What stands deeper than a field or a top-level attribute seals the whole of it. */
function select(selections: Selections, source: string, index: number): void {
  const path = pathOf(source, index)
  const role = roles[`${path.of}.${path.field}`]
  if (role !== undefined) {
    selections[path.of].roles.add(role)
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

export default processor({
  name: 'encrypt',
  config,
  create: ({ fields, always }, host: Host): Processor => {
    const selections = { log: new Selection(), scope: new Selection(), resource: new Selection() }
    for (const [index, source] of fields.entries()) select(selections, source, index)
    const marks = Mark.Content | Mark.Seal | (always ? Mark.AlwaysSeal : 0)
    const marked = host.counter('fields_marked', 'Fields that were marked to be sealed.')
    const visit = (selection: Selection, slots: Slots, first: number, end: number): void => {
      const count = selection.mark(slots, first, end, marks)
      if (count > 0) marked.add(count)
    }
    const { log, scope, resource } = selections
    return {
      ...(!resource.isEmpty && { resource: (view: Resource) => visit(resource, view.slots, view.first, view.end) }),
      ...(!scope.isEmpty && { scope: (view: Scope) => visit(scope, view.slots, view.first, view.end) }),
      ...(!log.isEmpty && {
        record: (view: LogRecord) => {
          visit(log, view.slots, view.first, view.end)
          return 'keep' as const
        },
      }),
    }
  },
})
