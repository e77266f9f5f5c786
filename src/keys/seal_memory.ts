/**
 * Where values are sealed: a WebAssembly program (wasm/seal.ts) in memory of its own, and what lies where in it.
 *
 *   64 KiB of the program | keys and heads | Enc_structures | jobs | nonces | plaintexts | tokens as bytes | as text
 *
 * It is a memory apart from that of requests, which anybody's bytes are read in: keys are in this one.
 * The program is in the repository as it was built by `npm run build:wasm`; a test builds it again and compares.
 */
import { readFileSync } from 'node:fs'
import { limits } from '../limits.ts'
import { ivBytes } from './token_format.ts'

interface Exports {
  prepare(): void
  encrypt(key: number, nonce: number, ad: number, adLength: number, text: number, length: number): void
  seal(jobs: number, count: number, nonces: number, first: number, second: number): void
}

const compiled = new WebAssembly.Module(readFileSync(new URL('./seal.wasm', import.meta.url)))
const PAGE = 64 * 1024

/** A key and, behind it, the head of its tokens. */
export const keyPlaceBytes = 128
/** Words of a job, as the program reads them. */
export const JOB = 8
export const JobCol = { Key: 0, HeadLength: 1, Ad: 2, AdLength: 3, Raw: 4, Length: 5, Text: 6, Source: 7 } as const
/** Instead of a source: the plaintext stands where its ciphertext will stand. */
export const IN_PLACE = 0x7fffffff
/** Around a plaintext: a token's head, IV, lengths, its tag, and what the program reads and writes beyond. */
const aroundBytes = 512
/** One more key and job than wait together: of the value that is sealed at once. */
const places = limits.sealWaitingMax + 1
/** How far the program reads behind a plaintext. */
const readBeyondBytes = 16

export class SealMemory {
  /** The whole memory; it never grows. */
  readonly bytes: Buffer
  readonly view: DataView
  readonly words: Int32Array
  readonly program: Exports
  readonly keys = PAGE
  readonly ads = this.keys + places * keyPlaceBytes
  readonly jobs = this.ads + limits.sealContextsBytesMax
  readonly nonces = this.jobs + places * JOB * 4
  /** Plaintexts that wait, and what stands between them. */
  readonly plain = this.nonces + places * ivBytes
  readonly raw = (this.plain + limits.sealWaitingBytesMax + readBeyondBytes + 15) & ~15
  /** Of the value that is sealed at once; before it those that wait. */
  readonly ownRaw = this.raw + limits.sealWaitingBytesMax
  readonly ownText = this.ownRaw + limits.sealShortBytesMax + aroundBytes
  readonly text = this.ownText + Math.ceil((limits.sealShortBytesMax + aroundBytes) / 3) * 4

  constructor() {
    const end = this.text + limits.sealWaitingBytesMax
    const memory = new WebAssembly.Memory({ initial: Math.ceil(end / PAGE) })
    const abort = (): never => {
      throw new Error('the program that seals aborted')
    }
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory, abort } })
    this.program = exports as unknown as Exports
    this.program.prepare()
    this.bytes = Buffer.from(memory.buffer)
    this.view = new DataView(memory.buffer)
    this.words = new Int32Array(memory.buffer)
  }
}
