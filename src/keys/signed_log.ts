/**
 * An append-only log whose every state is signed: the access audit, and the receipts of what was deleted.
 *
 *   <name>/entries, hashes   an RFC 6962 Merkle log (src/merkle/log.ts)
 *   <name>/checkpoints       one signed checkpoint a line (a JSON string), oldest first
 *   <name>.pem               the key that signs them
 *
 * Changing, removing or moving an entry breaks a checkpoint. Whoever owns the folder and its key can still rewrite
 * everything from an entry on: against that, keep a checkpoint somewhere else now and then and verify with it.
 */
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { type Checkpoint, openCheckpoint, signCheckpoint } from '../merkle/checkpoint.ts'
import { MerkleLog } from '../merkle/log.ts'
import { leafHash, nodeHash, rootOf } from '../merkle/proof.ts'
import { LineFile, makeFolder, readPrivate } from './files.ts'
import { openSigner, type Signer } from './signature.ts'

/** Which log: its folder, its name there, and what checkpoints call it. */
export interface LogPlace {
  readonly folder: string
  readonly name: string
  readonly origin: string
}

const folderOf = ({ folder, name }: LogPlace): string => join(folder, name)
const checkpointsOf = (place: LogPlace): string => join(folderOf(place), 'checkpoints')

/** Unique per signing key, as tlog-checkpoint wants. */
const originOf = (place: LogPlace, signer: Signer): string =>
  `douane/${place.origin}/${signer.publicKey.export({ format: 'jwk' }).x!.slice(0, 12)}`

export class SignedLog {
  readonly #log: MerkleLog
  readonly #signer: Signer
  readonly #origin: string
  readonly #checkpoints: LineFile

  private constructor(place: LogPlace, log: MerkleLog, signer: Signer) {
    this.#log = log
    this.#signer = signer
    this.#origin = originOf(place, signer)
    this.#checkpoints = new LineFile(checkpointsOf(place))
  }

  static async open(place: LogPlace): Promise<SignedLog> {
    makeFolder(folderOf(place))
    const log = await MerkleLog.open(folderOf(place))
    try {
      const isOld = log.size > 0
      const signer = openSigner(place.folder, `${place.name}.pem`, !isOld)
      if (signer) return new SignedLog(place, log, signer)
    } catch (error) {
      await log.close()
      throw error
    }
    await log.close()
    throw new KeyError(
      `the key that signs the ${place.origin} log is missing`,
      `Restore ${place.name}.pem from a backup.`,
    )
  }

  /** Resolves when the entries and a checkpoint over them are on disk. */
  async append(entries: readonly object[]): Promise<void> {
    if (entries.length === 0) return
    const leaves = entries.map((entry) => Buffer.from(JSON.stringify(entry)))
    await this.#log.append(leaves, (size, root) => {
      this.#checkpoints.append(JSON.stringify(this.#sign(size, root)))
      this.#checkpoints.close()
    })
  }

  /** Resolves when the entries are on disk. `sign` covers them later. */
  async appendUnsigned(entries: readonly Uint8Array[]): Promise<void> {
    await this.#log.append(entries)
  }

  /** Signs what is there; gives the checkpoint, which is on disk then. */
  async sign(): Promise<string> {
    let note = ''
    await this.#log.append([], (size, root) => {
      note = this.#sign(size, root)
      this.#checkpoints.append(JSON.stringify(note))
      this.#checkpoints.close()
    })
    return note
  }

  get size(): number {
    return this.#log.size
  }

  /** What checkpoints call this log, and the key that they are signed with. */
  get identity(): { readonly origin: string } & Signer {
    return { origin: this.#origin, ...this.#signer }
  }

  inclusionProof(index: number, size: number): Buffer[] {
    return this.#log.inclusionProof(index, size)
  }

  /** The newest signed checkpoint, to be kept elsewhere. */
  checkpoint(): string {
    return this.#sign(this.#log.size, this.#log.root())
  }

  #sign(size: number, root: Buffer): string {
    return signCheckpoint({ origin: this.#origin, size, root }, this.#signer.privateKey)
  }

  /** The root of the first `size` entries. */
  root(size: number): Buffer {
    return this.#log.root(size)
  }

  /** Entries from number `from` on. */
  async *entries(from = 0): AsyncGenerator<string> {
    for await (const entry of this.#log.entries(from)) yield entry.toString('utf8')
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
  /** Entries after the last checkpoint: a crash leaves some; the next append signs them. */
  readonly unsigned: number
  readonly problems: readonly string[]
}

/** Hashes again every entry and holds each root against the checkpoints, and against one kept elsewhere. */
export async function verifySignedLog(place: LogPlace, witness?: string): Promise<AuditVerdict> {
  const signer = openSigner(place.folder, `${place.name}.pem`, false)
  if (!signer) throw new KeyError(`there is no ${place.origin} log here`, 'Name the right folder with --data-dir.')
  const problems: string[] = []
  const checkpoints = readCheckpoints(place, signer, problems)
  const last = checkpoints.at(-1)?.size ?? 0
  if (witness !== undefined) {
    const kept = openCheckpoint(witness, originOf(place, signer), signer.publicKey)
    if (kept) checkpoints.push(kept)
    else problems.push('the witness is no checkpoint of this log')
  }
  const log = await MerkleLog.open(folderOf(place))
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

function readCheckpoints(place: LogPlace, signer: Signer, problems: string[]): Checkpoint[] {
  const checkpoints: Checkpoint[] = []
  const lines = (readPrivate(checkpointsOf(place)) ?? '').split('\n').slice(0, -1)
  for (const [index, line] of lines.entries()) {
    let note: unknown
    try {
      note = JSON.parse(line)
    } catch {
      note = undefined
    }
    const checkpoint =
      typeof note === 'string' ? openCheckpoint(note, originOf(place, signer), signer.publicKey) : undefined
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
