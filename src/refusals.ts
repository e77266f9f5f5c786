/** A configuration that is refused: every problem with its place in the file, whoever found it. */
import type { GatewayConfig } from '../config/gateway_config.ts'
import type { LoadedConfig } from '../config/load.ts'
import { ConfigRefused } from '../config/problem.ts'
import { ConfigError } from './errors.ts'

/** Throws `ConfigRefused` where there are problems. */
export function accepted(loaded: LoadedConfig): GatewayConfig {
  if (loaded.config === undefined) throw new ConfigRefused(loaded.problems)
  return loaded.config
}

/** Turns a component's `ConfigError` into a problem with file, line and column. */
export function located(loaded: LoadedConfig, error: unknown): unknown {
  return error instanceof ConfigError ? new ConfigRefused([loaded.problemOf(error, [])]) : error
}

export async function locating<Result>(loaded: LoadedConfig, work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw located(loaded, error)
  }
}
