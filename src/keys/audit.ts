/**
 * The access audit: who opened what, when and why, written before any plaintext is released.
 *
 *   audit/entries, hashes   an RFC 6962 Merkle log (src/merkle/log.ts), one JSON entry per opened row or destroyed key
 *   audit/checkpoints       one signed checkpoint a line (a JSON string), oldest first
 *   audit.pem               the key that signs them
 *
 * Changing, removing or moving an entry breaks a checkpoint. Whoever owns this folder and its key can still rewrite
 * everything from an entry on: against that, keep a checkpoint somewhere else now and then and give it to
 * `keys audit verify --witness`.
 */
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { type Checkpoint, openCheckpoint, signCheckpoint } from '../merkle/checkpoint.ts'
import { MerkleLog } from '../merkle/log.ts'
import { leafHash, nodeHash, rootOf } from '../merkle/proof.ts'
import { LineFile, makeFolder, readPrivate } from './files.ts'
import { openSigner, type Signer } from './signature.ts'

/** One entry. Ids and counts, never plaintext. */
export interface AccessEntry {
  readonly action: 'decrypt' | 'destroy' | 'erase' | 'find'
  readonly atMs: number
  readonly who: string
  readonly reason: string
  /** What was touched: key ids, fields, tenants, purposes. */
  readonly what: readonly Readonly<Record<string, string | number>>[]
}

const folderOf = (keysFolder: string): string => join(keysFolder, 'audit')
const checkpointsOf = (keysFolder: string): string => join(folderOf(keysFolder), 'checkpoints')

/** Unique per signing key, as tlog-checkpoint wants. */
function originOf(signer: Signer): string {
  return `douane/access-audit/${signer.publicKey.export({ format: 'jwk' }).x!.slice(0, 12)}`
}

export class AccessLog {
  readonly #log: MerkleLog
  readonly #signer: Signer
  readonly #checkpoints: LineFile

  private constructor(keysFolder: string, log: MerkleLog, signer: Signer) {
    this.#log = log
    this.#signer = signer
    this.#checkpoints = new LineFile(checkpointsOf(keysFolder))
  }

  static async open(keysFolder: string): Promise<AccessLog> {
    makeFolder(folderOf(keysFolder))
    const log = await MerkleLog.open(folderOf(keysFolder))
    const isOld = log.size > 0
    const signer = openSigner(keysFolder, 'audit.pem', !isOld)
    if (!signer) {
      await log.close()
      throw new KeyError('the key that signs the access log is missing', 'Restore audit.pem from a backup.')
    }
    return new AccessLog(keysFolder, log, signer)
  }

  /** Resolves when the entries and a checkpoint over them are on disk. Nothing may be released before. */
  async append(entries: readonly AccessEntry[]): Promise<void> {
    if (entries.length === 0) return
    const origin = originOf(this.#signer)
    const leaves = entries.map(({ atMs, ...entry }) =>
      Buffer.from(JSON.stringify({ v: 1, at: new Date(atMs).toISOString(), ...entry })),
    )
    await this.#log.append(leaves, (size, root) => {
      this.#checkpoints.append(JSON.stringify(signCheckpoint({ origin, size, root }, this.#signer.privateKey)))
      this.#checkpoints.close()
    })
  }

  /** The newest signed checkpoint, to be kept elsewhere. */
  checkpoint(): string {
    return signCheckpoint(
      { origin: originOf(this.#signer), size: this.#log.size, root: this.#log.root() },
      this.#signer.privateKey,
    )
  }

  async *entries(): AsyncGenerator<string> {
    for await (const entry of this.#log.entries()) yield entry.toString('utf8')
  }

  async close(): Promise<void> {
    this.#checkpoints.close()
    await this.#log.close()
  }
}

export interface AuditVerdict {
  readonly ok: boolean
  readonly entries: number
  readonly checkpoints: number
  /** Entries after the last checkpoint: a crash leaves some; the next decrypt signs them. */
  readonly unsigned: number
  readonly problems: readonly string[]
}

/** Hashes again every entry and holds each root against the checkpoints, and against one kept elsewhere. */
export async function verifyAccessLog(keysFolder: string, witness?: string): Promise<AuditVerdict> {
  const signer = openSigner(keysFolder, 'audit.pem', false)
  if (!signer) throw new KeyError('there is no access log here', 'Name the right folder with --data-dir.')
  const problems: string[] = []
  const checkpoints = readCheckpoints(keysFolder, signer, problems)
  const last = checkpoints.at(-1)?.size ?? 0
  if (witness !== undefined) {
    const kept = openCheckpoint(witness, originOf(signer), signer.publicKey)
    if (kept) checkpoints.push(kept)
    else problems.push('the witness is no checkpoint of this log')
  }
  const log = await MerkleLog.open(folderOf(keysFolder))
  try {
    const size = await compareRoots(log, checkpoints, problems)
    return {
      ok: problems.length === 0,
      entries: size,
      checkpoints: checkpoints.length,
      unsigned: Math.max(0, size - last),
      problems,
    }
  } finally {
    await log.close()
  }
}

function readCheckpoints(keysFolder: string, signer: Signer, problems: string[]): Checkpoint[] {
  const checkpoints: Checkpoint[] = []
  const lines = (readPrivate(checkpointsOf(keysFolder)) ?? '').split('\n').slice(0, -1)
  for (const [index, line] of lines.entries()) {
    let note: unknown
    try {
      note = JSON.parse(line)
    } catch {
      note = undefined
    }
    const checkpoint = typeof note === 'string' ? openCheckpoint(note, originOf(signer), signer.publicKey) : undefined
    if (!checkpoint) problems.push(`checkpoint ${index + 1} is damaged or was not signed by this log's key`)
    else if (checkpoint.size < (checkpoints.at(-1)?.size ?? 0)) problems.push(`checkpoint ${index + 1} is out of order`)
    else checkpoints.push(checkpoint)
  }
  return checkpoints
}

async function compareRoots(log: MerkleLog, checkpoints: Checkpoint[], problems: string[]): Promise<number> {
  const due = [...checkpoints].sort((a, b) => a.size - b.size)
  // Complete subtrees, largest first: level and hash. Nothing is taken from the file of hashes.
  const peaks: { level: number; hash: Buffer }[] = []
  let size = 0
  const check = (): void => {
    while (due[0]?.size === size) {
      if (!peaksRoot(peaks).equals(due[0].root))
        problems.push(`the first ${size} entries are not those that were signed`)
      due.shift()
    }
  }
  check()
  for await (const entry of log.entries()) {
    let peak = { level: 0, hash: leafHash(entry) }
    for (let left = peaks.at(-1); left?.level === peak.level; left = peaks.at(-1)) {
      peaks.pop()
      peak = { level: peak.level + 1, hash: nodeHash(left.hash, peak.hash) }
    }
    peaks.push(peak)
    size++
    check()
  }
  for (const missing of due) problems.push(`a checkpoint covers ${missing.size} entries, there are ${size}`)
  if (size > 0 && !log.root().equals(peaksRoot(peaks))) problems.push('the file of hashes does not fit the entries')
  return size
}

function peaksRoot(peaks: readonly { hash: Buffer }[]): Buffer {
  if (peaks.length === 0) return rootOf(0, () => Buffer.alloc(0))
  return peaks.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right))
}
