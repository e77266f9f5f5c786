/**
 * The slots of one request: every field that may hold something to inspect.
 *
 * A slot is an integer. It stands for an attribute of a resource, a scope or a record, or for a record's body,
 * event_name and severity_text, or a scope's name and version. Its row tells where the field and its value lie in
 * the immutable body. An edit writes the new field into the arena and repoints the slot; what leaves is put together
 * from the body and the arena by splice.ts.
 *
 *   row:  field [from, to)   key [from, to)   key id   kind   value [from, to)   edit   marks   tag
 *
 * A slot's number is valid only during the hook call that got it.
 */
import { DouaneError } from '../errors.ts'
import { Arena } from './arena.ts'
import { anyValueOf, innerValue, type PreparedAttribute, writeAttribute } from './attribute.ts'
import { Kind, Tag } from './fields.ts'
import { type KeyTable, Role } from './keys.ts'
import { type AnyValue, decodeValue, encodeValue } from './value.ts'
import { readVarint64, varintLength, wire, writeVarint, writeVarint64 } from './wire.ts'

/** What the chain says of a slot. Content is what a user wrote or what identifies him. */
export const Mark = {
  /** Present only in copies for purposes that may hold content. */
  Content: 1,
  /** Never in the clear, unless a purpose says `keep`. */
  Seal: 2,
  /** Never in the clear, whatever a purpose says. */
  AlwaysSeal: 4,
  /** Not for every purpose: see `restriction`. */
  Restricted: 8,
  /** A body of which only metadata is left: it is no content. */
  Metadata: 16,
} as const

/** Purposes, as masks, that may not have a slot, or only as content. */
export interface Restriction {
  readonly dropFor: number
  readonly contentFor: number
  /** Whether that content is sealed. */
  readonly isSealed: boolean
}

/** Columns of a row. */
export const Col = {
  FieldFrom: 0,
  FieldTo: 1,
  KeyFrom: 2,
  KeyTo: 3,
  KeyId: 4,
  Kind: 5,
  ValueFrom: 6,
  ValueTo: 7,
  Edit: 8,
  Marks: 9,
  Tag: 10,
} as const
export const ROW = 11

/** Columns of an edit: what of the body is left out, and what of the arena stands there instead. */
export const EditCol = { From: 0, To: 1, ArenaFrom: 2, ArenaTo: 3 } as const
export const EDIT_ROW = 4

const UNEDITED = -1

export class Slots {
  body: Buffer = Buffer.alloc(0)
  readonly arena = new Arena()
  readonly keys: KeyTable
  rows: Int32Array = new Int32Array(ROW * 1024)
  count = 0
  edits = new Int32Array(EDIT_ROW * 256)
  editCount = 0
  /** The union of marks since the chain last set it to 0: what the visited resource, scope or record has. */
  recentMarks = 0
  /** By slot, where it is marked `Restricted`. */
  readonly #restrictions = new Map<number, Restriction>()
  /** Where the text begins of the field that was opened last. */
  textFrom = 0
  /** Where an added field goes: the end of the message that is being visited. */
  insertAt = 0

  constructor(keys: KeyTable) {
    this.keys = keys
  }

