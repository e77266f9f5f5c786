/**
 * The program of wasm/minimize/ at work in the memory of one request's scanner, and the tables that it reads there: they
 * are made from what the detectors know, so a new word, format or key needs no new program.
 *
 * Built by `npm run build:wasm`; the result is in the repository, and a test builds it again and compares.
 */
import type { LogsRequest } from '../../../src/otlp/request.ts'
import { type Places, program, type Scanner } from '../../../src/otlp/scan.ts'
import { anchors, loudAnchors } from '../detect/anchors.ts'
import { classes } from '../detect/ascii.ts'
import { tokenStarts } from '../detect/vendor_tokens.ts'
import { type HmacKey, roundConstants } from '../hmac.ts'

export const fastProgram = program(new URL('./fast.wasm', import.meta.url))

/** Addresses and sizes: wasm/minimize/layout.ts. */
type ConstantName =
  | 'anchorBits'
  | 'cache'
  | 'cacheRow'
  | 'classes'
  | 'hashPrefix'
  | 'hashPrefixMax'
  | 'innerState'
  | 'keyClasses'
  | 'keyClassesMax'
  | 'labelRow'
  | 'labels'
  | 'labelsMax'
  | 'literalRow'
  | 'literals'
  | 'literalsMax'
  | 'loudBits'
  | 'outerState'
  | 'roleClasses'
  | 'roundConstants'
  | 'tokenBits'
  | 'tokenKeys'
  | 'tokenKeysMask'
  | 'work'
  | 'workMax'
type VariableName =
  | 'body'
  | 'slots'
  | 'arena'
  | 'arenaAt'
  | 'arenaEnd'
  | 'valueBytesMax'
  | 'prefixLength'
  | 'keyNumber'
  | 'cacheMask'
export type FastExports = Record<ConstantName | VariableName, WebAssembly.Global<'i32'>> & {
  prepare(first: number, end: number): number
  nextStop(at: number, from: number, to: number): number
}

const constants = Object.fromEntries(
  Object.entries(
    new WebAssembly.Instance(fastProgram, { env: { memory: new WebAssembly.Memory({ initial: 1 }) } }).exports,
  )
    .filter((entry): entry is [string, WebAssembly.Global<'i32'>] => typeof entry[1] !== 'function')
    .map(([name, { value }]) => [name, value]),
) as Record<ConstantName, number>
export const { labelsMax, workMax } = constants
export const labelBytesMax = constants.labelRow - 1

/** Bytes of a guest's room that has a cache of so many rows. */
const roomFor = (rows: number): number => constants.cache + rows * constants.cacheRow - constants.classes

/** Tables are filled once: what works in a memory is remembered with it. */
const memories = new WeakMap<WebAssembly.Instance, FastMemory>()

/** One program in one memory. Views of the memory are those of the last scan. */
export class FastMemory {
  readonly wasm: FastExports
  places: Places
  /** Where the list begins in `places.words`. */
  readonly workAt = constants.work >> 2

  /** Undefined: there is no room yet, or somebody else works in this memory. `rows`: of the cache; a power of two, or 0. */
  static of(request: LogsRequest, owner: object, rows: number): FastMemory | undefined {
    const { scanner } = request
    const instance = scanner?.admit(owner, fastProgram, roomFor(rows))
    if (scanner === undefined || instance === undefined) return undefined
    let memory = memories.get(instance)
    if (memory === undefined) {
      memory = new FastMemory(instance, scanner, rows)
      memories.set(instance, memory)
    }
    memory.#follow(scanner)
    return memory
  }

  private constructor(instance: WebAssembly.Instance, scanner: Scanner, rows: number) {
    this.wasm = instance.exports as unknown as FastExports
    this.places = scanner.places
    this.wasm.cacheMask.value = rows - 1
    fillTables(this.places.bytes, this.places.words, tokenStarts)
  }

  /** Shows the program where this request lies. */
  #follow(scanner: Scanner): void {
    const { wasm } = this
    const places = scanner.places
    this.places = places
    wasm.body.value = places.body
    wasm.slots.value = places.slots
    wasm.arena.value = places.arena
    wasm.arenaEnd.value = places.arenaEnd
  }

  /** What the keys' verdicts ask for, by key id; and by the negated role. */
  setClasses(keys: Uint8Array, count: number, roles: Uint8Array): void {
    const { bytes } = this.places
    bytes.set(keys.subarray(0, count), constants.keyClasses)
    bytes.set(roles, constants.roleClasses)
  }
  setClass(id: number, value: number): void {
    this.places.bytes[constants.keyClasses + id] = value
  }

  setLabel(index: number, label: Uint8Array): void {
    const at = constants.labels + index * constants.labelRow
    this.places.bytes[at] = label.length
    this.places.bytes.set(label, at + 1)
  }

  /** The key of hashes from now on; undefined: none at hand. */
  setKey(key: HmacKey | undefined): void {
    const { wasm, places } = this
    const length = key === undefined || key.prefix.length > constants.hashPrefixMax ? 0 : key.prefix.length
    wasm.prefixLength.value = length
    if (key === undefined || length === 0) return
    wasm.keyNumber.value = key.number
    places.bytes.set(key.prefix, constants.hashPrefix)
    places.words.set(key.hmac.inner, constants.innerState >> 2)
    places.words.set(key.hmac.outer, constants.outerState >> 2)
  }
}

/** Writes the tables. `starts`: how tokens begin, `tokenStarts` but for measurements. */
export function fillTables(bytes: Buffer, words: Int32Array, starts: typeof tokenStarts): void {
  bytes.set(classes, constants.classes)
  words.set(roundConstants, constants.roundConstants >> 2)
  setBits(bytes, constants.anchorBits, anchors)
  setBits(bytes, constants.loudBits, loudAnchors)
  let row = 0
  for (const [key, formats] of starts) {
    const place = (((key >> 16) << 10) ^ (((key >> 8) & 255) << 5) ^ (key & 255)) & 32767
    bytes[constants.tokenBits + (place >> 3)]! |= 1 << (place & 7)
    let bucket = Math.imul(key, 0x9e3779b1) >>> 20
    const at = (): number => constants.tokenKeys + (bucket & constants.tokenKeysMask) * 8
    while (words[at() >> 2] !== 0) bucket++
    words[at() >> 2] = key + 1
    bytes.writeUInt16LE(row, at() + 4)
    bytes.writeUInt16LE(formats.length, at() + 6)
    if (row + formats.length > constants.literalsMax) throw new RangeError('more tokens than the table holds')
    for (const { literal, lengthMin } of formats) {
      const literalAt = constants.literals + row++ * constants.literalRow
      for (const [i, byte] of literal.subarray(0, 8).entries()) {
        bytes[literalAt + i] = byte
        bytes[literalAt + 8 + i] = 255
      }
      words[(literalAt + 16) >> 2] = lengthMin
    }
  }
}

/** One bit for each byte of a table that is 1. */
function setBits(bytes: Buffer, at: number, table: Uint8Array): void {
  for (const [place, isMarked] of table.entries()) if (isMarked === 1) bytes[at + (place >> 3)]! |= 1 << (place & 7)
}
