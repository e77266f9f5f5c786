/**
 * What every key service outside this process has in common: a bound on time, on sizes, and errors that say which
 * provider, what went wrong and what to do. A provider's own code below only speaks its protocol.
 */
import { KeyError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { KmsProvider } from '../kms.ts'

/** One provider's protocol. Rejects with `KeyError` for what it understands; `signal` ends what takes too long. */
export interface KmsProtocol {
  wrap(blob: Uint8Array, context: string, signal: AbortSignal): Promise<Uint8Array>
  unwrap(wrapped: Uint8Array, context: string, signal: AbortSignal): Promise<Buffer>
}

/** A provider out of its protocol. `name` is its id in the configuration, and stands beside what it wrapped. */
export function guarded(name: string, timeoutMs: number, protocol: KmsProtocol): KmsProvider {
  const checked = async (call: (signal: AbortSignal) => Promise<Uint8Array>, bytesMax: number): Promise<Buffer> => {
    const answer = await inTime(name, timeoutMs, call)
    if (answer.length === 0 || answer.length > bytesMax) {
      throw new KeyError(`the key provider ${name} answers with ${answer.length} bytes`, tryIt)
    }
    return Buffer.from(answer.buffer, answer.byteOffset, answer.length)
  }
  return {
    name,
    async wrap(blob, context) {
      refuseLarge(name, blob.length, limits.kmsBlobBytesMax)
      return checked((signal) => protocol.wrap(blob, context, signal), limits.kmsWrappedBytesMax)
    },
    async unwrap(wrapped, context) {
      refuseLarge(name, wrapped.length, limits.kmsWrappedBytesMax)
      return checked((signal) => protocol.unwrap(wrapped, context, signal), limits.kmsBlobBytesMax)
    },
  }
}

/** What helps where nothing more is known. */
export const tryIt = 'Try it: douane keys providers'

function refuseLarge(name: string, bytes: number, bytesMax: number): void {
  if (bytes <= bytesMax) return
  throw new KeyError(`${bytes} bytes are too many for the key provider ${name}: at most ${bytesMax}`)
}

/** A protocol that ignores its signal is left behind when the time is over. */
async function inTime<Answer>(
  name: string,
  timeoutMs: number,
  call: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  const late = new KeyError(`the key provider ${name} did not answer within ${timeoutMs} ms`, tryIt)
  const ending = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      ending.abort()
      reject(late)
    }, timeoutMs)
  })
  try {
    return await Promise.race([call(ending.signal), over])
  } catch (error) {
    if (ending.signal.aborted) throw late
    if (error instanceof KeyError) throw error
    throw new KeyError(`the key provider ${name} cannot be used (${codeOf(error)})`, tryIt)
  } finally {
    clearTimeout(timer)
  }
}

/** An error's code, its cause's, or its kind: never its message, which could quote what was sent. */
export function codeOf(error: unknown): string {
  const { code, cause, name } = (error ?? {}) as { code?: unknown; cause?: unknown; name?: unknown }
  if (typeof code === 'string') return code
  if (cause !== undefined) return codeOf(cause)
  return typeof name === 'string' ? name : 'unknown error'
}