  reset(body: Buffer): void {
    this.body = body
    this.count = 0
    this.editCount = 0
    this.arena.reset()
    if (this.#restrictions.size > 0) this.#restrictions.clear()
  }

  /** The row of a new slot, as an index into `rows`. */
  push(): number {
    const at = this.count * ROW
    if (at + ROW > this.rows.length) {
      const grown = new Int32Array(this.rows.length * 2)
      grown.set(this.rows)
      this.rows = grown
    }
    this.count++
    return at
  }

  kind(slot: number): Kind {
    return this.rows[slot * ROW + Col.Kind] as Kind
  }
  /** Interned id of an attribute's key, 0 = not interned; negative: a `Role`. */
  keyId(slot: number): number {
    return this.rows[slot * ROW + Col.KeyId]!
  }
  marks(slot: number): number {
    return this.rows[slot * ROW + Col.Marks]!
  }
  isEdited(slot: number): boolean {
    return this.rows[slot * ROW + Col.Edit]! !== UNEDITED
  }
  /** Where the value begins in `bytes(slot)`: text for strings, the message for arrays and key-value lists. */
  start(slot: number): number {
    return this.rows[slot * ROW + Col.ValueFrom]!
  }
  end(slot: number): number {
    return this.rows[slot * ROW + Col.ValueTo]!
  }
  /** What holds the value: the body, or the arena once it was edited. */
  bytes(slot: number): Buffer {
    return this.isEdited(slot) ? this.arena.bytes : this.body
  }

  /** An attribute's key; a role's name for the others. */
  key(slot: number): string {
    const at = slot * ROW
    const id = this.rows[at + Col.KeyId]!
    if (id > 0) return this.keys.name(id)
    if (id < 0) return roleNames[-id]!
    return this.keyBytes(slot).utf8Slice(this.rows[at + Col.KeyFrom]!, this.rows[at + Col.KeyTo]!)
  }
  /** What holds the key: always the body, but for added attributes. */
  keyBytes(slot: number): Buffer {
    return this.rows[slot * ROW + Col.FieldFrom]! < 0 ? this.arena.bytes : this.body
  }

  /** The text of a string. */
  text(slot: number): string {
    const at = slot * ROW
    return this.bytes(slot).utf8Slice(this.rows[at + Col.ValueFrom]!, this.rows[at + Col.ValueTo]!)
  }
  bool(slot: number): boolean {
    return this.bytes(slot)[this.start(slot)] === 1
  }
  int(slot: number): bigint {
    const lo = readVarint64(this.bytes(slot), this.start(slot), this.end(slot))
    return BigInt.asIntN(64, (BigInt(wire.hi) << 32n) | BigInt(lo))
  }
  double(slot: number): number {
    return this.bytes(slot).readDoubleLE(this.start(slot))
  }
  /** The whole value as a tree: the slow, convenient way. A removed slot is empty. */
  value(slot: number): AnyValue {
    const kind = this.kind(slot)
    if (kind === Kind.Empty || kind === Kind.Removed) return { kind: 'empty' }
    if (this.rows[slot * ROW + Col.KeyId]! < Role.Body) return { kind: 'string', value: this.text(slot) }
    const [from, to] = this.message(slot)
    return decodeValue(this.bytes(slot), from, to)
  }

  /** The range of the AnyValue message of an attribute or a record's body, in `bytes(slot)`. */
  message(slot: number): [from: number, to: number] {
    const at = slot * ROW
    const id = this.rows[at + Col.KeyId]!
    const bytes = this.bytes(slot)
    const edit = this.rows[at + Col.Edit]!
    const from = edit === UNEDITED ? this.rows[at + Col.FieldFrom]! : this.edits[edit * EDIT_ROW + EditCol.ArenaFrom]!
    const to = edit === UNEDITED ? this.rows[at + Col.FieldTo]! : this.edits[edit * EDIT_ROW + EditCol.ArenaTo]!
    if (id === Role.Body) {
      readVarint64(bytes, from + 1, to)
      return [wire.at, to]
    }
    return anyValueOf(bytes, from, to)
  }

  setText(slot: number, text: string): void {
    const length = Buffer.byteLength(text)
    const from = this.#openField(slot, length)
    this.arena.bytes.utf8Write(text, this.textFrom, length)
    this.arena.used = this.textFrom + length
    this.#repoint(slot, Kind.String, from, this.arena.used, this.textFrom, this.arena.used)
  }

  /** Makes the slot's value a string whose field somebody wrote to arena[from, to), the text from `textFrom` on. */
  putText(slot: number, from: number, to: number, textFrom: number): void {
    this.#repoint(slot, Kind.String, from, to, textFrom, to)
  }

  /**
   * Makes the slot's value a string of `length` bytes, which the caller writes at once to `arena.bytes`, from the
   * offset that is returned: UTF-8, all of them.
   */
  openText(slot: number, length: number): number {
    const from = this.#openField(slot, length)
    const to = this.textFrom + length
    this.arena.used = to
    this.#repoint(slot, Kind.String, from, to, this.textFrom, to)
    return this.textFrom
  }

  /** Writes the slot's field into the arena but for the text, which somebody writes at `textFrom` later. */
  openToken(slot: number, length: number): number {
    const from = this.#openField(slot, length)
    this.arena.used = this.textFrom + length
    return from
  }

  /** The same for token[start, end): ASCII, or bytes, which only a body or an attribute can hold, as `tag` says. */
  encodeToken(slot: number, tag: number, token: Buffer, start = 0, end = token.length): number {
    const from = this.#openField(slot, end - start, tag)
    token.copy(this.arena.bytes, this.textFrom, start, end)
    this.arena.used = this.textFrom + end - start
    return from
  }

  /** Writes all of the slot's field but the text of `length` bytes, which begins at `#textFrom`. Returns its start. */
  #openField(slot: number, length: number, tag: number = Tag.value.string): number {
    let from: number
    let next: number
    if (this.keyId(slot) < Role.Body) {
      from = this.arena.reserve(6 + length)
      this.arena.bytes[from] = this.rows[slot * ROW + Col.Tag]!
      next = from + 1
    } else {
      ;[from, next] = this.#open(slot, 1 + varintLength(length) + length)
      this.arena.bytes[next++] = tag
    }
    this.textFrom = writeVarint(this.arena.bytes, next, length)
    return from
  }

