/**
 * Seals single fields of what the splice is writing: finds whose content it is and which record it is bound to, and
 * adds the attributes that make sealed content findable: `douane.subject_ref`, and `douane.index.<field>` by choice.
 */
import { KeyError } from '../errors.ts'
import type { Arena } from './arena.ts'
import { writeAttribute } from './attribute.ts'
import { Kind, Tag } from './fields.ts'
import { Role } from './keys.ts'
import type { Prepender } from './prepend.ts'
import { findSlot, type LogsRequest } from './request.ts'
import type { SealStyle } from './sealing.ts'
import { Col, ROW } from './slots.ts'
import type { Form } from './splice.ts'
import { type SealBinding, type SealedText, type Subject, subjectRefAttribute } from './subject.ts'
import { encodeValue } from './value.ts'

export const recordUidAttribute = 'log.record.uid'
/** Sealed epoch keys that travel with the records: more than one in a message where it has several purposes. */
export const epochKeyAttribute = 'douane.epoch_key'
/** Before a field's path: the attribute with its blind index. */
export const indexPrefix = 'douane.index.'

/** What `TokenBatch.add` says besides a length. */
const NO_ROOM = 0
const ALONE = -1
/** A field takes no more than this, but for its key and its value. */
const fieldBytesMax = 32
/** A token's text is shorter than this. */
const tokenBytes = (plaintext: number): number => plaintext * 1.5 + 256

export class FieldSealer {
  /** Fields that cannot be sealed are left out, and counted here. Else the `KeyError` ends the splice. */
  dropsUnsealed = false
  unsealed = 0
  #request!: LogsRequest
  #form!: Form
  #subject: Subject | undefined
  /** Slots of the record that is written; an empty range for a resource or a scope. */
  #first = 0
  #end = 0
  /** The tag that an added attribute gets. */
  #tag = 0
  /** Ranges of the arena with attributes to add. */
  readonly #added: number[] = []
  /** Sealed epoch keys that the message has already. */
  readonly #carried = new Set<string>()
  /** Values wait here to be sealed together; their fields are in the arena, but for the tokens. */
  #tokens: Form['tokens']
  #arena!: Arena
  /** Whether what is in the arena is read later, so that values can wait. */
  #isLate = false

  /** A message begins. */
  begin(arena: Arena, out: Prepender): void {
    if (this.#carried.size > 0) this.#carried.clear()
    this.#tokens = undefined
    this.#arena = arena
    this.#isLate = out.isLate
    arena.beforeGrowing = this.#writeTokens
    out.beforeReading = this.#writeTokens
  }

  readonly #writeTokens = (): void => {
    this.#tokens?.write(this.#arena.bytes)
  }

  /** A record, resource or scope begins, in this form. */
  enter(request: LogsRequest, form: Form, tag: number, subject: Subject | undefined, first = 0, end = 0): void {
    this.#request = request
    this.#form = form
    this.#tag = tag
    this.#subject = subject
    this.#first = first
    this.#end = end
    this.#added.length = 0
    const hasContent = form.content !== 'drop' && form.content !== 'original'
    // A scope says nothing of its own about a person.
    const isShown = hasContent && tag !== Tag.scope.attributes
    if (subject?.state === 'live' && isShown) this.#addAttribute(subjectRefAttribute, subject.ref)
  }

