/**
 * The file of subject secrets: one row of 144 bytes for each person of a tenant, found by a keyed hash of its id.
 *
 *   <keys>/subjects.json          the root of the keys below; whoever has it can test guesses of ids
 *   <keys>/subjects/<worker>.rows only that worker of a gateway appends; `erase` overwrites rows in place, from any process
 *
 *    0  16 lookup   HKDF-Expand(tenant's lookup key, id), cut       76  48 the secret, ChaCha20-Poly1305 under the
 *   16  16 ref      random; what tokens and records show                   tenant's wrap key, bound to all before it
 *   32  32 commitment of the secret                                124   6 made, ms since the epoch
 *   64  12 nonce                                                   130   1 state: 1 live, 2 erased (64..124 are zero)
 *                                                                  132   8 the tenant's tag     140  4 CRC-32
 *
 * A secret alone opens nothing: a field key needs the epoch key too, which only the decrypt side can have later.
 * Failures are `KeyError`.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { closeSync, existsSync, fdatasyncSync, fstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { KeyError } from '../errors.ts'
import { canonical, hkdf } from './derive.ts'
import { createFile, fileError, readDocument } from './files.ts'
import type { SodiumHeap } from './sodium_heap.ts'

export const rowBytes = 144
export const lookupBytes = 16
export const refBytes = 16
const at = { ref: 16, commitment: 32, nonce: 64, sealed: 76, made: 124, state: 130, tag: 132, crc: 140 } as const
const tagBytes = 8
const secretBytes = 32
const rowsRead = 8192

export type RowState = 'live' | 'erased'
const stateByte: Record<RowState, number> = { live: 1, erased: 2 }

/** A row as it stands in the file: bytes that nobody has checked but for their sum. */
export interface SubjectRow {
  readonly index: number
  readonly bytes: Buffer
}

export const rowLookup = (row: Buffer): Buffer => row.subarray(0, lookupBytes)
export const rowRef = (row: Buffer): Buffer => row.subarray(at.ref, at.ref + refBytes)
export const rowTag = (row: Buffer): string => row.toString('latin1', at.tag, at.tag + tagBytes)
export const rowMadeMs = (row: Buffer): number => row.readUIntBE(at.made, 6)
export const rowState = (row: Buffer): RowState => (row[at.state] === stateByte.live ? 'live' : 'erased')

function isWhole(row: Buffer): boolean {
  return crc32(row.subarray(0, at.crc)) === row.readUInt32LE(at.crc)
}

/** The keys of a tenant's rows. */
export interface TenantKeys {
  readonly lookup: Buffer
  readonly wrap: Buffer
  /** 8 bytes by which rows of one tenant are counted. */
  readonly tag: Buffer
}

export function tenantKeys(root: Uint8Array, tenant: string): TenantKeys {
  const derive = (label: string): Buffer => hkdf(root, Buffer.alloc(0), canonical(label, tenant))
  return {
    lookup: derive('douane.subject-lookup.1'),
    wrap: derive('douane.subject-wrap.1'),
    tag: derive('douane.subject-tag.1').subarray(0, tagBytes),
  }
}

/** What a person's row is found by: HKDF-Expand with the id as its info (RFC 5869, 2.3: one block). */
export function lookupOf(keys: TenantKeys, id: string): Buffer {
  return createHmac('sha256', keys.lookup).update(id, 'utf8').update(firstBlock).digest().subarray(0, lookupBytes)
}
const firstBlock = Buffer.of(1)

const commitInfo = canonical('douane.subject-commit.1')
/** Fills `row`. `random`: 60 fresh bytes, of which ref, nonce and secret are taken; the caller zeroes them. */
export function sealRow(
  heap: SodiumHeap,
  keys: TenantKeys,
  lookup: Uint8Array,
  random: Buffer,
  madeMs: number,
  row: Buffer,
): void {
  row.set(lookup, 0)
  random.copy(row, at.ref, 0, refBytes)
  random.copy(row, at.nonce, refBytes, refBytes + 12)
  const secret = random.subarray(refBytes + 12, refBytes + 12 + secretBytes)
  row.set(heap.expand(secret, commitInfo), at.commitment)
  row.set(heap.seal(keys.wrap, nonceOf(row), boundOf(row), secret), at.sealed)
  row.writeUIntBE(madeMs, at.made, 6)
  row[at.state] = stateByte.live
  row[at.state + 1] = 0
  row.set(keys.tag, at.tag)
  row.writeUInt32LE(crc32(row.subarray(0, at.crc)), at.crc)
}
export const randomPerRow = refBytes + 12 + secretBytes

const nonceOf = (row: Buffer): Buffer => row.subarray(at.nonce, at.sealed)
const boundOf = (row: Buffer): Buffer => row.subarray(0, at.nonce)

/** The secret of a live row, checked against its commitment. Throws `KeyError`. */
export function openRow(heap: SodiumHeap, keys: TenantKeys, row: Buffer): Buffer {
  const secret = heap.open(keys.wrap, nonceOf(row), boundOf(row), row.subarray(at.sealed, at.made))
  const committed = secret && heap.expand(secret, commitInfo)
  if (secret && committed!.equals(row.subarray(at.commitment, at.nonce))) return secret
  throw new KeyError("a person's key row is damaged or belongs to another tenant", 'Restore subjects/ from a backup.')
}

