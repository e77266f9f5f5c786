/**
 * The program of wasm/rows.ts and its memory, which all encoders share: each batch is copied in, and each row out.
 *
 *   0         what `read` notes, the members of a record
 *   64 KiB    the columns of resource and scope
 *   320 KiB   the columns of places
 *   576 KiB   a record's attributes as JSON, then its row
 *   …         the batch, with room behind it
 *
 * What does not fit here is no error: the encoder does such a record, or such a batch, by itself.
 *
 * Built by `npm run build:wasm`; the result is in the repository, and a test builds it again and compares.
 */
import { limits } from '../../src/limits.ts'
import { program } from '../../src/otlp/scan.ts'
import { decodeValue } from '../../src/otlp/value.ts'
import type { Range } from './place.ts'
import { RowBuffer } from './row_buffer.ts'
import { escapeText, toStoredJson, writeJsonEntry, writeJsonValue } from './stored_json.ts'

const KiB = 1024
const sharedAt = 64 * KiB
const placesAt = 320 * KiB
const jsonAt = 576 * KiB
/** The most that one byte of a record becomes in its row: U+0001 is `\u0001`. */
const growth = 6
/** Of a row: its numbers, and the heads of its columns. */
const rowHeadBytes = 512
const jsonBytes = growth * limits.quickRecordBytesMax
const rowAt = jsonAt + jsonBytes + 64
const rowBytes = 2 * jsonBytes + (jsonAt - sharedAt) + rowHeadBytes
const bodyAt = rowAt + rowBytes
const pageBytes = 64 * KiB
const roomBehind = 64

type Setting = 'body' | 'json' | 'row' | 'storedMicros' | 'resource' | 'resourceBytes' | 'scope' | 'scopeBytes'
type Exports = Record<Setting, { value: number }> & {
  read(from: number, to: number): number
  write(place: number, placeBytes: number): number
}

const compiled = program(new URL('./rows.wasm', import.meta.url))

export class RowMemory {
  readonly #memory = new WebAssembly.Memory({ initial: Math.ceil(bodyAt / pageBytes) })
  readonly #wasm: Exports
  #bytes: Buffer = Buffer.alloc(0)
  #words = new Int32Array()
  #micros = new Float64Array()
  #source: Buffer = Buffer.alloc(0)
  #placesEnd = placesAt
  /** The columns of resource and scope are here. */
  #isShared = false
  /** What the program leaves to us is written here first. */
  readonly #scratch = new RowBuffer()

  constructor() {
    const fill = (write: (from: number, to: number) => void) => (from: number, to: number, at: number) =>
      this.#fill(at, () => write(from, to))
    const { exports } = new WebAssembly.Instance(compiled, {
      env: { memory: this.#memory },
      host: {
        member: fill((from, to) => writeJsonEntry(this.#scratch, this.#source, from, to)),
        text: fill((from, to) => this.#scratch.appendText(escapeText(this.#source.utf8Slice(from, to)))),
        json: fill((from, to) => writeJsonValue(this.#scratch, this.#source, from, to)),
        column: fill((from, to) => {
          const value = decodeValue(this.#source, from, to)
          this.#scratch.appendText(value.kind === 'string' ? escapeText(value.value) : toStoredJson(value))
        }),
      },
    })
    this.#wasm = exports as unknown as Exports
    this.#wasm.body.value = bodyAt
    this.#wasm.json.value = jsonAt
    this.#wasm.row.value = rowAt
    this.#look()
  }

  /** Forgets the places of the batches before. */
  begin(storedMicros: number): void {
    this.#placesEnd = placesAt
    this.#wasm.storedMicros.value = storedMicros
  }

  /** Takes a batch in. False: it is too large. */
  load(source: Buffer): boolean {
    this.#isShared = false
    if (source.length > limits.quickBatchBytesMax) return false
    const size = bodyAt + source.length + roomBehind
    if (size > this.#memory.buffer.byteLength) {
      this.#memory.grow(Math.ceil((size - this.#memory.buffer.byteLength) / pageBytes))
      this.#look()
    }
    this.#source = source
    this.#bytes.set(source, bodyAt)
    return true
  }

  #look(): void {
    this.#bytes = Buffer.from(this.#memory.buffer)
    this.#words = new Int32Array(this.#memory.buffer, 0, 32)
    this.#micros = new Float64Array(this.#memory.buffer, 0, 1)
  }

  /** The columns that the next records have in common. */
  share(resource: RowBuffer, scope: RowBuffer): void {
    this.#isShared = resource.at + scope.at <= placesAt - sharedAt
    if (!this.#isShared) return
    const scopeAt = sharedAt + resource.at
    resource.bytes.copy(this.#bytes, sharedAt, 0, resource.at)
    scope.bytes.copy(this.#bytes, scopeAt, 0, scope.at)
    this.#wasm.resource.value = sharedAt
    this.#wasm.resourceBytes.value = resource.at
    this.#wasm.scope.value = scopeAt
    this.#wasm.scopeBytes.value = scope.at
  }

  /** Keeps the columns of a place for this batch. Returns where; 0: there is no room. */
  keep(columns: Buffer): number {
    const at = this.#placesEnd
    if (at + columns.length > jsonAt) return 0
    this.#bytes.set(columns, at)
    this.#placesEnd = at + columns.length
    return at
  }

  /** Reads a record of the batch. False: it is not for the program. */
  read(start: number, end: number): boolean {
    return this.#isShared && end - start <= limits.quickRecordBytesMax && this.#wasm.read(start, end) === 1
  }

  /** Of the record that was read: its time in microseconds of Unix time, or -1. */
  get micros(): number {
    return this.#micros[0]!
  }

  /** Of the record that was read. */
  ranges(eventName: Range, own: { purpose: Range; tenant: Range; region: Range; subject_ref: Range }): void {
    const words = this.#words
    eventName.start = words[2]!
    eventName.end = words[3]!
    own.purpose.start = words[4]!
    own.purpose.end = words[5]!
    own.tenant.start = words[6]!
    own.tenant.end = words[7]!
    own.region.start = words[8]!
    own.region.end = words[9]!
  }

  /** Writes the row of the record that was read. False: it is not for the program. */
  write(out: RowBuffer, placeAt: number, placeBytes: number): boolean {
    const size = this.#wasm.write(placeAt, placeBytes)
    if (size === 0) return false
    out.reserve(size)
    this.#bytes.copy(out.bytes, out.at, rowAt, rowAt + size)
    out.at += size
    return true
  }

  /** What `write` puts into the scratch, at an address. Returns where it ends; 0: it cannot be written, or not there. */
  #fill(at: number, write: () => void): number {
    this.#scratch.at = 0
    try {
      write()
    } catch {
      return 0
    }
    const end = at + this.#scratch.at
    const limit = at < rowAt ? rowAt - 64 : bodyAt - 64
    if (end > limit) return 0
    this.#scratch.bytes.copy(this.#bytes, at, 0, this.#scratch.at)
    return end
  }
}
