/**
 * The register of requests by people: what was asked, when, until when it must be answered, what became of it.
 *
 * A signed log of its own in the data directory (`receipts/subject-requests`): each step of a request is an entry, the
 * newest one says how it stands, and together they are its receipt. It names the tenant and a keyed hash of the
 * person's id, never the id: whoever has the root of the keys can look for one, and nobody else.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type AuditVerdict, type LogPlace, SignedLog, verifySignedLog } from '../keys/signed_log.ts'

export type RequestKind = 'find' | 'summary' | 'export' | 'rectify' | 'erase'
/** `open`: not finished, go on with `subject resume`. `held`: a legal hold keeps rows; nothing was destroyed. */
export type RequestStatus = 'open' | 'held' | 'done'

/** What stands in each entry of a request. */
export interface RequestHead {
  /** `r-` and 12 hex digits. */
  readonly request: string
  readonly kind: RequestKind
  readonly tenant: string
  /** The keyed hash of the person's id, in hex. */
  readonly subject: string
  readonly asked: string
  readonly due: string
  readonly who: string
  readonly reason: string
}

export interface RequestEntry extends RequestHead {
  readonly v: 1
  readonly at: string
  readonly status: RequestStatus
  /** What was done in this step: `keys destroyed`, `rows deleted` … */
  readonly step: string
  /** Stores and regions, numbers, references: what the step is worth as a receipt. */
  readonly details?: Readonly<Record<string, unknown>>
}

const placeOf = (dataDir: string): LogPlace => ({
  folder: join(dataDir, 'receipts'),
  name: 'subject-requests',
  origin: 'subject-requests',
})

export const newRequestId = (): string => `r-${randomBytes(6).toString('hex')}`

/** Resolves when the entry and a signed checkpoint over it are on disk. */
export async function keepStep(dataDir: string, entry: Omit<RequestEntry, 'v' | 'at'>, nowMs: number): Promise<void> {
  const log = await SignedLog.open(placeOf(dataDir))
  try {
    await log.append([{ v: 1, at: new Date(nowMs).toISOString(), ...entry }])
  } finally {
    await log.close()
  }
}

/** Every step of every request, oldest first. */
export async function readSteps(dataDir: string): Promise<RequestEntry[]> {
  if (!existsSync(join(placeOf(dataDir).folder, placeOf(dataDir).name))) return []
  const log = await SignedLog.open(placeOf(dataDir))
  try {
    const steps: RequestEntry[] = []
    for await (const line of log.entries()) steps.push(JSON.parse(line) as RequestEntry)
    return steps
  } finally {
    await log.close()
  }
}

/** The newest step of each request, in the order in which they were asked. */
export async function readRequests(dataDir: string): Promise<RequestEntry[]> {
  const newest = new Map<string, RequestEntry>()
  for (const step of await readSteps(dataDir)) newest.set(step.request, step)
  return [...newest.values()]
}

/** Whether all entries are what was signed. Throws `KeyError` where there are none. */
export const verifyRequests = (dataDir: string): Promise<AuditVerdict> => verifySignedLog(placeOf(dataDir))
