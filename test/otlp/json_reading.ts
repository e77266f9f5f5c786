/** How the tests of OTLP/JSON read: text in, the oracle's request out. */
import { expect } from 'vitest'
import { JsonError } from '../../src/errors.ts'
import { jsonToWire } from '../../src/otlp/json.ts'
import { type AnyValue, decodeRequest, type LogRecord, type Request } from '../oracle/otlp.ts'

export const read = (text: string): Request => decodeRequest(jsonToWire(Buffer.from(text)))
export const inRecord = (member: string): string => `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${member}}]}]}]}`
export const record = (member: string): LogRecord =>
  read(inRecord(member)).resourceLogs![0]!.scopeLogs![0]!.logRecords![0]!
export const value = (json: string): AnyValue => record(`"body":${json}`).body!

/** The error's code and offset; fails where the text is taken. */
export function refused(text: string | Buffer): JsonError {
  try {
    jsonToWire(Buffer.from(text))
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError)
    return error as JsonError
  }
  throw new Error('was not refused')
}