  setValue(slot: number, value: AnyValue): void {
    if (value.kind === 'string') {
      this.setText(slot, value.value)
      return
    }
    if (this.keyId(slot) < Role.Body) throw new DouaneError('defect', 'only text may stand in this field')
    const encoded = encodeValue(value)
    const [from, valueAt] = this.#open(slot, encoded.length)
    this.arena.bytes.set(encoded, valueAt)
    const to = valueAt + encoded.length
    this.arena.used = to
    const [kind, valueFrom] = innerValue(this.arena.bytes, valueAt, to)
    this.#repoint(slot, kind, from, to, valueFrom, to)
  }

  /** Takes the field out. */
  remove(slot: number): void {
    this.#repoint(slot, Kind.Removed, 0, 0, 0, 0)
  }

  mark(slot: number, marks: number): void {
    this.rows[slot * ROW + Col.Marks] = this.rows[slot * ROW + Col.Marks]! | marks
    this.recentMarks |= marks
  }

  /** Copies whose purposes may all not have the slot do not get it; those that may have it as content get it so. */
  restrict(slot: number, restriction: Restriction): void {
    this.#restrictions.set(slot, restriction)
    this.mark(slot, Mark.Restricted)
  }
  restriction(slot: number): Restriction {
    return this.#restrictions.get(slot)!
  }

  /** Adds an attribute at the end of the message that is being visited; `tag` is that of its attributes field. */
  add(tag: number, key: string, value: AnyValue): void {
    const encoded = encodeValue(value)
    const from = writeAttribute(this.arena, tag, key, encoded)
    const to = this.arena.used
    const row = this.push()
    const valueAt = to - encoded.length
    const [kind, valueFrom] = innerValue(this.arena.bytes, valueAt, to)
    const keyLength = Buffer.byteLength(key)
    const keyFrom = valueAt - 1 - varintLength(encoded.length) - keyLength
    const rows = this.rows
    rows[row + Col.FieldFrom] = -1
    rows[row + Col.FieldTo] = -1
    rows[row + Col.KeyFrom] = keyFrom
    rows[row + Col.KeyTo] = keyFrom + keyLength
    rows[row + Col.KeyId] = Math.max(0, this.keys.idOf(this.arena.bytes, keyFrom, keyFrom + keyLength))
    rows[row + Col.Kind] = kind
    rows[row + Col.ValueFrom] = valueFrom
    rows[row + Col.ValueTo] = to
    rows[row + Col.Marks] = 0
    rows[row + Col.Tag] = tag
    rows[row + Col.Edit] = this.pushEdit(this.insertAt, this.insertAt, from, to)
  }

  /** The same for an attribute that was written before: a copy of its bytes. Its key is not interned. */
  addPrepared(prepared: PreparedAttribute): void {
    const { field, keyFrom, keyTo, valueFrom } = prepared
    const from = this.arena.reserve(field.length)
    this.arena.bytes.set(field, from)
    const to = from + field.length
    this.arena.used = to
    const row = this.push()
    const { rows } = this
    rows[row + Col.FieldFrom] = -1
    rows[row + Col.FieldTo] = -1
    rows[row + Col.KeyFrom] = from + keyFrom
    rows[row + Col.KeyTo] = from + keyTo
    rows[row + Col.KeyId] = 0
    rows[row + Col.Kind] = prepared.kind
    rows[row + Col.ValueFrom] = from + valueFrom
    rows[row + Col.ValueTo] = to
    rows[row + Col.Marks] = 0
    rows[row + Col.Tag] = field[0]!
    rows[row + Col.Edit] = this.pushEdit(this.insertAt, this.insertAt, from, to)
  }

