/**
 * A key service by its own command line: AWS KMS, Google Cloud KMS, Azure Key Vault, or whatever a company has.
 *
 * Two commands, each a program with arguments. It gets the bytes on stdin and answers with bytes on stdout; the context
 * that a blob is bound to is in DOUANE_KMS_CONTEXT, and the command must refuse to unwrap for another one (AWS calls it
 * an encryption context, Google additional authenticated data). So no cloud's SDK is part of this program.
 *
 * A command that ignores the context would open a blob for any use: what was wrapped is therefore preceded by a hash of
 * its context inside, which is checked here.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { KeyError } from '../../errors.ts'
import { canonical } from '../derive.ts'
import type { KmsProvider } from '../kms.ts'
import { runHelper } from './child.ts'
import { guarded } from './guarded.ts'

export interface CommandOptions {
  /** Program and arguments. */
  readonly wrap: readonly string[]
  readonly unwrap: readonly string[]
  readonly timeoutMs: number
}

const hashBytes = 32
const contextHash = (context: string): Buffer =>
  createHash('sha256').update(canonical('douane.kms-command.1', context)).digest()

export function commandProvider(name: string, options: CommandOptions): KmsProvider {
  return guarded(name, options.timeoutMs, {
    async wrap(blob, context, signal) {
      const input = Buffer.concat([contextHash(context), blob])
      try {
        return await run(name, options.wrap, input, context, signal)
      } finally {
        input.fill(0)
      }
    },
    async unwrap(wrapped, context, signal) {
      const output = await run(name, options.unwrap, wrapped, context, signal)
      if (output.length > hashBytes && timingSafeEqual(output.subarray(0, hashBytes), contextHash(context))) {
        return output.subarray(hashBytes)
      }
      output.fill(0)
      throw new KeyError(`the key provider ${name} did not wrap this, or not for this use`)
    },
  })
}

async function run(
  name: string,
  [program = '', ...args]: readonly string[],
  input: Uint8Array,
  context: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const env = { DOUANE_KMS_CONTEXT: context }
  const { code, output } = await runHelper({ program, args, env, input, signal, stderr: 'pass' })
  if (code === 0) return output
  output.fill(0)
  throw new KeyError(`the command of the key provider ${name} ended with ${code}`, 'What it says itself is on stderr.')
}
