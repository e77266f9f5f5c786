/** The lines of a file or stream: plain, gzip or zstd, told by the first bytes; UTF-8, with or without `\r`. */
import { finished, Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { ConfigError } from '../errors.ts'
import { limits } from '../limits.ts'

/** Lines without their ends. A line longer than the detectors look at is handed over as it is: it is told as unscanned. */
export async function* readLines(source: Readable, onBytes: (bytes: number) => void): AsyncGenerator<string> {
  let isFirst = true
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of source as AsyncIterable<Buffer | string>) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    if (isFirst) {
      const inflate = inflaterFor(bytes)
      if (inflate !== undefined) {
        yield* readLines(inflated(bytes, source, inflate, onBytes), () => {})
        return
      }
      isFirst = false
    }
    onBytes(bytes.length)
    const text = rest + decoder.decode(bytes, { stream: true })
    let from = 0
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      yield text.charCodeAt(at - 1) === 13 && at > from ? text.slice(from, at - 1) : text.slice(from, at)
      from = at + 1
    }
    rest = text.slice(from)
    if (rest.length > limits.bodyBytesMax) throw new ConfigError('a line is too long', [], 'Split the file into lines.')
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}

type Inflater = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>

function inflaterFor(first: Buffer): Inflater | undefined {
  if (first[0] === 0x1f && first[1] === 0x8b) return createGunzip()
  return first.length > 3 && first.readUInt32LE(0) === 0xfd2fb528 ? createZstdDecompress() : undefined
}

/** The same stream with its first chunk put back, inflated. */
function inflated(first: Buffer, source: Readable, inflater: Inflater, onBytes: (bytes: number) => void): Readable {
  async function* whole(): AsyncGenerator<Buffer> {
    onBytes(first.length)
    yield first
    for await (const chunk of { [Symbol.asyncIterator]: () => source.iterator({ destroyOnReturn: false }) }) {
      onBytes((chunk as Buffer).length)
      yield chunk as Buffer
    }
  }
  const raw = Readable.from(whole())
  finished(raw, (error) => {
    if (error) inflater.destroy(error)
  })
  return raw.pipe(inflater)
}