  /** The same for an int: `prepared` was made with 0, and its key is shorter than 100 bytes. Unsigned halves. */
  addPreparedInt(prepared: PreparedAttribute, hi: number, lo: number): void {
    this.addPrepared(prepared)
    const { arena } = this
    const from = arena.used - prepared.field.length
    // The 0 at the end makes room for up to ten bytes; lengths stay below 128.
    const last = arena.reserve(9) - 1
    arena.used = writeVarint64(arena.bytes, last, lo, hi)
    const longer = arena.used - from - prepared.field.length
    arena.bytes[from + 1]! += longer
    arena.bytes[from + prepared.valueFrom - 2]! += longer
    this.rows[(this.count - 1) * ROW + Col.ValueTo] = arena.used
    this.edits[(this.editCount - 1) * EDIT_ROW + EditCol.ArenaTo] = arena.used
  }

  /** A new edit: leaves out body[from, to) and puts arena[arenaFrom, arenaTo) there. Returns its number. */
  pushEdit(from: number, to: number, arenaFrom: number, arenaTo: number): number {
    const at = this.editCount * EDIT_ROW
    if (at + EDIT_ROW > this.edits.length) {
      const grown = new Int32Array(this.edits.length * 2)
      grown.set(this.edits)
      this.edits = grown
    }
    this.edits[at] = from
    this.edits[at + 1] = to
    this.edits[at + 2] = arenaFrom
    this.edits[at + 3] = arenaTo
    return this.editCount++
  }

  /** Lets an edit put another piece of the arena in its place. */
  moveEdit(edit: number, arenaFrom: number, arenaTo: number): void {
    this.edits[edit * EDIT_ROW + EditCol.ArenaFrom] = arenaFrom
    this.edits[edit * EDIT_ROW + EditCol.ArenaTo] = arenaTo
  }

  /** Begins a field in the arena whose AnyValue message has `message` bytes. Returns the field's and the message's start. */
  #open(slot: number, message: number): [from: number, valueAt: number] {
    const at = slot * ROW
    const tag = this.rows[at + Col.Tag]!
    const isBody = this.rows[at + Col.KeyId] === Role.Body
    const keyFrom = this.rows[at + Col.KeyFrom]!
    const keyTo = this.rows[at + Col.KeyTo]!
    const keyField = isBody ? 0 : 1 + varintLength(keyTo - keyFrom) + keyTo - keyFrom
    const content = isBody ? message : keyField + 1 + varintLength(message) + message
    const from = this.arena.reserve(1 + varintLength(content) + content)
    const out = this.arena.bytes
    out[from] = tag
    let next = writeVarint(out, from + 1, content)
    if (!isBody) {
      out[next] = Tag.keyValue.key
      next = writeVarint(out, next + 1, keyTo - keyFrom)
      const keys = this.keyBytes(slot)
      for (let i = keyFrom; i < keyTo; i++) out[next++] = keys[i]!
      out[next] = Tag.keyValue.value
      next = writeVarint(out, next + 1, message)
    }
    return [from, next]
  }

  #repoint(slot: number, kind: Kind, from: number, to: number, valueFrom: number, valueTo: number): void {
    const at = slot * ROW
    const rows = this.rows
    const edit = rows[at + Col.Edit]!
    if (edit === UNEDITED)
      rows[at + Col.Edit] = this.pushEdit(rows[at + Col.FieldFrom]!, rows[at + Col.FieldTo]!, from, to)
    else this.moveEdit(edit, from, to)
    rows[at + Col.Kind] = kind
    rows[at + Col.ValueFrom] = valueFrom
    rows[at + Col.ValueTo] = valueTo
  }
}

/** By the role's number without its sign. */
const roleNames: Record<number, string> = {
  [-Role.Body]: 'log.body',
  [-Role.EventName]: 'log.event_name',
  [-Role.SeverityText]: 'log.severity_text',
  [-Role.ScopeName]: 'scope.name',
  [-Role.ScopeVersion]: 'scope.version',
  [-Role.SchemaUrl]: 'schema_url',
}
