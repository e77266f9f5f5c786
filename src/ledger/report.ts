/**
 * A report: all that the ledger has of one tenant in a span of time, with proofs. JSON lines, so that it may be long:
 *
 *   {"format":"douane.residency-report.1", tenant, salt, since, until, origin, key, checkpoint}
 *   {"index", "leaf", "proof"}      a leaf as it stands in the ledger, and its inclusion proof (RFC 6962), base64
 *   {"leaves", "digest", "signature"}
 *
 * `digest` is SHA-256 over all lines before the last, each with its line feed; `signature` is Ed25519 by `key` over
 * "douane.residency-report.1\n<digest>\n". The reader checks it with `douane residency verify`, which shares no code.
 */
import { createHash, sign } from 'node:crypto'
import { signerText } from '../keys/signature.ts'
import { type Leaf, pseudonymOf } from './leaf.ts'
import type { Ledger } from './ledger.ts'

export const reportFormat = 'douane.residency-report.1'

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
  let index = -1
  for await (const entry of ledger.entries()) {
    index++
    if (index >= size) break
    const leaf = JSON.parse(entry) as Leaf
    const atMs = Date.parse(leaf.at)
    if (atMs < query.sinceMs || atMs >= query.untilMs || !leaf.held.some(([tenant]) => tenant === pseudonym)) continue
    const proof = ledger.inclusionProof(index, size).map((hash) => hash.toString('base64'))
    put({ index, leaf: entry, proof })
    leaves++
    const key = `${leaf.destination}\n${leaf.batch}\n${leaf.part?.[0] ?? 1}`
    if (!seen.has(key)) add(sums, leaf, pseudonym)
    seen.add(key)
  }
  const hex = digest.digest('hex')
  const signature = sign(null, Buffer.from(`${reportFormat}\n${hex}\n`), privateKey).toString('base64')
  write(JSON.stringify({ leaves, digest: hex, signature }))
  return [...sums.values()]
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
