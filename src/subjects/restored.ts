/**
 * What a backup brings back of people who were erased since it was made: rows that no reference binds to them, which
 * only an attribute says are theirs. (Rows with a reference are sealed with their secret and never opened again.)
 *
 * Their ids are nowhere any more. The register has keyed hashes of them, and of what `minimize` makes of them: so what
 * stands in the attributes that named them is hashed likewise and compared. Rows that were stored after the erasure are
 * those of somebody who came back, and stay.
 */
import { join } from 'node:path'
import type pg from 'pg'
import { deleteNamed, type NamedBy, valuesNamed } from '../../exporters/postgres/people.ts'
import { lookupOf, subjectRoot, type TenantKeys, tenantKeys } from '../keys/subject_rows.ts'
import { type RequestEntry, readSteps } from './register.ts'

type Attribute = Pick<NamedBy, 'of' | 'key'>

/** What an erasure keeps in the register, so that a restore can repeat it. */
export interface ErasedNames {
  readonly attributes: readonly Attribute[]
  /** Keyed hashes, in hex, of what stands there. */
  readonly values: readonly string[]
}

const hashWith = (keys: TenantKeys, value: string): string => lookupOf(keys, value).toString('hex')

export function erasedNames(keysDir: string, tenant: string, named: readonly NamedBy[]): ErasedNames {
  const keys = tenantKeys(subjectRoot(keysDir, true)!, tenant)
  const values = new Set(named.flatMap(({ values }) => values.map((value) => hashWith(keys, value))))
  return { attributes: named.map(({ of, key }) => ({ of, key })), values: [...values] }
}

const namesIn = ({ kind, details }: RequestEntry): ErasedNames | undefined =>
  kind === 'erase' ? (details?.['names'] as ErasedNames | undefined) : undefined

/** Deletes such rows from a store that was restored; gives how many. */
export async function eraseRestored(
  client: pg.Client,
  schema: string,
  dataDir: string,
  nowMs: number,
): Promise<number> {
  const root = subjectRoot(join(dataDir, 'keys'), false)
  if (!root) return 0
  let records = 0
  for (const step of await readSteps(dataDir)) {
    const names = namesIn(step)
    if (!names) continue
    const keys = tenantKeys(root, step.tenant)
    const hashes = new Set(names.values)
    for (const attribute of names.attributes) {
      const values: string[] = []
      for await (const value of valuesNamed(client, schema, step.tenant, attribute)) {
        if (hashes.has(hashWith(keys, value))) values.push(value)
      }
      if (values.length === 0) continue
      const of = { tenant: step.tenant, ...attribute, values, storedBefore: new Date(step.at) }
      records += await deleteNamed(client, schema, of, nowMs)
    }
  }
  return records
}
