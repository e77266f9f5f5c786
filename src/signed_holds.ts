/**
 * Legal holds as they were made and ended, in a signed log of the data directory (`receipts/holds`): who changes one in
 * the database is found out.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type LogPlace, SignedLog, verifySignedLog } from './keys/signed_log.ts'

/** A hold as a store tells it. Times are ISO texts. */
export interface ShownHold {
  readonly id: string
  readonly tenant: string | null
  readonly purpose: string | null
  readonly subject: string | null
  readonly reason: string
  readonly made_by: string | null
  readonly until: string
  readonly ended: string | null
  readonly ended_by: string | null
}
interface Entry extends ShownHold {
  readonly v: 1
  readonly at: string
  readonly store: string
  readonly action: 'made' | 'ended'
}

const placeOf = (dataDir: string): LogPlace => ({
  folder: join(dataDir, 'receipts'),
  name: 'holds',
  origin: 'legal holds',
})

/** Resolves when it is signed and on disk. */
export async function signHold(
  dataDir: string,
  store: string,
  action: Entry['action'],
  hold: ShownHold,
): Promise<void> {
  const log = await SignedLog.open(placeOf(dataDir))
  try {
    const entry: Entry = { v: 1, at: new Date().toISOString(), store, action, ...hold }
    await log.append([entry])
  } finally {
    await log.close()
  }
}

/** What is wrong with a store's holds, by what was signed here; in words, none if nothing is. */
export async function holdProblems(dataDir: string, store: string, holds: readonly ShownHold[]): Promise<string[]> {
  const { entries, problems } = await readEntries(dataDir)
  const last = new Map<string, Entry>()
  for (const entry of entries) if (entry.store === store) last.set(entry.id, entry)
  for (const hold of holds) {
    const signed = last.get(hold.id)
    last.delete(hold.id)
    if (!signed) problems.push(`${store}: hold ${hold.id} was not made here`)
    else if (factsOf(signed) !== factsOf(hold)) problems.push(`${store}: hold ${hold.id} is not what was signed`)
  }
  for (const id of last.keys()) problems.push(`${store}: hold ${id} is gone`)
  return problems
}

const factsOf = ({ tenant, purpose, subject, reason, made_by, until, ended, ended_by }: ShownHold): string =>
  JSON.stringify([tenant, purpose, subject, reason, made_by, until, ended, ended_by])

async function readEntries(dataDir: string): Promise<{ entries: Entry[]; problems: string[] }> {
  const place = placeOf(dataDir)
  if (!existsSync(join(place.folder, place.name))) return { entries: [], problems: [] }
  const { problems } = await verifySignedLog(place)
  const log = await SignedLog.open(place)
  try {
    const entries: Entry[] = []
    for await (const text of log.entries()) entries.push(JSON.parse(text) as Entry)
    return { entries, problems: [...problems] }
  } finally {
    await log.close()
  }
}
