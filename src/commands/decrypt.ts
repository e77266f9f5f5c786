/** `douane decrypt`: opens sealed values in rows that `query` printed; writes who read what, and why, first. */
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { decryptStream, noCounts } from '../keys/decrypt.ts'
import { openInput, withConfig, withDataDir } from './common.ts'
import { collectKeysFolder, keyOptions, keysDirOf } from './key_place.ts'

interface DecryptOptions {
  readonly dataDir: string
  readonly reason: string
  readonly who?: string
  readonly gatewayKeys?: readonly string[]
}

export function decryptCommand(program: Command): void {
  const command = program
    .command('decrypt [file]')
    .description('open sealed values (cose:…) in the JSON lines that `query` prints; every value read is logged first')
    .requiredOption('--reason <text>', 'why you read this; it is written to the access log')
    .option('--who <name>', 'who reads, where the system user is not the person; the system user is logged too')
    .option(
      '--gateway-keys <folder>',
      "a gateway's keys folder whose key store is read too; may be repeated",
      collectKeysFolder,
    )
  withDataDir(withConfig(command)).action(decrypt)
}

async function decrypt(file: string | undefined, options: DecryptOptions): Promise<void> {
  // Before there is a reader of lines: it drops those that come while nobody listens.
  const keys = await keyOptions(options)
  const input = openInput(file)
  const counts = noCounts()
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  const opened = decryptStream(lines, {
    ...keys,
    dir: keysDirOf(options),
    reason: options.reason,
    gateways: options.gatewayKeys ?? [],
    ...(options.who !== undefined && { who: options.who }),
    counts,
  })
  for await (const line of opened) {
    if (!process.stdout.write(`${line}\n`)) await new Promise((resolve) => process.stdout.once('drain', resolve))
  }
  const closed = counts.refused + counts.unknown + counts.destroyed + counts.damaged
  if (closed === 0) return
  const { refused, unknown, destroyed, damaged } = counts
  process.stderr.write(
    `${closed} values stay sealed: ${refused} not ours or moved, ${unknown} without a key here, ` +
      `${destroyed} whose key was destroyed, ${damaged} damaged\n`,
  )
}
