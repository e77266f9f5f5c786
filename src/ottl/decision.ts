/**
 * Many conditions for one record, at a cost that grows with the fields they look at, and hardly with their number.
 *
 * Conditions are `and`, `or`, `not` over leaves, and most leaves look at one field: `attributes["a"] == "x"`,
 * `HasPrefix(event_name, "auth.")`. So fields are asked, not conditions. The leaves of a field together put its value
 * into a class: `event_name` may be "auth.…", "export.docx", or something else; a severity below or above ERROR. The
 * classes of a record's fields decide all its leaves, hence all conditions; and few combinations occur in practice. A
 * table of states, filled as combinations turn up, leads from one to the next:
 *
 *   start ─(resource, scope)─▶ ─(severity)─▶ ─(event_name)─▶ ─(each attribute that a leaf names)─▶ outcome
 *
 *   next state = table[state × symbols + symbol]       symbol = class of a field
 *   outcome    = which conditions hold, which fail, which stay open
 *
 * Attributes come in the record's own order; those that are absent take no step. What a leaf answers is true, false,
 * "fails" or "open", two bits of its field's class. Conditions with leaves of another kind (a pattern that may match
 * anything, arithmetic) may stay open: they are evaluated by themselves, for the record.
 *
 * What is here takes each step the slow way, by asking leaves, and writes down what came of it; wasm/decide.ts takes the
 * same steps by looking up what is written (walk.ts), and leaves a record to here where something is missing.
 *
 * The table is bounded; when it is full it starts anew. A sender of ever new combinations pays the slow way, and no
 * memory.
 */
import { limits } from '../limits.ts'
import { Kind } from '../otlp/fields.ts'
import type { LogRecord } from '../otlp/record.ts'
import { type LogsRequest, RECORD_ROW } from '../otlp/request.ts'
import type { Lodging } from '../otlp/scan.ts'
import { Col, ROW } from '../otlp/slots.ts'
import type { Condition, Typed } from './checker.ts'
import { compileTest } from './compiler.ts'
import { ConditionSet } from './condition_set.ts'
import { type Field, fieldOf, Group, SeverityGroup, TextGroup } from './decision_group.ts'
import type { Path } from './paths.ts'
import { Shapes } from './shapes.ts'
import { ValueGroup } from './value_group.ts'
import type { Value } from './values.ts'
import { BY_NAME, type View } from './view.ts'
import { Header, Walk, walkCells } from './walk.ts'

/** What a combination of classes means. Shared by all records that have it: read only, but for `count`. */
export interface Outcome {
  /** Numbers of the conditions that hold, and the masks of these joined. */
  readonly matched: readonly number[]
  readonly mask: number
  /** The first condition that cannot be evaluated; -1: none. */
  readonly failed: number
  /** Conditions to be asked by `holds`. */
  readonly open: readonly number[]
  /** For whoever counts; starts at 0. */
  count: number
}

const Answer = { No: 0, Yes: 1, Fails: 2, Open: 3 } as const
type Answer = (typeof Answer)[keyof typeof Answer]

/** A condition with its leaves resolved: group and place in it, or open. */
type Tree =
  | { readonly is: 'or' | 'and'; readonly terms: readonly Tree[] }
  | { readonly is: 'not'; readonly operand: Tree }
  | { readonly is: 'leaf'; readonly group: number; readonly shift: number }
  | { readonly is: 'open' }

const START = 1

export class Decision {
  readonly #set: ConditionSet
  readonly #view: View
  readonly #trees: readonly Tree[]
  readonly #masks: readonly number[]
  readonly #groups: Group[] = []
  /** Each group's class when its attribute is absent. */
  readonly #absent: readonly number[]
  /** Groups by their field. There is more than one where a field has more leaves than a group holds. */
  readonly #shared: Group[] = []
  readonly #severity: SeverityGroup[] = []
  readonly #eventName: TextGroup[] = []
  readonly #severityText: TextGroup[] = []
  readonly #body: ValueGroup[] = []
  /** Groups of each attribute that leaves name, by its index in the view. */
  readonly #byAttribute: ValueGroup[][] = []
  readonly #walk = new Walk()
  readonly #shapes: Shapes
  /** Where the program looks; undefined: nowhere yet. It sees this table of slots only. */
  #lodging: Lodging | undefined
  #rows: Int32Array = new Int32Array(0)
  /** Of the keys that shapes are made of. */
  #generation = -1
  /** By attribute: the visit in which it was met last. */
  #seen = new Int32Array(0)
  #visits = 0
  #symbols = 0
  #stride = 64
  #statesMax = 0
  #table = new Int32Array(0)
  /** Per state: the class of each group, as bits; and the outcome, once asked for. */
  #classes: Int32Array[] = []
  #outcomes: (Outcome | undefined)[] = []
  #epoch = -1
  #epochState = START

