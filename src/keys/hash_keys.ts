/**
 * Keys of keyed hashes (`minimize` with `hash`): one per tenant, derived from a root key, so that equal values join
 * within a tenant and never across tenants.
 *
 *   hash.json   root keys, newest last; the newest is in use, older ones stay for looking values up
 *
 * A key's public id is 8 hex digits and differs by tenant and root. Rotation breaks joins between old and new hashes;
 * `all` gives every key of a tenant, so that a search over both is possible. The root keys live on the gateway, which
 * must compute hashes: whoever has them can test guesses. Hashes are pseudonyms, not encryption.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { HashKeys } from '../contract.ts'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { canonical, hkdf } from './derive.ts'
import { createFile, makeFolder, readDocument, replaceFile } from './files.ts'

export interface HashKey {
  /** 8 lower-case hex digits. */
  readonly id: string
  readonly key: Uint8Array
}

interface HashRoots {
  readonly format: 'douane-hash-keys/1'
  readonly roots: readonly { readonly key: string; readonly madeMs: number }[]
}

const pathOf = (keysFolder: string): string => join(keysFolder, 'hash.json')
const textOf = (document: HashRoots): string => `${JSON.stringify(document, null, 2)}\n`
const newRoot = (nowMs: number) => ({ key: randomBytes(32).toString('base64url'), madeMs: nowMs })

function readRoots(keysFolder: string): HashRoots | undefined {
  const document = readDocument<HashRoots>(pathOf(keysFolder), 'douane-hash-keys/1')
  if (!document) return undefined
  const isWhole =
    document.roots.length > 0 && document.roots.every(({ key }) => Buffer.from(key, 'base64url').length === 32)
  if (!isWhole) throw new KeyError(`${pathOf(keysFolder)} is damaged`, 'Restore it from a backup.')
  return document
}

/** A tenant's key from one root. */
export function hashKeyOf(root: Uint8Array, tenant: string): HashKey {
  const derive = (label: string, length: number) => hkdf(root, Buffer.alloc(0), canonical(label, tenant), length)
  return { id: derive('douane.hash-key-id.1', 4).toString('hex'), key: derive('douane.hash-key.1', 32) }
}

/** Hash keys from given roots, newest last. */
export class DerivedHashKeys implements HashKeys {
  readonly #roots: readonly Uint8Array[]
  readonly #current = new Map<string, HashKey>()

  constructor(roots: readonly Uint8Array[]) {
    if (roots.length === 0) throw new KeyError('there is no root of hash keys')
    this.#roots = roots
  }

  current(tenant: string): HashKey {
    let key = this.#current.get(tenant)
    if (!key) {
      key = hashKeyOf(this.#roots.at(-1)!, tenant)
      if (this.#current.size >= limits.hashKeysCachedMax) this.#current.delete(this.#current.keys().next().value!)
      this.#current.set(tenant, key)
    }
    return key
  }

  /** Every key of a tenant, the one in use first: for looking a value up after a rotation. */
  all(tenant: string): HashKey[] {
    return this.#roots.map((root) => hashKeyOf(root, tenant)).reverse()
  }
}

/** Opens the hash keys of a folder; makes a root at the first start. Throws `KeyError`. */
export function openHashKeys(options: { readonly dir: string; readonly nowMs: () => number }): DerivedHashKeys {
  makeFolder(options.dir)
  let document = readRoots(options.dir)
  if (!document) {
    createFile(pathOf(options.dir), textOf({ format: 'douane-hash-keys/1', roots: [newRoot(options.nowMs())] }))
    document = readRoots(options.dir)!
  }
  return new DerivedHashKeys(document.roots.map(({ key }) => Buffer.from(key, 'base64url')))
}

/** Adds a root, in use after the gateway's next start or reload. The oldest of too many is forgotten. */
export function rotateHashKeys(keysFolder: string, nowMs: number): void {
  const document = readRoots(keysFolder)
  if (!document) throw new KeyError('there are no hash keys here', 'Start the gateway once: it makes them.')
  const roots = [...document.roots, newRoot(nowMs)].slice(-limits.hashRootsMax)
  replaceFile(pathOf(keysFolder), textOf({ format: 'douane-hash-keys/1', roots }))
}
