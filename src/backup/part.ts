/**
 * One object of a backup: rows of one slice of one table, compressed and sealed.
 *
 *   0   8  "DOUANEB1"
 *   8   4  length of the header                    (all lengths are uint32, little endian)
 *  12      header, JSON: which backup, which part, to which key the part key is sealed, and the sealed part key
 *   then sections:
 *       4  length ‖ head  AES-256-GCM under the part key: JSON {rows, bytes, digest, about?, bound?}
 *       4  length ‖ rows  AES-256-GCM under the section's key: zstd of COPY's text
 *   and at last:
 *       4  length ‖ end   AES-256-GCM under the part key: JSON {sections, rows}
 *
 * Section key = HKDF(salt = part key, ikm = the subject's secret or nothing, info = section number). So rows about one
 * person need that person's secret too: where it was destroyed, no backup gives them back, whoever holds its key.
 * Each piece is bound to the backup, the part, its place and its kind: pieces cannot be moved, left out or repeated,
 * and a part that was cut off lacks its end. A part is built in memory and stored whole; it is bounded by
 * `backupPartBytesMax` and the size of one section.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import { RowDigest, type RowSubject } from '../../exporters/postgres/dump.ts'
import { KeyError } from '../errors.ts'
import { canonical, hkdf } from '../keys/derive.ts'
import { limits } from '../limits.ts'

const magic = Buffer.from('DOUANEB1')
const tagBytes = 16
const compressApart = promisify(zstdCompress)
const decompressApart = promisify(zstdDecompress)
/** A thread costs more than a small text does. */
const isSmall = (bytes: number): boolean => bytes <= limits.backupAtOnceBytesMax
const compress = (text: Buffer) => (isSmall(text.length) ? zstdCompressSync(text) : compressApart(text))
const decompress = (packed: Buffer, maxOutputLength: number) =>
  isSmall(maxOutputLength)
    ? zstdDecompressSync(packed, { maxOutputLength })
    : decompressApart(packed, { maxOutputLength })

/** Where a part belongs, and who can open it. */
export interface PartHead {
  readonly backup: string
  readonly part: string
  /** The recipient key's id and period; `root` for a key that is given in the configuration. */
  readonly recipient: string
  readonly period: string
  /** The part key, sealed to it: base64url. */
  readonly sealed: string
}

/** A person's secret. `unknown`: he has none here. `destroyed`: nobody may read anything about him any more. */
export type SecretOf = (about: RowSubject) => Buffer | 'unknown' | 'destroyed'

interface SectionHead {
  readonly rows: number
  /** Of the text. */
  readonly bytes: number
  readonly digest: string
  readonly about?: RowSubject
  /** The subject's secret is needed. */
  readonly bound?: true
}

type Kind = 'head' | 'rows' | 'end'

class Frames {
  readonly #head: Pick<PartHead, 'backup' | 'part'>
  readonly #partKey: Buffer
  readonly #partObject: KeyObject
  #count = 0

  constructor(head: Pick<PartHead, 'backup' | 'part'>, partKey: Buffer) {
    this.#head = head
    this.#partKey = Buffer.from(partKey)
    this.#partObject = createSecretKey(partKey)
  }

  /** The next piece's key, nonce and context. */
  #next(kind: Kind, secret: Buffer | undefined): { key: KeyObject; nonce: Buffer; aad: Buffer } {
    const number = this.#count++
    const nonce = Buffer.alloc(12)
    nonce.writeUInt32BE(number, 8)
    const aad = canonical('douane.backup.1', this.#head.backup, this.#head.part, kind, String(number))
    if (kind !== 'rows') return { key: this.#partObject, nonce, aad }
    const bytes = hkdf(secret ?? Buffer.alloc(0), this.#partKey, canonical('douane.backup.section.1', String(number)))
    const key = createSecretKey(bytes)
    bytes.fill(0)
    return { key, nonce, aad }
  }

  seal(kind: Kind, plain: Uint8Array, secret?: Buffer): Buffer[] {
    const { key, nonce, aad } = this.#next(kind, secret)
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(aad)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(plain.length + tagBytes)
    return [length, cipher.update(plain), cipher.final(), cipher.getAuthTag()]
  }

  /** Undefined: it is not what was sealed at this place. */
  open(kind: Kind, sealed: Buffer, secret?: Buffer): Buffer | undefined {
    const { key, nonce, aad } = this.#next(kind, secret)
    if (sealed.length < tagBytes) return undefined
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(aad)
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - tagBytes)), decipher.final()])
    } catch {
      return undefined
    }
  }

  /** A piece whose key is gone is passed over. */
  skip(): void {
    this.#count++
  }

  close(): void {
    this.#partKey.fill(0)
  }
}

