/**
 * Cuts an ExportLogsServiceRequest into smaller ones, on the wire, without re-encoding a record.
 *
 *     ExportLogsServiceRequest { 1: ResourceLogs }   ResourceLogs { 1: resource  2: ScopeLogs  3: schema_url }
 *     ScopeLogs { 1: scope  2: LogRecord  3: schema_url }
 *
 * Records are numbered in the order of the bytes. `cutRecords(body, from, to)` has the records [from, to), each under
 * its own resource and scope. The input is the gateway's own output; anything else throws `WireError`.
 */
import { WireError } from '../errors.ts'

/** The field that holds the next level: resource_logs, scope_logs, log_records. */
const childField = [1, 2, 2] as const
const recordLevel = childField.length - 1
const wireVarint = 0
const wireFixed64 = 1
const wireLength = 2
const wireFixed32 = 5

/** How many records a request holds. */
export function countRecords(body: Uint8Array): number {
  const cutter = new Cutter(body, 0, 0)
  cutter.message(0, body.length, 0)
  return cutter.seen
}

/** A request with the records [from, to) of `body`. */
export function cutRecords(body: Uint8Array, from: number, to: number): Uint8Array {
  return Buffer.concat(new Cutter(body, from, to).message(0, body.length, 0).parts)
}

interface Cut {
  readonly parts: Uint8Array[]
  readonly bytes: number
  /** Some record of the range is in it. */
  readonly any: boolean
}

class Cutter {
  readonly #body: Uint8Array
  readonly #from: number
  readonly #to: number
  #at = 0
  /** Records passed so far. */
  seen = 0

  constructor(body: Uint8Array, from: number, to: number) {
    this.#body = body
    this.#from = from
    this.#to = to
  }

  message(start: number, end: number, level: number): Cut {
    const parts: Uint8Array[] = []
    let bytes = 0
    let any = false
    const add = (part: Uint8Array) => {
      parts.push(part)
      bytes += part.length
    }
    for (let at = start; at < end; at = this.#at) {
      this.#at = at
      const tag = this.#varint(end)
      const content = this.#field(tag & 7, end)
      const next = this.#at
      if (tag >>> 3 !== childField[level] || (tag & 7) !== wireLength) {
        add(this.#body.subarray(at, next))
      } else if (level === recordLevel) {
        const inside = this.seen >= this.#from && this.seen < this.#to
        this.seen++
        if (inside) add(this.#body.subarray(at, next))
        any ||= inside
      } else {
        const child = this.message(content, next, level + 1)
        this.#at = next
        if (!child.any) continue
        any = true
        add(tagAndLength(tag, child.bytes))
        for (const part of child.parts) add(part)
      }
    }
    return { parts, bytes, any }
  }

  /** Moves behind a field's value; gives where its content starts. */
  #field(wireType: number, end: number): number {
    let start = this.#at
    if (wireType === wireVarint) this.#varint(end)
    else if (wireType === wireFixed64) this.#at += 8
    else if (wireType === wireFixed32) this.#at += 4
    else if (wireType === wireLength) {
      const length = this.#varint(end)
      start = this.#at
      this.#at += length
    } else throw new WireError('unexpected wire type', this.#at)
    if (this.#at > end) throw new WireError('truncated field', this.#at)
    return start
  }

  /** The value's low bits as a number; exact up to 2^53, which tags and lengths never reach. */
  #varint(end: number): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= end) throw new WireError('truncated varint', this.#at)
      const byte = this.#body[this.#at++]!
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new WireError('varint too long', this.#at)
  }
}

function tagAndLength(tag: number, length: number): Uint8Array {
  const bytes: number[] = []
  for (const value of [tag, length]) {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
    bytes.push(rest)
  }
  return Uint8Array.from(bytes)
}
