/**
 * People's secrets for the decrypt side, by the reference that tokens show. Whoever is erased by a receipt is
 * `destroyed`, also where his row is still there: a backup may have brought it back.
 */
import { closeSync, openSync } from 'node:fs'
import { KeyError } from '../errors.ts'
import { fileError } from './files.ts'
import { SodiumHeap, sodiumReady } from './sodium_heap.ts'
import {
  openRow,
  RowIndex,
  readRow,
  readRows,
  rowFiles,
  rowRef,
  rowState,
  subjectRoot,
  tenantKeys,
} from './subject_rows.ts'
import { Erased, readReceipts } from './tombstones.ts'

/** Secrets by ref, over the folders of several gateways: what the decrypt side needs besides epoch keys. */
export class SubjectSecrets {
  readonly #stores: readonly SecretStore[]

  /** Await `sodiumReady` first. */
  private constructor(stores: readonly SecretStore[]) {
    this.#stores = stores
  }

  static async open(keysFolders: readonly string[]): Promise<SubjectSecrets> {
    await sodiumReady
    return new SubjectSecrets(
      keysFolders.flatMap((folder) => rowFiles(folder).map((file) => new SecretStore(folder, file))),
    )
  }

  /** The caller zeroes it. `unknown`: no folder has such a row. Throws `KeyError` for a damaged one. */
  find(tenant: string, ref: Buffer): Buffer | 'unknown' | 'destroyed' {
    for (const store of this.#stores) {
      const found = store.find(tenant, ref)
      if (found !== 'unknown') return found
    }
    return 'unknown'
  }

  close(): void {
    for (const store of this.#stores) store.close()
  }
}

/** One file's rows, by ref. The index is made on first use. */
class SecretStore {
  readonly #path: string
  readonly #root: Buffer
  readonly #erased: Erased
  readonly #heap = new SodiumHeap()
  #index: RowIndex | undefined
  #file = -1

  constructor(keysFolder: string, path: string) {
    this.#path = path
    const root = subjectRoot(keysFolder, false)
    if (!root) throw new KeyError(`subjects.json is missing in ${keysFolder}`, 'Restore it from a backup.')
    this.#root = root
    this.#erased = new Erased(readReceipts(keysFolder))
  }

  find(tenant: string, ref: Buffer): Buffer | 'unknown' | 'destroyed' {
    const index = this.#index ?? this.#read()
    let row: Buffer | undefined
    index.find(ref, (number) => {
      const read = readRow(this.#file, number)
      if (!read || !rowRef(read).equals(ref)) return false
      row = read
      return true
    })
    if (!row) return this.#erased.refs.has(ref.toString('base64url')) ? 'destroyed' : 'unknown'
    if (rowState(row) === 'erased' || this.#erased.has(row)) return 'destroyed'
    return openRow(this.#heap, tenantKeys(this.#root, tenant), row)
  }

  #read(): RowIndex {
    const index = new RowIndex()
    try {
      this.#file = openSync(this.#path, 'r')
    } catch (error) {
      throw fileError('read', this.#path, error)
    }
    for (const { index: number, bytes } of readRows(this.#path)) index.add(rowRef(bytes), number)
    this.#index = index
    return index
  }

  close(): void {
    this.#root.fill(0)
    this.#heap.wipe()
    if (this.#file >= 0) closeSync(this.#file)
    this.#file = -1
  }
}
