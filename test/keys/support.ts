/** What the tests of keys share: a folder of its own, a clock that stands, a log that is kept. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Log, SealContext } from '../../src/contract.ts'
import { type DecryptCounts, type DecryptOptions, decryptStream, noCounts } from '../../src/keys/decrypt.ts'
import { openSealer, type SealerOptions } from '../../src/keys/sealer.ts'
import { type AnyValue, encodeValue } from '../../src/otlp/value.ts'

export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'douane-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface KeptLog extends Log {
  readonly lines: string[]
}
export function keptLog(): KeptLog {
  const lines: string[] = []
  const keep = (event: string, fields: object = {}) => void lines.push(`${event} ${JSON.stringify(fields)}`)
  return { lines, debug: keep, info: keep, warn: keep, error: keep }
}

/** Saturday noon, UTC. */
export const noonMs = Date.UTC(2026, 10, 21, 12)

export const acme: SealContext = { tenant: 'acme', region: 'eu-de', purpose: 'support', retention: '1mo' }
export const text = (value: string): Uint8Array => encodeValue({ kind: 'string', value })

/** A sealer over a clock that the test moves. */
export async function testSealer(dir: string, options: Partial<SealerOptions> = {}) {
  const clock = { ms: noonMs }
  const log = keptLog()
  const sealer = await openSealer({
    dir,
    nowMs: () => clock.ms,
    monotonicMs: () => clock.ms,
    log,
    scryptCost: 1024,
    ...options,
  })
  onTestFinished(() => sealer.close())
  return {
    sealer,
    clock,
    log,
    seal: (value: AnyValue, field = 'log.body', context = acme) => sealer.seal(encodeValue(value), context, field),
  }
}

/** Rows through the decrypt side, as objects. */
export async function decryptRows(
  dir: string,
  rows: readonly object[],
  options: Partial<DecryptOptions> = {},
): Promise<{ rows: Record<string, unknown>[]; counts: DecryptCounts; lines: string[] }> {
  const counts = noCounts()
  const lines: string[] = []
  const input = (async function* () {
    for (const row of rows) yield JSON.stringify(row)
  })()
  for await (const line of decryptStream(input, { dir, reason: 'ticket 4711', counts, ...options })) lines.push(line)
  return { rows: lines.map((line) => JSON.parse(line)), counts, lines }
}
