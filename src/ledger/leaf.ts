/**
 * A leaf of the ledger: what one delivered batch was, without any of its payload. JSON, one line, keys in this order:
 *
 *   v            1
 *   at           when the destination had taken it, RFC 3339
 *   batch        the batch id, as the destination got it
 *   destination  the exporter's id; region: where it lies
 *   policy       the version of the policy that routed it
 *   records      in the batch; refused: how many of them the destination refused
 *   bytes        of the request; sha256: of the same bytes, lower-case hex
 *   held         [tenant, purposes, content, records, mark] for each tenant, set of purposes and form
 *   part         [n, of]: a batch of very many tenants takes several leaves; else left out
 *
 * A tenant stands as a pseudonym, SHA-256(salt ‖ name) cut to 16 bytes; its salt, HMAC-SHA-256(secret, name), is told
 * only to who gets that tenant's report. So a report shows its reader nobody else's name.
 */
import { createHash, createHmac } from 'node:crypto'
import { limits } from '../limits.ts'
import type { Delivered } from '../pipeline/parcel.ts'

export interface Leaf {
  readonly v: 1
  readonly at: string
  readonly batch: string
  readonly destination: string
  readonly region: string
  readonly policy: string
  readonly records: number
  readonly refused: number
  readonly bytes: number
  readonly sha256: string
  readonly held: readonly Held[]
  readonly part?: readonly [n: number, of: number]
}
export type Held = readonly [
  tenant: string,
  purposes: readonly string[],
  content: string,
  records: number,
  mark?: string,
]

/** A batch that a destination took, its body as length and lower-case hex of SHA-256. */
export interface HashedBatch extends Omit<Delivered, 'body'> {
  readonly bytes: number
  readonly sha256: string
}
/** Where it was taken. */
export interface Place {
  readonly destination: string
  readonly region: string
}

/** Who a tenant is in the ledger. */
export interface Alias {
  readonly salt: string
  readonly pseudonym: string
}

const pseudonymBytes = 16
const markBytes = 16

export function saltOf(secret: Uint8Array, tenant: string): string {
  return createHmac('sha256', secret).update(tenant).digest('hex')
}

export function pseudonymOf(salt: string, tenant: string): string {
  const hash = createHash('sha256').update(Buffer.from(salt, 'hex')).update(tenant).digest()
  return hash.subarray(0, pseudonymBytes).toString('hex')
}

/** What the `n`-th leaf of a tenant bears. */
export function markOf(salt: string, n: number): string {
  const hash = createHash('sha256').update(Buffer.from(salt, 'hex')).update(`\n${n}`).digest()
  return hash.subarray(0, markBytes).toString('hex')
}

/** The leaves of a batch: one, or several where one could not hold all. `mark` is asked once for each tenant of a leaf. */
export function leavesOf(
  { id, records, refused, bytes, sha256, policyVersion, holdings }: HashedBatch,
  place: Place,
  atMs: number,
  aliasOf: (tenant: string) => Alias,
  mark: (alias: Alias) => string | undefined,
): Buffer[] {
  const held = holdings.map((one): Held => [aliasOf(one.tenant).pseudonym, one.purposes, one.content, one.records])
  const aliases = new Map(holdings.map(({ tenant }) => [aliasOf(tenant).pseudonym, aliasOf(tenant)]))
  const parts = divided(held)
  return parts.map((part, n) => {
    const marks = new Map([...new Set(part.map(([tenant]) => tenant))].map((one) => [one, mark(aliases.get(one)!)]))
    const leaf: Leaf = {
      v: 1,
      at: new Date(atMs).toISOString(),
      batch: id,
      ...place,
      policy: policyVersion,
      records,
      refused,
      bytes,
      sha256,
      held: part.map((one): Held => {
        const own = marks.get(one[0])
        return own === undefined ? one : [one[0], one[1], one[2], one[3], own]
      }),
      ...(parts.length > 1 && { part: [n + 1, parts.length] as const }),
    }
    return Buffer.from(JSON.stringify(leaf))
  })
}

function divided(held: readonly Held[]): Held[][] {
  const parts: Held[][] = [[]]
  let bytes = 0
  for (const one of held) {
    const more = Buffer.byteLength(JSON.stringify(one)) + 2 * markBytes + 4
    if (bytes > 0 && bytes + more > limits.ledgerHeldBytesMax) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(one)
    bytes += more
  }
  return parts
}
