/** What several verbs share: the options for config and data directory, the loader, how problems are told. */

import { createReadStream, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { builtIn } from '../../config/built_in.ts'
import type { GatewayConfig, ReadText } from '../../config/gateway_config.ts'
import { type LoadedConfig, loadConfig, loadConfigApart } from '../../config/load.ts'
import { ConfigRefused } from '../../config/problem.ts'
import { parseWhen } from '../../exporters/postgres/record_time.ts'
import { ConfigError } from '../errors.ts'
import { UnitError } from '../units.ts'

export const version: string = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).version

const collect = (value: string, before: string[] = []): string[] => [...before, value]

export function withConfig(command: Command): Command {
  return command.option('--config <file>', 'configuration file; repeat it to lay files over each other', collect)
}

export function withDataDir(command: Command): Command {
  // Absolute for every verb: a database's socket, for one, is found by an absolute path only.
  return command.addOption(
    new Option('--data-dir <folder>', 'where everything durable lives: queue, keys, embedded PostgreSQL')
      .env('DOUANE_DATA_DIR')
      .default(resolve('.douane'), '.douane')
      .argParser((given) => {
        // Empty would be the folder that one stands in, and a queue and keys among whatever is there.
        if (given === '') throw new InvalidArgumentError('It takes a folder.')
        return resolve(given)
      }),
  )
}

/** `--format` with its choices. Without `usual`, people at a terminal get a table and programs get JSON. */
export function withFormat(command: Command, choices: readonly string[], usual?: string): Command {
  const option = new Option('--format <format>', 'how it is printed').choices(choices)
  if (usual !== undefined) option.default(usual)
  else option.default(process.stdout.isTTY ? 'table' : 'json', 'table on a terminal, otherwise json')
  return command.addOption(option)
}

/** An option's whole number from 1 on; anything else is wrong usage. */
export const positiveInteger =
  (max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= 1 && value <= max) return value
    throw new InvalidArgumentError(
      `It takes a whole number from 1${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}.`,
    )
  }

/** An option's moment in Unix nanoseconds: a time, or how long ago. Anything else is wrong usage. */
export function moment(text: string): bigint {
  try {
    return parseWhen(text, Date.now())
  } catch (error) {
    if (error instanceof UnitError) throw new InvalidArgumentError(`It is ${error.message}.`)
    throw error
  }
}
export const momentMs = (text: string): number => Number(moment(text) / 1_000_000n)

/** Without --config: the quickstart of this package, wherever the command is run from. */
const configDefault = join(import.meta.dirname, '../../config/quickstart.yaml')

export const filesOf = (given: readonly string[] | undefined): readonly string[] => given ?? [configDefault]

export const load = (files: readonly string[]): LoadedConfig =>
  loadConfig(files, { env: process.env, registries: builtIn })

/** For a running gateway: a large policy is read in a thread of its own. `read`: what files hold; else from the disk. */
export const loadApart = (files: readonly string[], read?: ReadText): Promise<LoadedConfig> =>
  loadConfigApart(files, { env: process.env, registries: builtIn, ...(read && { read }) })

/** The configuration, or `ConfigRefused` with every problem. */
export function loadAccepted(files: readonly string[] | undefined): GatewayConfig {
  const loaded = load(filesOf(files))
  if (loaded.config === undefined) throw new ConfigRefused(loaded.problems)
  return loaded.config
}

/** A named file, or standard input without a name or with `-`. Throws `ConfigError` where it cannot be read. */
export function openInput(file: string | undefined): Readable {
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) process.stderr.write('Reading standard input: type or paste, and end with Ctrl-D.\n')
    return process.stdin
  }
  try {
    const fd = openSync(file, 'r')
    if (fstatSync(fd).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
    return createReadStream(file, { fd })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new ConfigError(`the file ${file} cannot be read (${code})`, [], 'Check its name and the right to read it.')
  }
}

/** A result into a file that the user named. Throws `ConfigError` where it cannot be written. */
export function writeNamed(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new ConfigError(
      `the file ${file} cannot be written (${code})`,
      [],
      'Check its folder and the right to write there.',
    )
  }
}

export async function readInput(file: string | undefined): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of openInput(file)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
