/**
 * Decompression with a bound: gzip, deflate, zstd → one pooled body.
 *
 * A bomb of 1 MiB holds 1 GiB. So output is counted as it comes and the work ends at the limit; and where the stream's
 * own trailer already says that it is too large, or memory runs out, the output is only counted and not kept: memory
 * stays flat, and the client still gets the right answer (too large, corrupt, or come back later).
 *
 * Small bodies are inflated in one call; a stream per request costs more than the work itself.
 */
import zlib from 'node:zlib'
import { Body } from './body.ts'
import type { BodyMemory, NoMemory } from './pool.ts'

export type Encoding = 'identity' | 'gzip' | 'deflate' | 'zstd'

/** Content-Encoding and grpc-encoding names, lower case → what they are. */
const encodings: Record<string, Encoding> = {
  '': 'identity',
  identity: 'identity',
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  zstd: 'zstd',
}
export const acceptedEncodings = 'gzip, deflate, zstd'

/** The coding of a header's value; undefined when it is not served. Names are case-insensitive. */
export function encodingOf(header: string | undefined): Encoding | undefined {
  if (header === undefined) return 'identity'
  const name = header.trim().toLowerCase()
  return Object.hasOwn(encodings, name) ? encodings[name] : undefined
}

export type Inflated = { is: 'body'; body: Body } | { is: 'corrupt' } | { is: 'too_large' } | { is: NoMemory }

/** Up to this many bytes, both sides, a body is inflated at once on this thread: about 0.2 ms at most. */
const atOnceBytesMax = 128 * 1024
const chunkBytes = 64 * 1024

/**
 * Inflates `compressed` (which stays the caller's) to at most `bytesMax` bytes; `done` is called once, with a body that
 * is then the caller's. Gives a function that stops the work.
 */
export function inflate(
  encoding: Exclude<Encoding, 'identity'>,
  compressed: Buffer,
  bytesMax: number,
  memory: BodyMemory,
  done: (result: Inflated) => void,
): () => void {
  const told = encoding === 'gzip' ? toldSize(compressed) : 0
  if (compressed.length === 0) {
    done({ is: 'corrupt' })
    return () => {}
  }
  if (encoding === 'gzip' && told <= Math.min(atOnceBytesMax, bytesMax) && compressed.length <= atOnceBytesMax) {
    const result = gunzipAtOnce(compressed, told, memory)
    if (result !== undefined) {
      done(result)
      return () => {}
    }
  }
  return inflateStream(encoding, compressed, told, bytesMax, memory, done)
}

/** gzip's last four bytes: the size of its last member modulo 2^32. Only a hint until the stream has been read. */
const toldSize = (compressed: Buffer): number =>
  compressed.length < 18 ? 0 : compressed.readUInt32LE(compressed.length - 4)

/** Undefined: the trailer did not tell the truth (several members, or a lie); the stream has to be read. */
function gunzipAtOnce(compressed: Buffer, told: number, memory: BodyMemory): Inflated | undefined {
  let bytes: Buffer
  try {
    bytes = zlib.gunzipSync(compressed, { chunkSize: Math.max(64, told + 1), maxOutputLength: Math.max(1, told) })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? undefined : { is: 'corrupt' }
  }
  const body = new Body(memory, bytes.length, bytes.length)
  const appended = body.append(bytes)
  return appended === 'kept' ? { is: 'body', body } : { is: appended }
}

function decompressor(encoding: Exclude<Encoding, 'identity'>, compressed: Buffer) {
  const options = { chunkSize: chunkBytes }
  if (encoding === 'gzip') return zlib.createGunzip(options)
  if (encoding === 'zstd') return zlib.createZstdDecompress(options)
  // "deflate" is the zlib format (RFC 9110 §8.4.1.2); some senders leave its two-byte header out.
  const zlibHeader = (compressed[0]! & 0x0f) === 8 && compressed.length > 1 && compressed.readUInt16BE(0) % 31 === 0
  return zlibHeader ? zlib.createInflate(options) : zlib.createInflateRaw(options)
}

function inflateStream(
  encoding: Exclude<Encoding, 'identity'>,
  compressed: Buffer,
  told: number,
  bytesMax: number,
  memory: BodyMemory,
  done: (result: Inflated) => void,
): () => void {
  const stream = decompressor(encoding, compressed)
  const body = new Body(memory, bytesMax, Math.min(told, bytesMax))
  let count = 0
  let none: NoMemory | undefined
  let keeping = told <= bytesMax
  let settled = false
  const settle = (result: Inflated): void => {
    if (settled) return
    settled = true
    if (result.is !== 'body') body.release()
    stream.destroy()
    done(result)
  }
  stream.on('data', (chunk: Buffer) => {
    count += chunk.length
    if (count > bytesMax) {
      settle({ is: 'too_large' })
      return
    }
    if (settled || !keeping) return
    const appended = body.append(chunk)
    if (appended === 'no_memory' || appended === 'no_share') {
      none = appended
      keeping = false
      body.release()
    }
  })
  stream.on('error', () => settle({ is: 'corrupt' }))
  stream.on('end', () => settle(keeping ? { is: 'body', body } : { is: none ?? 'too_large' }))
  stream.end(compressed)
  return () => {
    if (settled) return
    settled = true
    body.release()
    stream.destroy()
  }
}