/** Builds one part. `wrap` seals the part key. */
export class PartWriter {
  readonly digest = new RowDigest()
  readonly #frames: Frames
  readonly #pieces: Buffer[]
  #bytes = 0
  #sections = 0

  constructor(head: Omit<PartHead, 'sealed'>, wrap: (key: Buffer) => Uint8Array) {
    const partKey = randomBytes(32)
    const sealed = Buffer.from(wrap(partKey)).toString('base64url')
    const header = Buffer.from(JSON.stringify({ ...head, sealed } satisfies PartHead))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(header.length)
    this.#frames = new Frames(head, partKey)
    partKey.fill(0)
    this.#pieces = [magic, length, header]
    this.#bytes = magic.length + 4 + header.length
  }

  /** The next rows are to go into another part. */
  get isFull(): boolean {
    return this.#bytes >= limits.backupPartBytesMax
  }

  /** Rows of one subject, or of none; `text` is theirs and `digest` was made of them. */
  async add(text: Buffer, digest: RowDigest, about?: RowSubject, secret?: Buffer): Promise<void> {
    const head: SectionHead = {
      rows: digest.rows,
      bytes: text.length,
      digest: digest.toString(),
      ...(about && { about }),
      ...(secret && { bound: true as const }),
    }
    this.#push(this.#frames.seal('head', Buffer.from(JSON.stringify(head))))
    this.#push(this.#frames.seal('rows', await compress(text), secret))
    this.digest.join(head.digest, head.rows)
    this.#sections++
  }

  #push(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      this.#pieces.push(piece)
      this.#bytes += piece.length
    }
  }

  end(): Buffer {
    this.#push(
      this.#frames.seal('end', Buffer.from(JSON.stringify({ sections: this.#sections, rows: this.digest.rows }))),
    )
    this.#frames.close()
    return Buffer.concat(this.#pieces)
  }
}

/** Rows that were opened. */
export interface OpenedRows {
  readonly text: Buffer
  readonly rows: number
}
/** What became of a part's rows. */
export interface PartTally {
  readonly digest: RowDigest
  /** Rows whose subject was erased: nobody can read them. */
  erased: number
}

const damaged = (part: string, what: string): KeyError =>
  new KeyError(
    `part ${part} of the backup ${what}: it was changed or damaged`,
    'Use another backup; `douane backup verify` tells which ones are whole.',
  )

/** The header of a part, as it stands there: nothing of it is proven until a piece opens. */
export function readHead(bytes: Buffer, part: string): { head: PartHead; start: number } {
  try {
    if (!bytes.subarray(0, magic.length).equals(magic)) throw new Error('another format')
    const start = magic.length + 4 + bytes.readUInt32LE(magic.length)
    const head = JSON.parse(bytes.toString('utf8', magic.length + 4, start)) as PartHead
    if (head.part !== part) throw new Error('another part')
    return { head, start }
  } catch {
    throw damaged(part, 'has no header')
  }
}

/** The sections of a part whose key was opened. Throws `KeyError` for whatever is not as it was written. */
export async function* readPart(
  bytes: Buffer,
  backup: string,
  part: string,
  partKey: Buffer,
  secretOf: SecretOf,
  tally: PartTally,
): AsyncGenerator<OpenedRows, void, void> {
  const { start } = readHead(bytes, part)
  const frames = new Frames({ backup, part }, partKey)
  let at = start
  const next = (): Buffer => {
    const size = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY
    if (at + 4 + size > bytes.length) throw damaged(part, 'is cut off')
    const piece = bytes.subarray(at + 4, at + 4 + size)
    at += 4 + size
    return piece
  }
  try {
    let [sections, rows] = [0, 0]
    for (;;) {
      const piece = next()
      if (at === bytes.length) {
        const end = frames.open('end', piece)
        if (!end) throw damaged(part, 'is cut off')
        const stated = JSON.parse(end.toString()) as { sections: number; rows: number }
        if (stated.sections !== sections || stated.rows !== rows) throw damaged(part, 'lacks rows')
        return
      }
      const opened = frames.open('head', piece)
      if (!opened) throw damaged(part, 'does not open')
      const head = JSON.parse(opened.toString()) as SectionHead
      const sealed = next()
      sections++
      rows += head.rows
      const secret = head.about ? secretOf(head.about) : 'unknown'
      if (secret === 'destroyed' || (head.bound && secret === 'unknown')) {
        frames.skip()
        tally.erased += head.rows
        continue
      }
      const packed = frames.open('rows', sealed, head.bound && secret !== 'unknown' ? secret : undefined)
      if (!packed) throw damaged(part, 'does not open')
      tally.digest.join(head.digest, head.rows)
      yield { text: await decompress(packed, head.bytes), rows: head.rows }
    }
  } finally {
    frames.close()
  }
}
