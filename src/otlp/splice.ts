/**
 * Puts together what leaves: the records of a copy, with the chain's edits, the copy's own rule for content, and the
 * attributes that the gateway adds. The body is never changed; several copies are spliced from the same tables.
 *
 *   record = body pieces between its edits + what the arena holds in their place + the copy's appendix
 *
 * An edit leaves out body[from, to) and puts arena[from, to) there (slots.ts). A copy that may not hold content, or
 * only sealed content, has further edits of its own, which are gone after the splice.
 */

import { FieldSealer } from './field_sealer.ts'
import { Kind, Tag } from './fields.ts'
import { KeyMemo, Role } from './keys.ts'
import { Prepender } from './prepend.ts'
import { type LogsRequest, RECORD_ROW, RESOURCE_ROW, RecordCol, ResourceCol, SCOPE_ROW, ScopeCol } from './request.ts'
import { Col, EDIT_ROW, EditCol, Mark, ROW } from './slots.ts'
import type { SealBinding, SealedText, Subject, TokenBatch } from './subject.ts'
import { encodeValue } from './value.ts'

/** How a record is copied. One object serves all records with the same tenant, purposes and destination. */
export interface Form {
  /**
   * What becomes of content: `as_marked` seals what the chain marked for it and keeps the rest. With the others,
   * `record.body` counts as content too. `original`: as it came in, without what the chain did.
   */
  readonly content: 'original' | 'as_marked' | 'keep' | 'drop' | 'seal'
  /** Encoded attribute fields that each record gets at its end. */
  readonly appendix: Buffer
  /** Which attribute keys the copy may hold. Undefined: all. What it may not hold is left out. */
  readonly allows?: KeyMemo<boolean>
  /** The purposes of the copy, as a mask: what not every purpose may have is decided by them. Undefined: all. */
  readonly purposes?: number
  /** Seals an encoded AnyValue; `field` is the OTTL path of the field. A throw ends the splice: nothing leaves. */
  seal(value: Uint8Array, field: string, binding?: SealBinding): string
  /** See `Sealer.sealText`. Missing: `seal` is used. */
  sealText?(bytes: Buffer, from: number, to: number, field: string, binding?: SealBinding): SealedText
  /** Values that are sealed together, when the message is put together; `addToken` is their `add`, for this form. */
  readonly tokens?: Pick<TokenBatch<never>, 'place' | 'write' | 'drop'>
  addToken?(bytes: Buffer, from: number, to: number, end: number, field: string, binding?: SealBinding): number
  /** A blind index of an encoded AnyValue. Missing: there is none. */
  index?(value: Uint8Array, field: string): string
  /** The sealed key that the last token was made with, as text. Missing: none can be had. */
  sealedKey?(): string
  /** Throws `KeyError` where nothing could be sealed now. Missing: the form seals nothing. */
  ready?(): void
}

/** Which records a copy has, in order, and in which form each. */
export interface Plan {
  readonly records: Int32Array
  /** Index into `forms`, by position in `records`. */
  readonly formOf: ArrayLike<number>
  readonly count: number
  readonly forms: readonly Form[]
}