interface SubjectRoot {
  readonly format: 'douane-subject-keys/1'
  readonly root: string
}
export const rowsPath = (keysFolder: string, worker: string): string => join(keysFolder, 'subjects', `${worker}.rows`)

/** The files of all workers that ever ran here. */
export function rowFiles(keysFolder: string): string[] {
  const folder = join(keysFolder, 'subjects')
  const names = existsSync(folder) ? readdirSync(folder) : []
  return names.filter((name) => name.endsWith('.rows')).map((name) => join(folder, name))
}

/** The root of a folder's subject keys; made when there is none and `make` is asked for. Throws `KeyError`. */
export function subjectRoot(keysFolder: string, make: boolean): Buffer | undefined {
  const path = join(keysFolder, 'subjects.json')
  let document = readDocument<SubjectRoot>(path, 'douane-subject-keys/1')
  if (!document && make) {
    const hasRows = rowFiles(keysFolder).length > 0
    // Another worker may have made both since: the root always comes first.
    document = readDocument<SubjectRoot>(path, 'douane-subject-keys/1')
    if (!document && hasRows) {
      throw new KeyError(`${path} is missing, and there are rows that need it`, 'Restore it from a backup.')
    }
    const root = randomBytes(32).toString('base64url')
    createFile(path, `${JSON.stringify({ format: 'douane-subject-keys/1', root })}\n`)
    document = readDocument<SubjectRoot>(path, 'douane-subject-keys/1')
  }
  if (!document) return undefined
  const root = Buffer.from(document.root, 'base64url')
  if (root.length !== 32) throw new KeyError(`${path} is damaged`, 'Restore it from a backup.')
  return root
}

/** Every whole row of a file, in order; the buffers are valid until the next one. Damaged ones are left out, told. */
export function* readRows(path: string, onDamaged: () => void = () => {}): Generator<SubjectRow> {
  if (!existsSync(path)) return
  const file = openSync(path, 'r')
  try {
    const chunk = Buffer.allocUnsafe(rowsRead * rowBytes)
    for (let first = 0; ; ) {
      const rows = Math.floor(readSync(file, chunk, 0, chunk.length, first * rowBytes) / rowBytes)
      for (let i = 0; i < rows; i++) {
        const bytes = chunk.subarray(i * rowBytes, (i + 1) * rowBytes)
        if (isWhole(bytes)) yield { index: first + i, bytes }
        else onDamaged()
      }
      if (rows === 0) return
      first += rows
    }
  } catch (error) {
    throw error instanceof KeyError ? error : fileError('read', path, error)
  } finally {
    closeSync(file)
  }
}

/** One row by its number; `undefined` when it is not whole. */
export function readRow(file: number, index: number): Buffer | undefined {
  const row = Buffer.allocUnsafe(rowBytes)
  return readSync(file, row, 0, rowBytes, index * rowBytes) === rowBytes && isWhole(row) ? row : undefined
}

/** Overwrites the secrets of rows for good; on disk when it returns. Copies that a disk or snapshot keeps are out of reach. */
export function wipeRows(path: string, rows: readonly SubjectRow[]): void {
  if (rows.length === 0) return
  try {
    const file = openSync(path, 'r+')
    try {
      for (const { index, bytes } of rows) {
        const wiped = Buffer.from(bytes)
        wiped.fill(0, at.commitment, at.made)
        wiped[at.state] = stateByte.erased
        wiped.writeUInt32LE(crc32(wiped.subarray(0, at.crc)), at.crc)
        writeSync(file, wiped, 0, rowBytes, index * rowBytes)
      }
      fdatasyncSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw fileError('erase in', path, error)
  }
}

/** Where rows with these 16 random or hashed bytes are. 12 bytes of memory a row at least, 24 at most. */
export class RowIndex {
  #tags = new Uint32Array(1024)
  /** Row number and 1; 0 is free. */
  #rows = new Uint32Array(1024)
  #used = 0

  /** The first row for which `fits` says yes. */
  find(key: Uint8Array, fits: (row: number) => boolean): number {
    const tag = hashed(key)
    const mask = this.#rows.length - 1
    for (let slot = tag & mask; this.#rows[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.#tags[slot] === tag && fits(this.#rows[slot]! - 1)) return this.#rows[slot]! - 1
    }
    return -1
  }

  add(key: Uint8Array, row: number): void {
    if (this.#used * 3 >= this.#rows.length * 2) this.#grow()
    this.#put(hashed(key), row + 1)
    this.#used++
  }

  #put(tag: number, row: number): void {
    const mask = this.#rows.length - 1
    let slot = tag & mask
    while (this.#rows[slot] !== 0) slot = (slot + 1) & mask
    this.#tags[slot] = tag
    this.#rows[slot] = row
  }

  /** A row's tag says its home too, so that no file has to be read again. */
  #grow(): void {
    const [tags, rows] = [this.#tags, this.#rows]
    this.#tags = new Uint32Array(tags.length * 2)
    this.#rows = new Uint32Array(rows.length * 2)
    for (let slot = 0; slot < rows.length; slot++) {
      if (rows[slot] !== 0) this.#put(tags[slot]!, rows[slot]!)
    }
  }
}

/** The first four of bytes that are random already. */
const hashed = (key: Uint8Array): number => (key[0]! | (key[1]! << 8) | (key[2]! << 16) | (key[3]! << 24)) >>> 0

/** Size of a file in whole rows. */
export const rowCount = (file: number): number => Math.floor(fstatSync(file).size / rowBytes)
