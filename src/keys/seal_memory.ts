/**
 * Where short values are sealed: a WebAssembly program (wasm/seal.ts) in memory of its own, and what lies where in it.
 *
 *   64 KiB of the program | key | Enc_structure | nonces | token as bytes | token as text
 *
 * The program is in the repository as it was built by `npm run build:wasm`; a test builds it again and compares.
 */
import { readFileSync } from 'node:fs'
import { limits } from '../limits.ts'

interface Exports {
  prepare(): void
  encrypt(key: number, nonce: number, ad: number, adLength: number, text: number, length: number): void
  seal(
    key: number,
    nonce: number,
    ad: number,
    adLength: number,
    raw: number,
    headLength: number,
    length: number,
    text: number,
  ): number
}

const compiled = new WebAssembly.Module(readFileSync(new URL('./seal.wasm', import.meta.url)))
const PAGE = 64 * 1024
/** Around a plaintext: a token's head, its tag, and what the program writes beyond. */
const aroundBytes = 512

export class SealMemory {
  /** The whole memory; it never grows. */
  readonly bytes: Buffer
  readonly program: Exports
  readonly key = PAGE
  readonly ad = this.key + 64
  readonly nonces = this.ad + limits.sealContextBytesMax
  readonly raw = this.nonces + limits.sealNoncesPooled * 12
  /** Text begins behind room for a prefix. */
  readonly text = this.raw + limits.sealShortBytesMax + aroundBytes

  constructor() {
    const end = this.text + Math.ceil((limits.sealShortBytesMax + aroundBytes) / 3) * 4
    const pages = Math.ceil(end / PAGE)
    const memory = new WebAssembly.Memory({ initial: pages })
    const abort = (): never => {
      throw new Error('the program that seals aborted')
    }
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory, abort } })
    this.program = exports as unknown as Exports
    this.program.prepare()
    this.bytes = Buffer.from(memory.buffer)
  }
}