  /** `masks[i]` is what condition `i` adds to an outcome's mask when it holds. */
  constructor(conditions: readonly Condition[], masks: readonly number[], paths: readonly Path[] = []) {
    this.#set = new ConditionSet(conditions, paths)
    this.#view = this.#set.view
    this.#masks = masks
    this.#trees = conditions.map(({ root }) => this.#treeOf(root))
    this.#seen = new Int32Array(this.#view.log.names.length)
    // No attribute was found yet, so this is what absent ones answer; the other groups take a step for each record.
    this.#absent = this.#groups.map((group) => (group.field.kind === 'attribute' ? group.ask(this.#view) : 0))
    this.#shapes = new Shapes(this.#walk)
    this.#layOut()
    this.#clear()
  }

  #layOut(): void {
    const walk = this.#walk
    for (const group of this.#groups) group.layOut(walk)
    for (const [header, groups] of [
      [Header.Severity, this.#severity],
      [Header.EventName, this.#eventName],
      [Header.SeverityText, this.#severityText],
      [Header.Body, this.#body],
    ] as const) {
      const blocks = groups.map(({ block }) => block)
      walk.list(header, blocks)
    }
    walk.words[Header.AsksAttributes] = this.#byAttribute.length
    walk.settle()
  }

  /** To be called once a request. */
  begin(request: LogsRequest): void {
    this.#set.begin()
    this.#lodging = request.scanner?.lodge(this, this.#walk.words.length)
    this.#rows = request.slots.rows
    this.#walk.attach(this.#lodging)
  }

  /** The outcome for a record, which is then the one that `holds`, `value` and `slot` speak of. */
  decide(record: LogRecord): Outcome {
    const view = this.#view
    view.visit(record)
    if (view.epoch !== this.#epoch) this.#enterScope(view)
    let state = 0
    // Rows that grew are elsewhere. Added attributes may have a key that a leaf names.
    const lodging = this.#lodging
    if (lodging !== undefined && view.rows === this.#rows && record.firstAdded === record.endAdded)
      state = lodging.decide(lodging.at, lodging.records + record.index * (RECORD_ROW * 4), this.#epochState)
    if (state === 0) state = this.#learn(view, record)
    return this.#outcomes[state] ?? this.#conclude(state)
  }

  /** The steps of any record. */
  #learn(view: View, record: LogRecord): number {
    this.#visits = (this.#visits + 1) | 0
    let state = this.#epochState
    for (const group of this.#severity) state = this.#step(state, group, group.of(view, record.severityNumber))
    for (const group of this.#eventName) state = this.#step(state, group, group.of(view, record.eventName))
    for (const group of this.#severityText) state = this.#step(state, group, group.of(view, record.severityText))
    for (const group of this.#body) state = this.#step(state, group, group.of(view, record.body))
    if (this.#byAttribute.length === 0) return state
    const { first, end, firstAdded, endAdded } = record
    if (firstAdded === endAdded) this.#shapes.learn(view.rows, first, end, this.#groupsOf)
    state = this.#search(state, first, end)
    return this.#search(state, firstAdded, endAdded)
  }

  readonly #groupsOf = (id: number): readonly ValueGroup[] => {
    const wanted = id < 0 ? 0 : (this.#view.log.byId[id] ?? 0)
    return wanted === 0 || wanted === BY_NAME ? [] : (this.#byAttribute[wanted - 1] ?? [])
  }

  /** The steps of any record's attributes in [first, end). Of equal keys the first that is still there counts. */
  #search(from: number, first: number, end: number): number {
    const view = this.#view
    const { rows, log, slots } = view
    const { byId } = log
    const known = byId.length
    let state = from
    for (let slot = first, row = first * ROW; slot < end; slot++, row += ROW) {
      // Unsigned, so that the roles of other fields, which are negative, are past the end too.
      const id = rows[row + Col.KeyId]! >>> 0
      if (id >= known) continue
      const wanted = byId[id]!
      if (wanted === 0) continue
      const index = wanted === BY_NAME ? log.indexByName(slots, slot) : wanted - 1
      const groups = this.#byAttribute[index]
      const kind = rows[row + Col.Kind]!
      if (groups === undefined || kind === Kind.Removed || this.#seen[index] === this.#visits) continue
      this.#seen[index] = this.#visits
      for (const group of groups) state = this.#step(state, group, group.of(view, slot))
    }
    return state
  }

  #enterScope(view: View): void {
    const { epoch, log } = view
    if (log.generation !== this.#generation) {
      this.#shapes.clear()
      this.#generation = log.generation
    }
    this.#epochState = START
    for (const group of this.#shared) this.#epochState = this.#step(this.#epochState, group, group.symbol(view))
    this.#epoch = epoch
  }

  holds(index: number): boolean {
    return this.#set.holds(index)
  }
  value(index: number): Value {
    return this.#set.value(index)
  }
  slot(index: number): number {
    return this.#set.slot(index)
  }

  #step(state: number, group: Group, symbol: number): number {
    const next = symbol < this.#stride ? this.#table[state * this.#stride + symbol]! : 0
    return next !== 0 ? next : this.#grow(state, group, symbol)
  }

  /** A step never taken before. Where the table is full or too narrow, it starts anew, with this record's way so far. */
  #grow(from: number, group: Group, symbol: number): number {
    let state = from
    if (symbol >= this.#stride || this.#classes.length >= this.#statesMax) {
      const soFar = this.#classes[from]!
      this.#clear(symbol)
      state = this.#classes.push(soFar) - 1
    }
    const classes = Int32Array.from(this.#classes[state]!)
    classes[group.index] = group.bits(symbol)
    const next = this.#classes.push(classes) - 1
    const cell = state * this.#stride + symbol
    this.#table[cell] = next
    if (cell < walkCells) this.#walk.set(this.#walk.table + cell, next)
    return next
  }

  /** Forgets all states but the start, where every field is absent. */
  #clear(symbol = 0): void {
    while (this.#stride <= symbol) this.#stride *= 2
    this.#statesMax = Math.max(
      16,
      Math.min(limits.decisionStatesMax, Math.floor(limits.decisionCellsMax / this.#stride)),
    )
    // Two states more: the start, and the one that a record stands in when the table is cleared.
    this.#table = new Int32Array((this.#statesMax + 2) * this.#stride)
    this.#walk.fill(0, this.#walk.table, this.#walk.table + walkCells)
    this.#walk.set(Header.Stride, this.#stride)
    const start = Int32Array.from(this.#absent)
    this.#classes = [start, start]
    this.#outcomes = []
    this.#epoch = -1
  }

  #conclude(state: number): Outcome {
    const classes = this.#classes[state]!
    const matched: number[] = []
    const open: number[] = []
    let failed = -1
    let mask = 0
    for (const [i, tree] of this.#trees.entries()) {
      const answer = evaluate(tree, classes)
      if (answer === Answer.Yes) {
        matched.push(i)
        mask |= this.#masks[i]!
      } else if (answer === Answer.Open) open.push(i)
      else if (answer === Answer.Fails && failed < 0) failed = i
    }
    const outcome: Outcome = { matched, mask, failed, open, count: 0 }
    this.#outcomes[state] = outcome
    return outcome
  }

  #treeOf(node: Typed): Tree {
    if (node.is === 'or' || node.is === 'and')
      return { is: node.is, terms: node.terms.map((term) => this.#treeOf(term)) }
    if (node.is === 'not') return { is: 'not', operand: this.#treeOf(node.operand) }
    const field = fieldOf(node)
    if (field === undefined) return { is: 'open' }
    const group = this.#groupOf(field)
    return { is: 'leaf', group: group.index, shift: group.add(compileTest(node, this.#set.binding), node) }
  }

  /** The group of a field that has room for a leaf. */
  #groupOf(field: Field): Group {
    const known = this.#groups.findLast((group) => group.field.name === field.name)
    if (known?.hasRoom) return known
    const index = this.#groups.length
    const newSymbol = (): number => this.#symbols++
    const keep = <G extends Group>(groups: G[], group: G): G => {
      this.#groups.push(group)
      groups.push(group)
      return group
    }
    switch (field.kind) {
      case 'shared':
        return keep(this.#shared, new Group(field, index, newSymbol))
      case 'severity':
        return keep(this.#severity, new SeverityGroup(field, index, newSymbol))
      case 'text': {
        const groups = field.name === 'event_name' ? this.#eventName : this.#severityText
        return keep(groups, new TextGroup(field, index, newSymbol))
      }
      case 'body':
        return keep(this.#body, new ValueGroup(field, index, newSymbol))
      default: {
        const attribute = this.#view.log.index(field.attribute)
        this.#byAttribute[attribute] ??= []
        return keep(this.#byAttribute[attribute], new ValueGroup(field, index, newSymbol))
      }
    }
  }
}

/** Short-circuits as the evaluator does: what stands before an open part may decide, what stands behind may not. */
function evaluate(tree: Tree, classes: Int32Array): Answer {
  switch (tree.is) {
    case 'leaf':
      return ((classes[tree.group]! >>> tree.shift) & 3) as Answer
    case 'open':
      return Answer.Open
    case 'not': {
      const answer = evaluate(tree.operand, classes)
      return answer === Answer.Yes ? Answer.No : answer === Answer.No ? Answer.Yes : answer
    }
    default: {
      const goesOn = tree.is === 'and' ? Answer.Yes : Answer.No
      for (const term of tree.terms) {
        const answer = evaluate(term, classes)
        if (answer !== goesOn) return answer
      }
      return goesOn
    }
  }
}
