/**
 * The access audit: who read or opened what, when and why, written before anything is released. A signed log
 * (signed_log.ts) in the keys folder, `audit`, with one JSON entry per opened row, destroyed key, or query.
 */
import { type AuditVerdict, type LogPlace, SignedLog, verifySignedLog } from './signed_log.ts'

/** What was done: with keys, by `query` and `backup restore`, or for somebody's request (`subject …`). */
type AccessAction =
  | ('decrypt' | 'destroy' | 'query' | 'queried' | 'restore')
  | ('find' | 'summary' | 'export' | 'rectify' | 'erase' | 'readmit')

/** One entry. Ids and counts, never plaintext. */
export interface AccessEntry {
  readonly action: AccessAction
  readonly atMs: number
  readonly who: string
  readonly reason: string
  /** What was touched: key ids, fields, tenants, purposes. */
  readonly what: readonly Readonly<Record<string, string | number>>[]
}

const placeOf = (keysFolder: string): LogPlace => ({ folder: keysFolder, name: 'audit', origin: 'access-audit' })

export class AccessLog {
  readonly #log: SignedLog

  private constructor(log: SignedLog) {
    this.#log = log
  }

  static async open(keysFolder: string): Promise<AccessLog> {
    return new AccessLog(await SignedLog.open(placeOf(keysFolder)))
  }

  /** Resolves when the entries and a checkpoint over them are on disk. Nothing may be released before. */
  append(entries: readonly AccessEntry[]): Promise<void> {
    return this.#log.append(entries.map(({ atMs, ...entry }) => ({ v: 1, at: new Date(atMs).toISOString(), ...entry })))
  }

  /** The newest signed checkpoint, to be kept elsewhere. */
  checkpoint(): string {
    return this.#log.checkpoint()
  }

  entries(): AsyncGenerator<string> {
    return this.#log.entries()
  }

  close(): Promise<void> {
    return this.#log.close()
  }
}

/** Hashes again every entry and holds each root against the checkpoints, and against one kept elsewhere. */
export const verifyAccessLog = (keysFolder: string, witness?: string): Promise<AuditVerdict> =>
  verifySignedLog(placeOf(keysFolder), witness)
