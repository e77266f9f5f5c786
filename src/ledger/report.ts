/**
 * A report: all that the ledger has of one tenant in a span of time, with proofs. JSON lines, so that it may be long:
 *
 *   {"format":"douane.residency-report.2", tenant, salt, since, until, origin, key, checkpoint}
 *   {"index", "leaf", "proof", "n"}   a leaf as it stands in the ledger, its inclusion proof (RFC 6962), base64, and its
 *                                     number among the tenant's; left out where the leaf bears none
 *   {"numbered"}                      how many the tenant has in all, where none of them is later than the report's time
 *   {"leaves", "digest", "signature"}
 *
 * Among the leaves are the tenant's last one before the time and the first one after it: so numbers without a gap show that
 * none was left out. `digest` is SHA-256 over all lines before the last, each with its line feed; `signature` is Ed25519 by
 * `key` over "douane.residency-report.2\n<digest>\n". The reader checks it with `douane residency verify`, which shares no
 * code.
 */
import { createHash, sign } from 'node:crypto'
import { signerText } from '../keys/signature.ts'
import { type Leaf, markOf, pseudonymOf } from './leaf.ts'
import type { Ledger } from './ledger.ts'

export const reportFormat = 'douane.residency-report.2'

export interface ReportQuery {
  readonly tenant: string
  /** Unix milliseconds; `until` is exclusive. */
  readonly sinceMs: number
  readonly untilMs: number
}

/** What went where, summed up for people. */
export interface ReportLine {
  readonly region: string
  readonly destination: string
  readonly purposes: string
  readonly content: string
  batches: number
  records: number
  first: string
  last: string
}

/** Writes the lines of a report; gives what it comes to. A batch that has several leaves counts once. */
export async function writeReport(
  ledger: Ledger,
  query: ReportQuery,
  write: (line: string) => void,
): Promise<ReportLine[]> {
  const checkpoint = await ledger.checkpoint()
  const size = Number(checkpoint.split('\n')[1])
  const { origin, publicKey, privateKey } = ledger.identity
  const salt = ledger.salt(query.tenant)
  const pseudonym = pseudonymOf(salt, query.tenant)
  const digest = createHash('sha256')
  const put = (line: object): void => {
    const text = JSON.stringify(line)
    digest.update(`${text}\n`)
    write(text)
  }
  put({
    format: reportFormat,
    tenant: query.tenant,
    salt,
    since: new Date(query.sinceMs).toISOString(),
    until: new Date(query.untilMs).toISOString(),
    origin,
    key: signerText(publicKey),
    checkpoint,
  })
  const sums = new Map<string, ReportLine>()
  const seen = new Set<string>()
  let leaves = 0
  for await (const found of leavesFor(ledger, { ...query, salt, pseudonym }, size)) {
    if (typeof found === 'number') {
      put({ numbered: found })
      continue
    }
    const { index, entry, leaf, n, isInTime } = found
    const proof = ledger.inclusionProof(index, size).map((hash) => hash.toString('base64'))
    put({ index, leaf: entry, proof, ...(n !== undefined && { n }) })
    leaves++
    const key = `${leaf.destination}\n${leaf.batch}\n${leaf.part?.[0] ?? 1}`
    if (isInTime && !seen.has(key)) add(sums, leaf, pseudonym)
    if (isInTime) seen.add(key)
  }
  const hex = digest.digest('hex')
  const signature = sign(null, Buffer.from(`${reportFormat}\n${hex}\n`), privateKey).toString('base64')
  write(JSON.stringify({ leaves, digest: hex, signature }))
  return [...sums.values()]
}

interface Found {
  readonly index: number
  readonly entry: string
  readonly leaf: Leaf
  readonly n: number | undefined
  readonly isInTime: boolean
}

/** A tenant's leaves of a time, with the one before and the one after; where there is none after, how many there are. */
async function* leavesFor(
  ledger: Ledger,
  { sinceMs, untilMs, salt, pseudonym }: ReportQuery & { salt: string; pseudonym: string },
  size: number,
): AsyncGenerator<Found | number> {
  let index = -1
  let count = 0
  let before: Found | undefined
  for await (const entry of ledger.entries()) {
    if (++index >= size) break
    // Quick: most leaves are others'.
    if (!entry.includes(pseudonym)) continue
    const leaf = JSON.parse(entry) as Leaf
    const held = leaf.held.find(([tenant]) => tenant === pseudonym)
    if (held === undefined) continue
    const mark = held[4]
    const n = mark !== undefined && mark === markOf(salt, count + 1) ? ++count : undefined
    const atMs = Date.parse(leaf.at)
    const isInTime = atMs >= sinceMs && atMs < untilMs
    const found: Found = { index, entry, leaf, n, isInTime }
    const isBefore = n !== undefined && atMs < sinceMs
    if (before !== undefined && !isBefore) {
      yield before
      before = undefined
    }
    if (isBefore) before = found
    else if (isInTime || n !== undefined) yield found
    if (n !== undefined && atMs >= untilMs) return
  }
  if (before !== undefined) yield before
  yield count
}

function add(sums: Map<string, ReportLine>, leaf: Leaf, pseudonym: string): void {
  for (const [tenant, purposes, content, records] of leaf.held) {
    if (tenant !== pseudonym) continue
    const { region, destination, at } = leaf
    const key = JSON.stringify([region, destination, purposes, content])
    const line = sums.get(key) ?? {
      region,
      destination,
      purposes: purposes.join(', '),
      content,
      batches: 0,
      records: 0,
      first: at,
      last: at,
    }
    line.batches++
    line.records += records
    if (at < line.first) line.first = at
    if (at > line.last) line.last = at
    sums.set(key, line)
  }
}
