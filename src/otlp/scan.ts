/**
 * The scan: one pass over the wire bytes that fills a request's tables.
 *
 * It takes the regular form only (wasm/scan.ts says which) and returns false for anything else: then canonical.ts,
 * slow and thorough, writes the request anew in the regular form or says what is wrong. So one place decides what odd
 * bytes mean, and every other part of the gateway sees regular bytes only.
 *
 * The pass itself is WebAssembly, built from wasm/scan.ts by `npm run build:wasm`; the result is in the repository, and
 * a test builds it again and compares. Body and tables lie in its memory:
 *
 *   64 KiB of its own | a guest's | lodgers' | key table | resources | scopes | records | slots | body | arena | splice
 *
 * The views of that memory that a request gets are valid until the next scan. A guest is another program that works on
 * the same tables: `Scanner.admit`. Lodgers have tables of their own, for the part of the program that decides
 * conditions (wasm/decide.ts): `Scanner.lodge`.
 */
import { readFileSync } from 'node:fs'
import { WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { KeyTable } from './keys.ts'
import { type LogsRequest, RECORD_ROW, RESOURCE_ROW, SCOPE_ROW } from './request.ts'
import { ROW } from './slots.ts'

/** A program of WebAssembly from its file: once, when the module that needs it is loaded. */
export const program = (file: URL): WebAssembly.Module => new WebAssembly.Module(readFileSync(file))

const compiled = program(new URL('./scan.wasm', import.meta.url))

const PAGE = 64 * 1024
/** Where a guest's room begins, in every memory. */
const guestAt = PAGE
const PADDING = 16
/** Answers of the pass. */
const OK = 1
const FULL = 2

type GlobalName =
  | 'body'
  | 'slots'
  | 'slotsEnd'
  | 'records'
  | 'recordsEnd'
  | 'scopes'
  | 'scopesEnd'
  | 'resources'
  | 'resourcesEnd'
  | 'keyStore'
  | 'depthMax'
  | 'attributesMax'
  | 'keyBytesMax'
  | 'slotCount'
  | 'recordCount'
  | 'scopeCount'
  | 'resourceCount'
  | 'hasReserved'
  | 'keyStoreBytes'
type Exports = Record<GlobalName, WebAssembly.Global<'i32'>> & {
  scan(length: number): number
  forgetKeys(): void
  prepend(steps: number, count: number, end: number): void
  decide(base: number, record: number, state: number): number
}

const aborted = (): never => {
  throw new Error('the program aborted')
}

/** How many rows each table can take. */
interface Room {
  resources: number
  scopes: number
  records: number
  slots: number
  body: number
}
const roomAtFirst: Room = { resources: 64, scopes: 64, records: 1024, slots: 16 * 1024, body: 256 * 1024 }

/** Where a request lies in the memory, for a guest: valid until the next scan. */
export interface Places {
  readonly body: number
  readonly slots: number
  readonly arena: number
  readonly arenaEnd: number
  /** The whole memory. */
  readonly bytes: Buffer
  readonly words: Int32Array
}

/** Where prepend.ts works: a list of steps, and room for what they write. Valid until the next scan. */
export interface Press {
  /** Two numbers a step: see wasm/splice.ts. */
  readonly steps: Int32Array
  readonly room: Buffer
  /** The whole memory; addresses in steps are places in it. */
  readonly bytes: Buffer
  /** Carries out the first `count` steps; what they write ends where the room ends. */
  run(count: number): void
}
const stepsMax = 4096
/** With more of them, the one that came first has to ask again. */
const lodgersMax = 8
const pressBytes = 256 * 1024

/** Room of somebody's own, until the next scan. */
export interface Lodging {
  readonly words: Int32Array
  /** Where it lies, and the records. */
  readonly at: number
  readonly records: number
  /** See wasm/decide.ts: the state that a record leads to; 0: the way is not known. */
  readonly decide: (at: number, record: number, state: number) => number
}

/** A program that shares the memory, and who asked for it. */
interface Guest {
  readonly program: WebAssembly.Module
  readonly owner: object
  readonly bytes: number
  instance: WebAssembly.Instance | undefined
}

export class Scanner {
  readonly #keys: KeyTable
  #memory: WebAssembly.Memory
  #wasm: Exports
  #room: Room = { ...roomAtFirst }
  #generation = 0
  #bytes: Buffer = Buffer.alloc(0)
  #words: Int32Array = new Int32Array(0)
  #isLaidOut = false
  /** Where the body lies, and the arena. */
  #body = 0
  #arena = 0
  #arenaEnd = 0
  #home: Buffer = Buffer.alloc(0)
  #press: Press | undefined
  #guest: Guest | undefined
  /** By owner: how many words, and where they are once there is room. */
  readonly #lodgers = new Map<object, { readonly words: number; at: number; lodging: Lodging | undefined }>()

  constructor(keys: KeyTable) {
    this.#keys = keys
    ;[this.#memory, this.#wasm] = this.#instantiate()
  }

  /**
   * Fills the tables of `request` from `bytes`, which it copies. False: the bytes are not regular. Throws `WireError`
   * for more records or fields than a request may have.
   */
  scan(request: LogsRequest, bytes: Buffer): boolean {
    // A huge request must not leave its memory behind.
    if (this.#memory.buffer.byteLength > limits.scanMemoryKeptBytes && bytes.length < limits.scanMemoryKeptBytes / 8) {
      this.#room = { ...roomAtFirst }
      ;[this.#memory, this.#wasm] = this.#instantiate()
    }
    while (this.#room.body < bytes.length) {
      this.#room.body *= 2
      this.#isLaidOut = false
    }
    for (;;) {
      if (!this.#isLaidOut) this.#layOut()
      bytes.copy(this.#bytes, this.#body)
      request.slots.arena.settle(this.#home)
      request.reset(this.#bytes.subarray(this.#body, this.#body + bytes.length))
      if (this.#generation !== this.#keys.generation) {
        this.#generation = this.#keys.generation
        this.#wasm.forgetKeys()
      }
      const answer = this.#wasm.scan(bytes.length)
      if (answer === FULL) {
        this.#grow(bytes.length)
        continue
      }
      if (answer === OK) this.#show(request)
      return answer === OK
    }
  }

  /**
   * Gives a program room in this memory, from `guestAt` on. Undefined: not yet, there is room from the next scan on; or
   * somebody else has it, who came first.
   */
  admit(owner: object, asked: WebAssembly.Module, bytes: number): WebAssembly.Instance | undefined {
    if (this.#guest === undefined) {
      this.#guest = { program: asked, owner, bytes, instance: undefined }
      this.#isLaidOut = false
    }
    return this.#guest.owner === owner ? this.#guest.instance : undefined
  }

  /**
   * Gives `owner` as many words of the memory. Undefined: not yet, there is room from the next scan on. What was in it is
   * lost when another object is returned.
   */
  lodge(owner: object, words: number): Lodging | undefined {
    const known = this.#lodgers.get(owner)
    if (known !== undefined) return known.lodging
    if (this.#lodgers.size === lodgersMax) this.#lodgers.delete(this.#lodgers.keys().next().value!)
    this.#lodgers.set(owner, { words, at: 0, lodging: undefined })
    this.#isLaidOut = false
    return undefined
  }

  get press(): Press | undefined {
    return this.#press
  }

  get places(): Places {
    return {
      body: this.#body,
      slots: this.#wasm.slots.value,
      arena: this.#arena,
      arenaEnd: this.#arenaEnd,
      bytes: this.#bytes,
      words: this.#words,
    }
  }

  #instantiate(): [WebAssembly.Memory, Exports] {
    const memory = new WebAssembly.Memory({ initial: 1 })
    const intern = (from: number, to: number): number => {
      return this.#keys.idOf(this.#bytes, this.#body + from, this.#body + to)
    }
    const instance = new WebAssembly.Instance(compiled, { env: { memory, abort: aborted }, host: { intern } })
    const wasm = instance.exports as unknown as Exports
    wasm.depthMax.value = limits.valueDepthMax
    wasm.attributesMax.value = limits.attributesMax
    wasm.keyBytesMax.value = limits.internedKeyBytesMax
    this.#generation = 0
    this.#isLaidOut = false
    if (this.#guest !== undefined) this.#guest.instance = undefined
    return [memory, wasm]
  }

  /** Puts the tables and the body in their places, and makes sure that the memory holds them. */
  #layOut(): void {
    const wasm = this.#wasm
    const room = this.#room
    let next = guestAt + (this.#guest?.bytes ?? 0)
    const take = (bytes: number): number => {
      const at = next
      next += (bytes + PADDING) & ~15
      return at
    }
    for (const lodger of this.#lodgers.values()) lodger.at = take(lodger.words * 4)
    wasm.keyStore.value = take(wasm.keyStoreBytes.value)
    wasm.resources.value = take(room.resources * RESOURCE_ROW * 4)
    wasm.resourcesEnd.value = wasm.resources.value + room.resources * RESOURCE_ROW * 4
    wasm.scopes.value = take(room.scopes * SCOPE_ROW * 4)
    wasm.scopesEnd.value = wasm.scopes.value + room.scopes * SCOPE_ROW * 4
    wasm.records.value = take(room.records * RECORD_ROW * 4)
    wasm.recordsEnd.value = wasm.records.value + room.records * RECORD_ROW * 4
    wasm.slots.value = take(room.slots * ROW * 4)
    wasm.slotsEnd.value = wasm.slots.value + room.slots * ROW * 4
    this.#body = take(room.body + PADDING)
    wasm.body.value = this.#body
    this.#arena = take(room.body)
    this.#arenaEnd = this.#arena + room.body
    const steps = take(stepsMax * 8)
    const pressAt = take(pressBytes)
    this.#isLaidOut = true
    const missing = Math.ceil((next - this.#memory.buffer.byteLength) / PAGE)
    if (missing > 0) this.#memory.grow(missing)
    if (this.#bytes.buffer !== (this.#memory.buffer as ArrayBufferLike)) {
      this.#bytes = Buffer.from(this.#memory.buffer)
      this.#words = new Int32Array(this.#memory.buffer)
    }
    // The key table was moved: what it knew is not there.
    this.#generation = 0
    for (const lodger of this.#lodgers.values()) lodger.lodging = this.#lodgingAt(lodger.at, lodger.words)
    const guest = this.#guest
    if (guest !== undefined && guest.instance === undefined) {
      this.#bytes.fill(0, guestAt, guestAt + guest.bytes)
      guest.instance = new WebAssembly.Instance(guest.program, { env: { memory: this.#memory, abort: aborted } })
    }
    this.#home = this.#bytes.subarray(this.#arena, this.#arenaEnd)
    this.#press = {
      steps: this.#words.subarray(steps >> 2, (steps >> 2) + stepsMax * 2),
      room: this.#bytes.subarray(pressAt, pressAt + pressBytes),
      bytes: this.#bytes,
      run: (count) => wasm.prepend(steps, count, pressAt + pressBytes),
    }
  }

  #lodgingAt(at: number, words: number): Lodging {
    const { decide, records } = this.#wasm
    return { words: this.#words.subarray(at >> 2, (at >> 2) + words), at, records: records.value, decide }
  }

  /** More rows for each table. Throws `WireError` where the bounds of a request are reached. */
  #grow(bodyBytes: number): void {
    const room = this.#room
    if (room.records >= limits.recordsMax && room.slots >= limits.slotsMax) {
      throw new WireError(`more than ${limits.recordsMax} records or ${limits.slotsMax} fields in a request`, bodyBytes)
    }
    room.resources = Math.min(room.resources * 4, limits.recordsMax)
    room.scopes = Math.min(room.scopes * 4, limits.recordsMax)
    room.records = Math.min(room.records * 4, limits.recordsMax)
    room.slots = Math.min(room.slots * 4, limits.slotsMax)
    this.#isLaidOut = false
  }

  /** Lets the request see what the pass has written. */
  #show(request: LogsRequest): void {
    const wasm = this.#wasm
    const view = (at: number, end: number) => this.#words.subarray(at >> 2, end >> 2)
    request.resources.show(view(wasm.resources.value, wasm.resourcesEnd.value), wasm.resourceCount.value)
    request.scopes.show(view(wasm.scopes.value, wasm.scopesEnd.value), wasm.scopeCount.value)
    request.records.show(view(wasm.records.value, wasm.recordsEnd.value), wasm.recordCount.value)
    request.slots.rows = view(wasm.slots.value, wasm.slotsEnd.value)
    request.slots.count = wasm.slotCount.value
    request.hasReservedKeys = wasm.hasReserved.value !== 0
  }
}

/** Fills the tables of `request` from `bytes`. False: the bytes are not regular; the tables are then worth nothing. */
export function scan(request: LogsRequest, bytes: Buffer): boolean {
  request.scanner ??= new Scanner(request.keys)
  return request.scanner.scan(request, bytes)
}