export class Splicer {
  readonly sealer = new FieldSealer()
  readonly #out = new Prepender()
  #request!: LogsRequest
  /** Edits of the message that is being written, in the order of the body. */
  #order = new Int32Array(64)
  #ordered = 0
  #overridden: number[] = []
  #positions = new Int32Array(64)
  readonly #paths = {
    [Tag.resource.attributes]: new KeyMemo((key) => `resource.attributes[${JSON.stringify(key)}]`),
    [Tag.scope.attributes]: new KeyMemo((key) => `scope.attributes[${JSON.stringify(key)}]`),
    [Tag.record.attributes]: new KeyMemo((key) => `log.attributes[${JSON.stringify(key)}]`),
  } as Record<number, KeyMemo<string>>

  /** The ExportLogsServiceRequest of a plan: a view, valid until the next call. Throws what a form's `seal` throws. */
  splice(request: LogsRequest, plan: Plan): Buffer {
    this.#request = request
    this.#out.begin(request.body, request.scanner?.press)
    this.sealer.begin(request.slots.arena, this.#out)
    // Content in a resource or a scope follows the records' form: records of different forms then cannot share it.
    const isShared = request.sharedMarks === 0 && plan.forms.every((form) => form.allows === undefined)
    this.#pass(plan, isShared || plan.forms.length === 1 ? undefined : this.#byForm(plan))
    return this.#out.finish()
  }

  /** Positions in the plan, by form; within a form in order. */
  #byForm({ formOf, forms, count }: Plan): Int32Array {
    if (this.#positions.length < count) this.#positions = new Int32Array(Math.max(count, this.#positions.length * 2))
    const next = new Int32Array(forms.length + 1)
    for (let i = 0; i < count; i++) next[formOf[i]! + 1]!++
    for (let form = 1; form < next.length; form++) next[form]! += next[form - 1]!
    for (let i = 0; i < count; i++) this.#positions[next[formOf[i]!]!++] = i
    return this.#positions
  }

  /** Writes the records from the last to the first. With `order` each form has resources and scopes of its own. */
  #pass(plan: Plan, order: Int32Array | undefined): void {
    const { records, scopes } = this.#request
    let scope = -1
    let resource = -1
    let scopeMark = 0
    let resourceMark = 0
    let form = plan.forms[0]!
    for (let i = plan.count - 1; i >= 0; i--) {
      const position = order === undefined ? i : order[i]!
      const row = plan.records[position]! * RECORD_ROW
      const itsForm = plan.forms[plan.formOf[position]!]!
      const itsScope = records.at[row + RecordCol.Scope]!
      const isNewForm = order !== undefined && itsForm !== form
      if (itsScope !== scope || isNewForm) {
        if (scope !== -1) this.#closeScope(scope, scopeMark, form)
        const itsResource = scopes.at[itsScope * SCOPE_ROW + ScopeCol.Resource]!
        if (itsResource !== resource || isNewForm) {
          if (resource !== -1) this.#closeResource(resource, resourceMark, form)
          resource = itsResource
          resourceMark = this.#out.written
          this.#schemaUrl(this.#request.resources.at, resource * RESOURCE_ROW + ResourceCol.SchemaUrlFrom)
        }
        scope = itsScope
        scopeMark = this.#out.written
        this.#schemaUrl(scopes.at, scope * SCOPE_ROW + ScopeCol.SchemaUrlFrom)
      }
      form = itsForm
      this.#record(row, form)
    }
    if (scope !== -1) this.#closeScope(scope, scopeMark, form)
    if (resource !== -1) this.#closeResource(resource, resourceMark, form)
  }

  #schemaUrl(table: Int32Array, column: number): void {
    const from = table[column]!
    if (from !== -1) this.#out.body(from, table[column + 1]!)
  }

  #closeResource(index: number, mark: number, form: Form): void {
    const { at } = this.#request.resources
    const row = index * RESOURCE_ROW
    const from = at[row + ResourceCol.From]!
    if (from !== -1) {
      const inner = this.#out.written
      this.#beginEdits(at[row + ResourceCol.FirstEdit]!, at[row + ResourceCol.EndEdit]!, form)
      this.sealer.enter(this.#request, form, Tag.resource.attributes, this.#request.sealings.ofResource(index))
      if (this.#request.sharedMarks !== 0 || form.allows !== undefined) {
        this.#project(at[row + ResourceCol.FirstSlot]!, at[row + ResourceCol.EndSlot]!, form)
      }
      this.sealer.writeAdded(this.#out)
      this.#message(from, at[row + ResourceCol.To]!)
      this.#out.header(Tag.resourceLogs.resource, inner)
    }
    this.#out.header(Tag.request.resourceLogs, mark)
  }

  #closeScope(index: number, mark: number, form: Form): void {
    const { at } = this.#request.scopes
    const row = index * SCOPE_ROW
    const from = at[row + ScopeCol.From]!
    if (from !== -1) {
      const inner = this.#out.written
      this.#beginEdits(at[row + ScopeCol.FirstEdit]!, at[row + ScopeCol.EndEdit]!, form)
      const subject = this.#request.sealings.ofResource(at[row + ScopeCol.Resource]!)
      this.sealer.enter(this.#request, form, Tag.scope.attributes, subject)
      if (this.#request.sharedMarks !== 0 || form.allows !== undefined) {
        this.#project(at[row + ScopeCol.FirstSlot]!, at[row + ScopeCol.EndSlot]!, form)
      }
      this.sealer.writeAdded(this.#out)
      this.#message(from, at[row + ScopeCol.To]!)
      this.#out.header(Tag.scopeLogs.scope, inner)
    }
    this.#out.header(Tag.resourceLogs.scopeLogs, mark)
  }

  #record(row: number, form: Form): void {
    const { at } = this.#request.records
    if (form.content === 'original') {
      this.#out.body(at[row + RecordCol.FieldFrom]!, at[row + RecordCol.To]!)
      return
    }
    const firstEdit = at[row + RecordCol.FirstEdit]!
    const endEdit = at[row + RecordCol.EndEdit]!
    const marks = at[row + RecordCol.Marks]!
    const projects =
      form.allows !== undefined ||
      (form.content === 'as_marked'
        ? (marks & (Mark.Seal | Mark.AlwaysSeal | Mark.Restricted)) !== 0
        : form.content === 'keep'
          ? (marks & (Mark.AlwaysSeal | Mark.Restricted)) !== 0
          : marks !== 0 || at[row + RecordCol.BodySlot] !== -1)
    const { sealings } = this.#request
    if (firstEdit === endEdit && !projects && form.appendix.length === 0 && !sealings.isUsed) {
      this.#out.body(at[row + RecordCol.FieldFrom]!, at[row + RecordCol.To]!)
      return
    }
    const mark = this.#out.written
    this.#out.bytes(form.appendix, 0, form.appendix.length)
    this.#beginEdits(firstEdit, endEdit, form)
    const [first, end] = [at[row + RecordCol.FirstSlot]!, at[row + RecordCol.EndSlot]!]
    const subject = sealings.isUsed ? this.#subjectOf(row) : undefined
    this.sealer.enter(this.#request, form, Tag.record.attributes, subject, first, end)
    if (projects) this.#project(first, end, form)
    this.sealer.writeAdded(this.#out)
    this.#message(at[row + RecordCol.From]!, at[row + RecordCol.To]!)
    this.#out.header(Tag.scopeLogs.logRecords, mark)
  }

  #subjectOf(row: number): Subject | undefined {
    const { records, scopes, sealings } = this.#request
    const scope = records.at[row + RecordCol.Scope]!
    return sealings.ofRecord(row / RECORD_ROW, scopes.at[scope * SCOPE_ROW + ScopeCol.Resource]!)
  }

  #beginEdits(first: number, end: number, form: Form): void {
    this.#ordered = 0
    this.#overridden.length = 0
    if (form.content === 'original') return
    for (let edit = first; edit < end; edit++) this.#insert(edit)
  }

  /** Puts an edit in its place: by where it begins in the body, then in the order in which edits were made. */
  #insert(edit: number): void {
    const { edits } = this.#request.slots
    if (this.#ordered === this.#order.length) {
      const grown = new Int32Array(this.#order.length * 2)
      grown.set(this.#order)
      this.#order = grown
    }
    const from = edits[edit * EDIT_ROW]!
    let i = this.#ordered++
    while (i > 0 && edits[this.#order[i - 1]! * EDIT_ROW]! > from) {
      this.#order[i] = this.#order[i - 1]!
      i--
    }
    this.#order[i] = edit
  }

  /** Adds the edits that the form's rule for content asks for, over those of the chain. */
  #project(first: number, end: number, form: Form): void {
    if (form.content === 'original') return
    const { slots } = this.#request
    const before = slots.editCount
    const bodyId = form.content === 'as_marked' ? 0 : Role.Body
    const { rows } = slots
    for (let slot = first, row = first * ROW; slot < end; slot++, row += ROW) {
      const id = rows[row + Col.KeyId]!
      const said = rows[row + Col.Marks]!
      // Most are nobody's content, and allowed.
      if (said === 0 && form.allows === undefined && (id !== bodyId || id === 0)) continue
      if (slots.rows[row + Col.Kind] === Kind.Removed) continue
      const marks = (said & Mark.Restricted) === 0 ? said & ~Mark.Metadata : this.#restricted(slot, said, form)
      const isBody = id === Role.Body && form.content !== 'as_marked' && (said & Mark.Metadata) === 0
      const isAllowed = marks !== GONE && (form.allows === undefined || id < 0 || this.#allows(form.allows, slot, id))
      if (marks === 0 && !isBody && isAllowed) continue
      const fate = isAllowed ? fateOf(form.content, marks) : 'drop'
      if (fate === 'keep') continue
      const edit = slots.rows[row + Col.Edit]!
      const fieldFrom = edit === -1 ? slots.rows[row + Col.FieldFrom]! : slots.edits[edit * EDIT_ROW + EditCol.From]!
      const fieldTo = edit === -1 ? slots.rows[row + Col.FieldTo]! : slots.edits[edit * EDIT_ROW + EditCol.To]!
      if (edit !== -1) this.#overridden.push(edit)
      if (fate === 'drop') this.#insert(slots.pushEdit(fieldFrom, fieldTo, 0, 0))
      else {
        const from = this.#seal(slot)
        this.#insert(slots.pushEdit(fieldFrom, fieldTo, Math.max(0, from), from === -1 ? 0 : slots.arena.used))
      }
    }
    slots.editCount = before
  }

  /** The slot's marks in a copy for the form's purposes. In the clear if one of them may have it so. */
  #restricted(slot: number, marks: number, form: Form): number {
    const { dropFor, contentFor, isSealed } = this.#request.slots.restriction(slot)
    const purposes = form.purposes ?? -1
    const own = marks & ~(Mark.Restricted | Mark.Metadata)
    if ((purposes & ~(dropFor | contentFor)) !== 0) return own
    if ((purposes & contentFor) === 0) return GONE
    return own | Mark.Content | (isSealed ? Mark.Seal : 0)
  }

  #allows(allowed: KeyMemo<boolean>, slot: number, id: number): boolean {
    const { slots } = this.#request
    return id > 0 ? allowed.byId(slots.keys, id) : allowed.byName(slots.key(slot))
  }

  /** Writes the slot's field with its value, an AnyValue message, sealed. See `FieldSealer.seal`. */
  #seal(slot: number): number {
    const { slots } = this.#request
    const path = this.#path(slot)
    if (slots.keyId(slot) < Role.Body) {
      const value = Buffer.from(encodeValue(slots.value(slot)))
      return this.sealer.seal(slot, value, 0, value.length, path)
    }
    const [from, to] = slots.message(slot)
    return this.sealer.seal(slot, slots.bytes(slot), from, to, path)
  }

  /** The field's stable id: its OTTL path. */
  #path(slot: number): string {
    const { slots } = this.#request
    const id = slots.keyId(slot)
    if (id < 0) return slots.key(slot)
    const memo = this.#paths[slots.rows[slot * ROW + Col.Tag]!]!
    return id > 0 ? memo.byId(slots.keys, id) : memo.byName(slots.key(slot))
  }

  /** Prepends body[from, to) with the ordered edits applied. */
  #message(from: number, to: number): void {
    const { edits, arena } = this.#request.slots
    let cursor = to
    for (let i = this.#ordered - 1; i >= 0; i--) {
      const edit = this.#order[i]!
      if (this.#overridden.length > 0 && this.#overridden.includes(edit)) continue
      const at = edit * EDIT_ROW
      this.#out.body(edits[at + EditCol.To]!, cursor)
      this.#out.bytes(arena.bytes, edits[at + EditCol.ArenaFrom]!, edits[at + EditCol.ArenaTo]!)
      cursor = edits[at + EditCol.From]!
    }
    this.#out.body(from, cursor)
  }
}

/** Instead of marks: the copy may not have the slot at all. */
const GONE = -1

function fateOf(content: Form['content'], marks: number): 'keep' | 'drop' | 'seal' {
  if (content === 'drop') return 'drop'
  if (content === 'seal' || (marks & Mark.AlwaysSeal) !== 0) return 'seal'
  return content === 'as_marked' && (marks & Mark.Seal) !== 0 ? 'seal' : 'keep'
}