  /**
   * Writes the field with its value, the AnyValue message in bytes[from, to), sealed into the arena, up to `arena.used`.
   * -1: the field is to be left out.
   */
  seal(slot: number, bytes: Buffer, from: number, to: number, path: string): number {
    if (this.#subject?.state === 'erased') return -1
    const { sealings } = this.#request
    const form = this.#form
    const style = sealings.isUsed ? sealings.styleOf(slot) : undefined
    try {
      const binding = this.#binding(style)
      if (form.tokens !== undefined && style === undefined) {
        const at = this.#add(slot, bytes, from, to, path, binding)
        if (at !== ALONE) return at
      }
      if (form.sealText !== undefined && style === undefined) {
        return this.#copy(slot, form.sealText(bytes, from, to, path, binding))
      }
      const plain = bytes.subarray(from, to)
      const token = form.seal(plain, path, binding)
      if (style?.isIndexed) this.#addAttribute(indexPrefix + path, form.index!(plain, path))
      if (style?.carriesKeys) this.#carry(form.sealedKey?.() ?? '')
      return this.#write(slot, token, style)
    } catch (error) {
      if (!this.dropsUnsealed || !(error instanceof KeyError)) throw error
      this.unsealed++
      return -1
    }
  }

  /** Once a message for each epoch key: its tokens can be opened without the gateway's key store. */
  #carry(key: string): void {
    if (key === '' || this.#carried.has(key)) return
    this.#carried.add(key)
    this.#addAttribute(epochKeyAttribute, key)
  }

  /** Lets the value wait. Returns where its field begins, or `ALONE`. */
  #add(slot: number, bytes: Buffer, from: number, to: number, path: string, binding?: SealBinding): number {
    const { slots } = this.#request
    const form = this.#form
    const row = slot * ROW
    const field = fieldBytesMax + slots.rows[row + Col.KeyTo]! - slots.rows[row + Col.KeyFrom]!
    // All that may be written for it: it would be lost if the arena grew between here and there.
    this.#arena.reserve(field + tokenBytes(to - from))
    if (!this.#isLate || !this.#arena.isHome) return ALONE
    if (form.tokens !== this.#tokens) {
      this.#writeTokens()
      this.#tokens = form.tokens
      // What a splice left that was given up, this one's or another's.
      form.tokens!.drop()
    }
    const end = this.#arena.used + field
    let length = form.addToken!(bytes, from, to, end, path, binding)
    if (length === NO_ROOM) {
      this.#writeTokens()
      length = form.addToken!(bytes, from, to, end, path, binding)
    }
    if (length <= NO_ROOM) return ALONE
    const at = slots.openToken(slot, length)
    this.#tokens!.place(slots.textFrom)
    return at
  }

  #copy(slot: number, { bytes, from, to }: SealedText): number {
    return this.#request.slots.encodeToken(slot, Tag.value.string, bytes, from, to)
  }

  #write(slot: number, token: string, style: SealStyle | undefined): number {
    const { slots } = this.#request
    // Names and the like are strings by their format.
    const asBytes = style?.asBytes === true && slots.keyId(slot) >= Role.Body
    return asBytes
      ? slots.encodeToken(slot, Tag.value.bytes, Buffer.from(token.slice(token.indexOf(':') + 1), 'base64url'))
      : slots.encodeToken(slot, Tag.value.string, Buffer.from(token, 'latin1'))
  }

  #binding(style: SealStyle | undefined): SealBinding | undefined {
    if (style === undefined && this.#subject === undefined) return undefined
    const recordUid = style?.bindsRecord ? this.#recordUid() : undefined
    return { subject: this.#subject, recordUid, padTo: style?.padTo }
  }

  /** As the copy has it: what it may not hold cannot be asked for when the token is opened. */
  #recordUid(): string | undefined {
    const { slots } = this.#request
    const { allows } = this.#form
    const slot = findSlot(slots, recordUidAttribute, this.#first, this.#end)
    if (slot === -1 || slots.kind(slot) !== Kind.String) return undefined
    return allows === undefined || allows.byName(recordUidAttribute) ? slots.text(slot) : undefined
  }

  #addAttribute(key: string, value: string): void {
    const { arena } = this.#request.slots
    const from = writeAttribute(arena, this.#tag, key, encodeValue({ kind: 'string', value }))
    this.#added.push(from, arena.used)
  }

  /** Prepends the attributes that were added. */
  writeAdded(out: Prepender): void {
    for (let i = 0; i < this.#added.length; i += 2) {
      out.bytes(this.#request.slots.arena.bytes, this.#added[i]!, this.#added[i + 1]!)
    }
  }
}
