/**
 * Erasure: a person's secrets are destroyed, then his rows are deleted in every store. Each step is in the register, so
 * that a request that was cut short goes on where it stopped.
 *
 * The secrets go first: from then on nothing that was sealed for him can be opened, in no store, queue, dead letter or
 * backup, and nothing new is sealed for him. What is still under way arrives unreadable, and `sweep` deletes it.
 */

import { join } from 'node:path'
import { deletePerson, holdsOver, type PersonRows } from '../../exporters/postgres/people.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { eraseSubject } from '../keys/erasure.ts'
import type { Signer } from '../keys/signature.ts'
import { type RequestEntry, readRequests } from './register.ts'
import { type Asked, hashOf, type RegionStore, type Request } from './request.ts'
import { erasedNames } from './restored.ts'

export interface Erased {
  readonly store: string
  readonly region: string
  readonly records: number
}
export type Erasure =
  | { readonly is: 'held'; readonly holds: readonly { store: string; id: string; until: string }[] }
  | { readonly is: 'done'; readonly keys: number; readonly stores: readonly Erased[] }

/** An erasure of the same person that was begun and is not finished. */
export async function openErasure({ dataDir, person }: Asked): Promise<RequestEntry | undefined> {
  const subject = hashOf(join(dataDir, 'keys'), person)
  const requests = await readRequests(dataDir)
  return requests.find((one) => one.kind === 'erase' && one.status !== 'done' && one.subject === subject)
}

export async function erase(request: Request, signer: Signer): Promise<Erasure> {
  const { asked, keysFolders, head, stores, keep, rows } = request
  const holds: { store: string; id: string; until: string }[] = []
  for (const store of stores) {
    const over = await withStore(store, (client, schema) => holdsOver(client, schema, rows, asked.nowMs))
    holds.push(...over.map(({ id, until }) => ({ store: store.id, id, until: until.toISOString() })))
  }
  if (holds.length > 0) {
    await keep('held', 'a legal hold keeps rows', { holds })
    return { is: 'held', holds }
  }
  const receipts = await eraseSubject(asked.person, {
    dir: keysFolders[0]!,
    signer,
    keysFolders,
    reason: head.reason,
    nowMs: asked.nowMs,
    ...(asked.who !== undefined && { who: asked.who }),
  })
  const refs = [...new Set(receipts.flatMap((receipt) => receipt.refs))]
  const names = erasedNames(keysFolders[0]!, asked.person.tenant, rows.named)
  await keep('open', 'keys destroyed', { refs, receipts: receipts.map(({ signature }) => signature ?? ''), names })
  const done = await eraseRows(stores, { ...rows, refs }, keep, asked.nowMs)
  await keep('done', 'erased', { refs, records: done.reduce((sum, { records }) => sum + records, 0) })
  return { is: 'done', keys: refs.length, stores: done }
}

async function eraseRows(
  stores: readonly RegionStore[],
  person: PersonRows,
  keep: Request['keep'],
  nowMs: number,
): Promise<Erased[]> {
  const done: Erased[] = []
  for (const store of stores) {
    const records = await withStore(store, (client, schema) => deletePerson(client, schema, person, nowMs))
    const erased = { store: store.id, region: store.region, records }
    await keep('open', 'rows deleted', erased)
    done.push(erased)
  }
  return done
}
