/**
 * Blind indexes: a sealed field can be searched for equal values without being opened.
 *
 *   index = the first 12 bytes of HMAC-SHA-256(key of (tenant, field, month), the value's AnyValue message), in hex
 *
 * The root (`index.json`) lies on the gateway, which must compute indexes: whoever has it can test guesses, and
 * everybody sees how often a value comes in a month. So it is opt-in for each field; a month's end breaks the link.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { canonical, hkdf } from './derive.ts'
import { createFile, readDocument } from './files.ts'

interface IndexRoot {
  readonly format: 'douane-index-keys/1'
  readonly root: string
}

const indexBytes = 12

/** Reads the root when it is first needed, and makes it when there is none. Failures are `KeyError`. */
export class BlindIndex {
  readonly #keysFolder: string
  #root: Buffer | undefined
  readonly #keys = new Map<string, Buffer>()

  constructor(keysFolder: string) {
    this.#keysFolder = keysFolder
  }

  /** `value`: an AnyValue message. `atMs`: a moment in the month that is meant. */
  of(value: Uint8Array, tenant: string, field: string, atMs: number): string {
    const key = this.#key(tenant, field, new Date(atMs).toISOString().slice(0, 7))
    return createHmac('sha256', key).update(value).digest().toString('hex', 0, indexBytes)
  }

  /** The same for a search: throws `KeyError` where nothing was ever indexed. */
  find(value: Uint8Array, tenant: string, field: string, atMs: number): string {
    this.#root ??= indexRoot(this.#keysFolder, false)
    return this.of(value, tenant, field, atMs)
  }

  #key(tenant: string, field: string, month: string): Buffer {
    const name = JSON.stringify([tenant, field, month])
    let key = this.#keys.get(name)
    if (key === undefined) {
      this.#root ??= indexRoot(this.#keysFolder, true)
      key = hkdf(this.#root, Buffer.alloc(0), canonical('douane.blind-index.1', tenant, field, month))
      if (this.#keys.size >= limits.blindKeysCachedMax) this.#keys.delete(this.#keys.keys().next().value!)
      this.#keys.set(name, key)
    }
    return key
  }
}

function indexRoot(keysFolder: string, make: boolean): Buffer {
  const path = join(keysFolder, 'index.json')
  const fresh = { format: 'douane-index-keys/1', root: randomBytes(32).toString('base64url') }
  if (make) createFile(path, `${JSON.stringify(fresh)}\n`)
  const document = readDocument<IndexRoot>(path, 'douane-index-keys/1')
  if (!document) throw new KeyError(`there is no ${path}: nothing was indexed here`, 'Name the folder with --data-dir.')
  const root = Buffer.from(document.root, 'base64url')
  if (root.length !== 32) throw new KeyError(`${path} is damaged`, 'Restore it from a backup.')
  return root
}
