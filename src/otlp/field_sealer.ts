/**
 * Seals single fields of what the splice is writing: finds whose content it is and which record it is bound to, and
 * adds the attributes that make sealed content findable: `douane.subject_ref`, and `douane.index.<field>` by choice.
 */
import { KeyError } from '../errors.ts'
import { writeAttribute } from './attribute.ts'
import { Kind, Tag } from './fields.ts'
import { Role } from './keys.ts'
import type { Prepender } from './prepend.ts'
import { findSlot, type LogsRequest } from './request.ts'
import type { SealStyle } from './sealing.ts'
import type { Form } from './splice.ts'
import { type SealBinding, type SealedText, type Subject, subjectRefAttribute } from './subject.ts'
import { encodeValue } from './value.ts'

export const recordUidAttribute = 'log.record.uid'
/** Sealed epoch keys that travel with the records: more than one in a message where it has several purposes. */
export const epochKeyAttribute = 'douane.epoch_key'
/** Before a field's path: the attribute with its blind index. */
export const indexPrefix = 'douane.index.'

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

  /** A message begins. */
  begin(): void {
    if (this.#carried.size > 0) this.#carried.clear()
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
    if (subject?.state === 'live' && isShown) this.#add(subjectRefAttribute, subject.ref)
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
      if (form.sealText !== undefined && style === undefined) {
        return this.#copy(slot, form.sealText(bytes, from, to, path, binding))
      }
      const plain = bytes.subarray(from, to)
      const token = form.seal(plain, path, binding)
      if (style?.isIndexed) this.#add(indexPrefix + path, form.index!(plain, path))
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
    this.#add(epochKeyAttribute, key)
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

  #add(key: string, value: string): void {
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
