/**
 * `douane replay`: runs a capture through the chain offline, with the capture's own clock.
 *
 * In: JSON lines `{"received_unix_nano", "sender": {"key"}, "body", "headers", "received_monotonic_nano"}`.
 * Out: JSON lines `{"line", "destination", "body"}` in order; the account at the end on stderr.
 */
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { z } from 'zod'
import { DouaneError } from '../errors.ts'
import { buildOffline, type Offline } from '../offline.ts'
import type { Incoming } from '../pipeline/inbound.ts'
import { gatewayStatus } from '../status.ts'
import { loadAccepted, openInput, withConfig } from './common.ts'

const nanos = z.union([z.string().regex(/^\d{1,20}$/), z.int().min(0)]).transform((value) => BigInt(value))

const captureLine = z.object({
  received_unix_nano: nanos,
  received_monotonic_nano: nanos.optional(),
  sender: z.object({ key: z.string().optional() }).optional(),
  body: z.base64(),
  headers: z.record(z.string(), z.string()).optional(),
})
type CaptureLine = z.output<typeof captureLine>

export function replayCommand(program: Command): void {
  withConfig(
    program
      .command('replay <capture>')
      .description('run captured requests through the chain, offline and deterministically; prints what each leads to'),
  ).action(replay)
}

async function replay(capture: string, options: { config?: string[] }): Promise<void> {
  let line = 0
  let nowMs = 0
  const { generation, account } = buildOffline(
    loadAccepted(options.config),
    (destination, { body }) => {
      const copy = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64')
      write(`${JSON.stringify({ line, destination, body: copy })}\n`)
    },
    () => nowMs,
  )
  const source = createInterface({ input: openInput(capture), crlfDelay: Number.POSITIVE_INFINITY })
  for await (const text of source) {
    line++
    if (text.trim() === '') continue
    const incoming = incomingOf(parse(text, line))
    nowMs = Number(incoming.receivedUnixNano / 1_000_000n)
    for (const { inbound } of generation.inputs) {
      const { answer } = await inbound.accept(incoming)
      if (answer.is !== 'ok') process.stderr.write(`line ${line}: ${answer.is}: ${answer.message}\n`)
    }
    await drained()
  }
  printAccount({ generation, account })
}

function parse(text: string, line: number): CaptureLine {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new DouaneError('json', `line ${line} of the capture is not JSON`)
  }
  const parsed = captureLine.safeParse(value)
  if (parsed.success) return parsed.data
  const { path, message } = parsed.error.issues[0]!
  throw new DouaneError('json', `line ${line} of the capture, ${path.join('.') || 'top'}: ${message}`)
}

function incomingOf({ received_unix_nano, received_monotonic_nano, sender, body, headers }: CaptureLine): Incoming {
  const date = headers?.['date']
  const userAgent = headers?.['user-agent']
  return {
    body: Buffer.from(body, 'base64'),
    sender: sender?.key === undefined ? {} : { tenants: [sender.key] },
    headers: { ...(date !== undefined && { date }), ...(userAgent !== undefined && { userAgent }) },
    receivedUnixNano: received_unix_nano,
    receivedMonotonicNano: received_monotonic_nano ?? received_unix_nano,
  }
}

function printAccount({ generation, account }: Offline): void {
  const { total, tenants } = gatewayStatus(account, [], generation.policyVersion)
  process.stderr.write(`${JSON.stringify({ account: total, tenants })}\n`)
}

let full = false
function write(text: string): void {
  full = !process.stdout.write(text)
}
/** Waits while whoever reads our output is slower than we are. */
async function drained(): Promise<void> {
  if (full) await new Promise((resolve) => process.stdout.once('drain', resolve))
  full = false
}
