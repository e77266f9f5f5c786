/**
 * One person's request, from the question to the rows: which references gateways gave him, which stores may hold rows
 * about him, who asks and why. Everything here is written down before anything is shown.
 */

import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import type { SubjectOptions } from '../../config/subject_options.ts'
import { subjectOptions } from '../../config/subject_options.ts'
import type { StoreOptions } from '../../exporters/postgres/options.ts'
import type { PersonRows } from '../../exporters/postgres/people.ts'
import type { StorePlace } from '../../exporters/postgres/session.ts'
import { ConfigError } from '../errors.ts'
import { type AccessEntry, AccessLog } from '../keys/audit.ts'
import { checkedReason, currentUser } from '../keys/decrypt.ts'
import { type FoundSubject, findSubject, type Person } from '../keys/erasure.ts'
import { lookupOf, subjectRoot, tenantKeys } from '../keys/subject_rows.ts'
import { parseRetention, retentionEndMs } from '../units.ts'
import { namedBy } from './named.ts'
import { keepStep, newRequestId, type RequestEntry, type RequestHead, type RequestKind } from './register.ts'

export interface RegionStore extends StorePlace {
  readonly id: string
  readonly region: string
}

export interface Asked {
  readonly config: GatewayConfig
  readonly dataDir: string
  readonly person: Person
  /** Keys folders of gateways, besides the data directory's. */
  readonly gatewayKeys: readonly string[]
  /** Attributes that may name him, besides those that `encrypt` is told of. */
  readonly attributes: readonly string[]
  /** Only stores in these; undefined: all. */
  readonly regions: readonly string[] | undefined
  readonly reason: string
  readonly who: string | undefined
  readonly nowMs: number
}

/** Stores of all regions that are asked for. Throws `ConfigError` for a region without one. */
export function storesIn({ config, dataDir, regions }: Pick<Asked, 'config' | 'dataDir' | 'regions'>): RegionStore[] {
  const stores = [...config.exporters.values()].flatMap(({ component, id, region = '', options }) =>
    component.name === 'postgres'
      ? [{ id, region, options: options as StoreOptions, folder: join(dataDir, 'postgres') }]
      : [],
  )
  const known = [...new Set(stores.map(({ region }) => region))]
  for (const region of regions ?? []) {
    if (known.includes(region)) continue
    throw new ConfigError(`no PostgreSQL store lies in region ${region}`, [], `There are: ${known.join(', ')}.`)
  }
  return stores.filter(({ region }) => regions?.includes(region) ?? true)
}

export const optionsOf = (config: GatewayConfig): { options: SubjectOptions; resolve: (path: string) => string } => {
  const section = [...config.extensions.values()].find(({ name }) => name === 'subject_requests')
  return {
    options: (section?.options as SubjectOptions | undefined) ?? subjectOptions.parse({}),
    resolve: (path) => section?.resolve(path) ?? path,
  }
}

/** A request that was written down, and whom it is about. */
export interface Request {
  readonly asked: Asked
  readonly head: RequestHead
  readonly keysFolders: readonly string[]
  readonly found: readonly FoundSubject[]
  readonly rows: PersonRows
  readonly stores: readonly RegionStore[]
  /** Another step. */
  keep(status: RequestEntry['status'], step: string, details?: RequestEntry['details']): Promise<void>
}

/** The keyed hash by which the register knows a person; a keys folder that has met nobody yet gets its root now. */
export const hashOf = (keysDir: string, { tenant, id }: Person): string =>
  lookupOf(tenantKeys(subjectRoot(keysDir, true)!, tenant), id).toString('hex')

/**
 * Writes the request into the access audit and the register, and looks the person up. `again` takes up one that is
 * open. Rejects with `KeyError` where either cannot be written: then nothing is shown.
 */
export async function begin(asked: Asked, kind: RequestKind, again?: RequestEntry): Promise<Request> {
  const { config, dataDir, person, nowMs } = asked
  const keysDir = join(dataDir, 'keys')
  const reason = checkedReason(asked.reason)
  const who = currentUser(asked.who)
  const stores = storesIn(asked)
  const keysFolders = [...new Set([keysDir, ...asked.gatewayKeys])]
  const subject = hashOf(keysDir, person)
  const due = new Date(retentionEndMs(nowMs, parseRetention(optionsOf(config).options.answer_within))).toISOString()
  const head: RequestHead = again ?? {
    request: newRequestId(),
    kind,
    tenant: person.tenant,
    subject,
    asked: new Date(nowMs).toISOString(),
    due,
    who,
    reason,
  }
  await audit(keysDir, { action: kind, atMs: nowMs, who, reason, what: [whatOf(head, stores)] })
  const found = findSubject(keysFolders, person)
  const named = namedBy(config, asked.attributes, keysFolders, person)
  const rows = { tenant: person.tenant, refs: [...new Set(found.map(({ ref }) => ref))], named }
  const { request, tenant, asked: askedAt } = head
  const same = { request, kind, tenant, subject, asked: askedAt, due: head.due, who, reason }
  const keep: Request['keep'] = (status, step, details) =>
    keepStep(dataDir, { ...same, status, step, ...(details && { details }) }, Date.now())
  if (!again) await keep('open', 'asked', { stores: stores.map(({ id }) => id), refs: rows.refs })
  return { asked, head, keysFolders, found, rows, stores, keep }
}

const whatOf = ({ request, tenant, subject }: RequestHead, stores: readonly RegionStore[]) => ({
  request,
  tenant,
  subject,
  stores: stores.map(({ id }) => id).join(' '),
})

async function audit(keysDir: string, entry: AccessEntry): Promise<void> {
  const log = await AccessLog.open(keysDir)
  try {
    await log.append([entry])
  } finally {
    await log.close()
  }
}
