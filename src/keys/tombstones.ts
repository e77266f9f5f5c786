/**
 * Who was erased: one signed receipt a line in `<keys>/subjects/erased.jsonl`, oldest first. `erase` writes it before it
 * touches a secret; a running gateway looks at the file each second, so that neither its caches nor late records bring
 * an erased person back. A later line that readmits a person lets new content be sealed with a new secret; what was
 * erased stays unreadable.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { LineFile, readPrivate } from './files.ts'
import { readRows, rowLookup, rowRef, rowState, wipeRows } from './subject_rows.ts'

export interface SubjectReceipt {
  readonly format: 'douane-subject-erased/1' | 'douane-subject-readmitted/1'
  readonly tenant: string
  /** The keyed hash of the person's id, in hex: says who only to whoever has the root of the lookup keys. */
  readonly lookup: string
  /** What records and tokens call this person; base64url. */
  readonly refs: readonly string[]
  readonly atMs: number
  readonly reason: string
  readonly signature?: string
}

const pathOf = (keysFolder: string): string => join(keysFolder, 'subjects', 'erased.jsonl')

/** Every receipt in a folder, oldest first. Throws `KeyError` for a line that is none: it may be the one that counts. */
export function readReceipts(keysFolder: string): SubjectReceipt[] {
  const path = pathOf(keysFolder)
  const lines = (readPrivate(path) ?? '').split('\n').slice(0, -1)
  return lines.map((line, index) => {
    try {
      const receipt = JSON.parse(line) as SubjectReceipt
      if (/^douane-subject-(erased|readmitted)\/1$/.test(receipt.format) && /^[0-9a-f]{32}$/.test(receipt.lookup)) {
        return receipt
      }
    } catch {
      // told below
    }
    throw new KeyError(`${path} is damaged in line ${index + 1}`, 'Restore it from a backup: it says who was erased.')
  })
}

/** On disk when it returns. */
export function keepReceipt(keysFolder: string, receipt: SubjectReceipt): void {
  const file = new LineFile(pathOf(keysFolder))
  try {
    file.append(JSON.stringify(receipt))
  } finally {
    file.close()
  }
}

/** Who is erased by these receipts, in order. */
export class Erased {
  /** Keyed hashes in hex, of people who may not have a secret. */
  readonly lookups: ReadonlySet<string>
  /** Base64url, of secrets that may not come back, not even from a backup after the person was readmitted. */
  readonly refs: ReadonlySet<string>

  constructor(receipts: readonly SubjectReceipt[] = []) {
    const lookups = new Set<string>()
    for (const { format, lookup } of receipts) {
      if (format === 'douane-subject-erased/1') lookups.add(lookup)
      else lookups.delete(lookup)
    }
    this.lookups = lookups
    this.refs = new Set(receipts.flatMap(({ format, refs }) => (format === 'douane-subject-erased/1' ? refs : [])))
  }

  /** Whether a row's secret must not be there. */
  has(row: Buffer): boolean {
    if (this.lookups.size === 0 && this.refs.size === 0) return false
    return this.lookups.has(rowLookup(row).toString('hex')) || this.refs.has(rowRef(row).toString('base64url'))
  }
}

/** Overwrites every secret of a file that must not be there. Gives how many there were. */
export function wipeErased(rowsFile: string, erased: Erased): number {
  if (erased.refs.size === 0 && erased.lookups.size === 0) return 0
  const found = []
  for (const { index, bytes } of readRows(rowsFile)) {
    if (rowState(bytes) === 'live' && erased.has(bytes)) found.push({ index, bytes: Buffer.from(bytes) })
  }
  wipeRows(rowsFile, found)
  return found.length
}

/** A gateway's view of the file, taken anew when the file changed. */
export class Tombstones {
  readonly #keysFolder: string
  #erased = new Erased()
  #stamp = ''

  constructor(keysFolder: string) {
    this.#keysFolder = keysFolder
  }

  has(lookup: Buffer): boolean {
    const { lookups } = this.#erased
    return lookups.size > 0 && lookups.has(lookup.toString('hex'))
  }

  get erased(): Erased {
    return this.#erased
  }

  /** Looks at the file; true when it changed since. Throws `KeyError` where it was there and is not, or is damaged. */
  refresh(): boolean {
    const stamp = this.#look()
    if (stamp === this.#stamp) return false
    if (stamp === '') {
      throw new KeyError(`${pathOf(this.#keysFolder)} is gone`, 'Restore it from a backup: it says who was erased.')
    }
    this.#erased = new Erased(readReceipts(this.#keysFolder))
    this.#stamp = stamp
    return true
  }

  #look(): string {
    const found = statSync(pathOf(this.#keysFolder), { throwIfNoEntry: false })
    return found === undefined ? '' : `${found.ino}/${found.size}/${found.mtimeMs}`
  }
}
