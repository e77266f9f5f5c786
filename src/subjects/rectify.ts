/**
 * Rectification: a note that is stored beside a person's rows, and a mark on each of them that leads to it.
 *
 * The note is a row of its own, once for each purpose and promise of the rows that it is about: so whoever may read
 * those may read it, it is deleted with the last of them, backed up with them, and erased with the person. It is content:
 * where a purpose seals content, the note is sealed with the person's secret; where it drops content, there is none.
 * A second run of the same request adds what is missing and nothing twice.
 */
import type pg from 'pg'
import { groupRows, insertNote, markRectified, type RowGroup } from '../../exporters/postgres/people.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import type { Log } from '../contract.ts'
import { type OpenSealer, openSealer } from '../keys/sealer.ts'
import { limits } from '../limits.ts'
import { encodeValue } from '../otlp/value.ts'
import type { ContentRule } from '../policy.ts'
import type { RegionStore, Request } from './request.ts'

export interface Rectified {
  readonly store: string
  readonly region: string
  /** Rows that lead to the note now. */
  readonly marked: number
  readonly notes: number
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export async function rectify(request: Request, note: string, passphrase: string | undefined): Promise<Rectified[]> {
  const { asked, keysFolders, stores } = request
  const dir = keysFolders[0]!
  const sealer = await openSealer({ dir, nowMs: () => asked.nowMs, log: silent, passphrase, worker: limits.noteWorker })
  const done: Rectified[] = []
  try {
    for (const store of stores) {
      const rectified = await withStore(store, (client, schema) => one(client, schema, request, store, note, sealer))
      if (rectified.marked + rectified.notes > 0) await request.keep('open', 'rectified', { ...rectified })
      done.push(rectified)
    }
  } finally {
    sealer.close()
  }
  return done
}

async function one(
  client: pg.Client,
  schema: string,
  { asked, head, rows }: Request,
  store: RegionStore,
  note: string,
  sealer: OpenSealer,
): Promise<Rectified> {
  const groups = await groupRows(client, schema, rows)
  let notes = 0
  for (const { purpose, retention } of new Map(groups.map((group) => [keyOf(group), group])).values()) {
    const body = bodyOf(asked, purpose, retention, store, note, sealer)
    if (body === undefined) continue
    const { tenant } = asked.person
    const subject = body.ref ?? rows.refs[0]
    // Without a reference nobody could find the note again.
    if (subject === undefined) continue
    const place = { tenant, region: store.region, purpose, retention, subject }
    if (await insertNote(client, schema, place, { request: head.request, body: body.text, nowMs: asked.nowMs })) notes++
  }
  const marked = await markRectified(client, schema, rows, head.request)
  return { store: store.id, region: store.region, marked, notes }
}

const keyOf = ({ purpose, retention }: RowGroup): string => `${purpose}\0${retention}`

/** The note as this purpose may hold it; undefined: not at all. */
function bodyOf(
  { config, person }: Request['asked'],
  purpose: string,
  retention: string,
  { region }: RegionStore,
  note: string,
  sealer: OpenSealer,
): { text: string; ref?: string } | undefined {
  const rules = [...config.connectors.values()].flatMap(({ policy }): ContentRule[] => {
    const tenant = policy.tenants.get(person.tenant) ?? policy.default
    return [tenant.purposes.get(purpose)?.content ?? policy.purposes.get(purpose)?.content ?? 'drop']
  })
  if (rules.includes('drop')) return undefined
  if (!rules.includes('encrypt')) return { text: note }
  const subject = sealer.of(person.tenant, person.id)
  const value = encodeValue({ kind: 'string', value: note })
  const text = sealer.seal(value, { tenant: person.tenant, region, purpose, retention }, 'log.body', { subject })
  return { text, ref: subject.ref }
}
