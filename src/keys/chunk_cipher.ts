/**
 * The keys of files at rest: queues, dead letters, quarantine.
 *
 * Each file gets a key of its own, so that a nonce can be a plain counter within it and is never used twice:
 *     file key = HKDF-SHA-256(master key, salt = 32 random bytes, info = "douane file v1")
 * What the file stores to find its key again (`wrapped`) is the master key's id and the salt. An implementation that
 * asks a key service instead stores whatever that service wraps.
 *
 * The key file (`chunks.key`, 0600) is made at the first start, and durable before it is used:
 *     0  8  "DOUANEK1"      8  8  key id      16  32  key      48  4  CRC-32 of the bytes before
 * Without it the queues cannot be read: it belongs in the backup of the data directory, and nowhere else.
 */
import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { chmod, link, open, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { DependencyError, KeyError } from '../errors.ts'
import { makeFolders } from '../folders.ts'

/** Finds keys for files. Synchronous: keys that need I/O are fetched before. */
export interface ChunkCipher {
  /** A fresh AES-256 key for a new file, and what the file must store (at most 255 bytes) to find it again. */
  fresh(): { readonly key: KeyObject; readonly wrapped: Uint8Array }
  /** The key of an existing file. Throws `KeyError` when it cannot be had. */
  find(wrapped: Uint8Array): KeyObject
}

const magic = Buffer.from('DOUANEK1')
export const idBytes = 8
const keyBytes = 32
const saltBytes = 32
const fileBytes = magic.length + idBytes + keyBytes + 4
const info = Buffer.from('douane file v1')

export const chunkKeyFile = (dir: string): string => join(dir, 'chunks.key')

/** The key in the key file of `dir`; `make`: makes it when missing. Throws `KeyError`, `DependencyError`. */
export async function openKeyFile(
  dir: string,
  make: boolean,
): Promise<{ readonly id: Buffer; readonly key: Buffer; readonly madeMs: number } | undefined> {
  const path = chunkKeyFile(dir)
  const bytes = (await readKeyFile(path)) ?? (make ? await makeKeyFile(dir, path) : undefined)
  if (bytes === undefined) return undefined
  if (
    bytes.length !== fileBytes ||
    !bytes.subarray(0, magic.length).equals(magic) ||
    crc32(bytes.subarray(0, fileBytes - 4)) !== bytes.readUInt32LE(fileBytes - 4)
  ) {
    throw new KeyError(
      `${path} is damaged`,
      'Restore it from a backup. If there is none, the queued records cannot be read: move it and the queue folder away, then start again.',
    )
  }
  const id = bytes.subarray(magic.length, magic.length + idBytes)
  const key = bytes.subarray(magic.length + idBytes, fileBytes - 4)
  return { id, key, madeMs: (await stat(path)).mtimeMs }
}

/** The cipher of the key file alone, which is made when missing. */
export async function openChunkCipher(dir: string): Promise<ChunkCipher> {
  const { id, key } = (await openKeyFile(dir, true))!
  return cipherOf(id, key)
}

/** A cipher with a given master key of 32 bytes. */
export function cipherOf(id: Uint8Array, masterKey: Uint8Array): ChunkCipher {
  const derive = (salt: Uint8Array) => createSecretKey(Buffer.from(hkdfSync('sha256', masterKey, salt, info, keyBytes)))
  return {
    fresh() {
      const salt = randomBytes(saltBytes)
      return { key: derive(salt), wrapped: Buffer.concat([id, salt]) }
    },
    find(wrapped) {
      if (wrapped.length !== idBytes + saltBytes || Buffer.compare(wrapped.subarray(0, idBytes), id) !== 0) {
        throw new KeyError(
          'a file of the queue was written with another key than the one in the key file',
          'Restore the key file that belongs to this data directory, or move the queue folder away.',
        )
      }
      return derive(wrapped.subarray(idBytes))
    },
  }
}

async function readKeyFile(path: string): Promise<Buffer | undefined> {
  try {
    const bytes = await readFile(path)
    // Only its owner may read it, whatever a restore or a volume's mount made of its mode.
    await chmod(path, 0o600)
    return bytes
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return undefined
    throw new DependencyError(`the key file ${path} cannot be read (${code})`, 'Check its owner and the disk.')
  }
}

/** Written aside, made durable, then linked under its name: a crash leaves either no key file or a whole one. */
async function makeKeyFile(dir: string, path: string): Promise<Buffer> {
  const body = Buffer.concat([magic, randomBytes(idBytes), randomBytes(keyBytes)])
  const sum = Buffer.alloc(4)
  sum.writeUInt32LE(crc32(body))
  const bytes = Buffer.concat([body, sum])
  const aside = `${path}.new`
  try {
    makeFolders(dir)
    const file = await open(aside, 'w', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(aside, path)
    await unlink(aside)
    const folder = await open(dir, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') return (await readKeyFile(path)) ?? bytes
    throw new DependencyError(`the key file ${path} cannot be written (${code})`, 'Check free space and permissions.')
  }
  return bytes
}
