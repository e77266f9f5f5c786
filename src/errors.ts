/**
 * Every error that Douane tells somebody: one code each, in one table.
 *
 * A message says what is wrong, where, and what to do. It never holds payload: codes, names from the config,
 * offsets, lengths and counts only. Exit codes are those of docs/cli.md.
 */
export const exitCodes = { done: 0, input: 1, usage: 2, dependency: 3, defect: 70 } as const

/** Code → what it means, for docs/errors.md. */
export const errorCodes = {
  config: 'The configuration is wrong. The message gives file, line, column and the fix.',
  wire: 'The bytes are not a valid ExportLogsServiceRequest.',
  json: 'The text is not valid OTLP/JSON.',
  dependency: 'Something outside this process cannot be reached or used: a port, a disk, a database.',
  key: 'A key cannot be had. Nothing leaves in the clear: the record waits, is rejected or loses the field.',
  queue: 'A destination cannot take more: its queue is full, or its disk fails.',
  defect: 'A defect of ours. Please report it with the code and the offset, without data.',
} as const
export type ErrorCode = keyof typeof errorCodes

/** An error with a code. `fix` says what to do about it. */
export class DouaneError extends Error {
  readonly code: ErrorCode
  readonly fix: string | undefined
  constructor(code: ErrorCode, message: string, fix?: string) {
    super(message)
    this.name = 'DouaneError'
    this.code = code
    this.fix = fix
  }
}

/** Wrong configuration. `path` is the option's path in the file, as keys: the loader turns it into line and column. */
export class ConfigError extends DouaneError {
  readonly path: readonly (string | number)[]
  constructor(message: string, path: readonly (string | number)[] = [], fix?: string) {
    super('config', message, fix)
    this.name = 'ConfigError'
    this.path = path
  }
}

/** A protobuf fault. `offset` counts bytes from the start of the request body. */
export class WireError extends DouaneError {
  readonly offset: number
  constructor(reason: string, offset: number) {
    super('wire', `${reason} at byte ${offset}`)
    this.name = 'WireError'
    this.offset = offset
  }
}

/** A fault in OTLP/JSON text. `offset` counts bytes from the start of the text. */
export class JsonError extends DouaneError {
  readonly offset: number
  constructor(reason: string, offset: number) {
    super('json', `${reason} at byte ${offset}`)
    this.name = 'JsonError'
    this.offset = offset
  }
}

/** A port, a disk, a database or another service cannot be had (exit code 3). */
export class DependencyError extends DouaneError {
  constructor(message: string, fix?: string) {
    super('dependency', message, fix)
    this.name = 'DependencyError'
  }
}

/** A key cannot be had, or does not fit. */
export class KeyError extends DouaneError {
  constructor(message: string, fix?: string) {
    super('key', message, fix)
    this.name = 'KeyError'
  }
}
