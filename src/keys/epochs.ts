/**
 * The key store: every epoch key, sealed to its recipient, one JSON line each, durable before its first ciphertext.
 *
 *   epochs/<day>.<worker>.jsonl   appended by one worker of one gateway; gateways' files can lie in one folder
 *
 * The sealed key is bound to its record: whoever changes a tenant, purpose, region or period in a line makes it
 * unreadable. Records name no subject and hold no plaintext; losing them loses what was sealed with them.
 */
import type { KeyObject } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { canonical, commitment, kidBytes } from './derive.ts'
import { eraseFile, fileError, LineFile, type Placed, placed } from './files.ts'
import { hpkeOpen, hpkeSeal } from './hpke.ts'
import type { Recipient } from './recipients.ts'

export interface EpochRecord {
  readonly v: 1
  /** base64url of the commitment's first 16 bytes: what tokens carry. */
  readonly kid: string
  readonly commitment: string
  readonly recipient: string
  readonly sealed: string
  readonly tenant: string
  readonly region: string
  readonly purpose: string
  readonly retention: string
  readonly period: string
  readonly worker: string
  readonly madeMs: number
}

type EpochContext = Omit<EpochRecord, 'v' | 'kid' | 'commitment' | 'recipient' | 'sealed' | 'period'>

const sealInfo = Buffer.from('douane.epoch-key.1')

function boundTo(record: Omit<EpochRecord, 'sealed'>): Buffer {
  const { tenant, region, purpose, retention, period, worker, recipient } = record
  const made = String(record.madeMs)
  return canonical('epoch', record.commitment, recipient, tenant, region, purpose, retention, period, worker, made)
}

/** Seals a new epoch key to its recipient. */
export function sealEpoch(key: Uint8Array, recipient: Recipient, context: EpochContext): EpochRecord {
  const committed = commitment(key)
  const open = {
    v: 1 as const,
    kid: committed.toString('base64url', 0, kidBytes),
    commitment: committed.toString('base64url'),
    recipient: recipient.id,
    ...context,
    period: recipient.period,
  }
  const sealed = hpkeSeal(recipient.publicKey, sealInfo, boundTo(open), key)
  return { ...open, sealed: sealed.toString('base64url') }
}

/** The epoch key, checked against its commitment. Throws `KeyError`. */
export function openEpoch(record: EpochRecord, privateKey: KeyObject): Buffer {
  const key = hpkeOpen(privateKey, sealInfo, boundTo(record), Buffer.from(record.sealed, 'base64url'))
  const committed = commitment(key)
  if (
    committed.toString('base64url') === record.commitment &&
    committed.toString('base64url', 0, kidBytes) === record.kid
  )
    return key
  key.fill(0)
  throw new KeyError('an epoch key does not fit its commitment')
}

const folderOf = (keysFolder: string): string => join(keysFolder, 'epochs')

/** Appends to the key store. */
export class EpochWriter {
  readonly #folder: string
  readonly #worker: string
  #file: LineFile | undefined

  constructor(keysFolder: string, worker: string) {
    this.#folder = folderOf(keysFolder)
    this.#worker = worker
  }

  /** On disk when it returns; gives where. Throws `KeyError`; then the key must not be used. */
  append(record: EpochRecord): Placed {
    const day = new Date(record.madeMs).toISOString().slice(0, 10)
    const path = join(this.#folder, `${day}.${this.#worker}.jsonl`)
    if (this.#file?.path !== path) {
      this.#file?.close()
      this.#file = new LineFile(path)
    }
    this.#file.append(JSON.stringify(record))
    return placed(path)
  }

  close(): void {
    this.#file?.close()
  }
}

/**
 * Finds epoch records by kid, in the key stores of one or more gateways. Files are read when they are needed, those
 * nearest to the asked day first.
 */
export class EpochIndex {
  readonly #folders: readonly string[]
  readonly #records = new Map<string, { path: string; start: number; end: number }>()
  readonly #read = new Set<string>()
  /** Records that came with rows, by kid. */
  readonly #learned = new Map<string, EpochRecord>()
  /** Lines that are no record; whoever needs their keys is told that they are unknown. */
  damaged = 0

  constructor(...keysFolders: readonly string[]) {
    this.#folders = keysFolders.map(folderOf)
  }

  /** Paths, by day. */
  #files(): { path: string; dayMs: number }[] {
    return this.#folders.filter(existsSync).flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.endsWith('.jsonl'))
        .map((name) => ({ path: join(folder, name), dayMs: Date.parse(name.slice(0, 10)) })),
    )
  }

  /** Takes in a record that came with a row; false for what is none. It is believed no more than one of a file. */
  learn(text: string): string | undefined {
    const record = parseRecord(text)
    if (record === undefined) return undefined
    if (this.#learned.size >= limits.openEpochsMax) this.#learned.delete(this.#learned.keys().next().value!)
    this.#learned.set(record.kid, record)
    return record.kid
  }

  /** `nearMs` is about when the token was made, where that is known. */
  find(kid: string, nearMs?: number): EpochRecord | undefined {
    const known = this.#records.get(kid)
    if (known) return this.#load(known)
    const learned = this.#learned.get(kid)
    if (learned) return learned
    const distance = (dayMs: number): number => (nearMs === undefined ? -dayMs : Math.abs(dayMs - nearMs))
    for (const { path } of this.#files().sort((a, b) => distance(a.dayMs) - distance(b.dayMs))) {
      if (this.#read.has(path)) continue
      this.#index(path)
      const found = this.#records.get(kid)
      if (found) return this.#load(found)
    }
    return undefined
  }

  *all(): Generator<EpochRecord> {
    for (const { path } of this.#files().sort((a, b) => a.dayMs - b.dayMs)) {
      for (const { start, end, bytes } of this.#lines(path)) {
        const record = parseRecord(bytes.toString('utf8', start, end))
        if (record) yield record
        else this.damaged++
      }
    }
  }

  *#lines(path: string): Generator<{ start: number; end: number; bytes: Buffer }> {
    let bytes: Buffer
    try {
      bytes = readFileSync(path)
    } catch (error) {
      throw fileError('read', path, error)
    }
    // A line without its end is being written or was cut by a crash: its key sealed nothing yet.
    for (let start = 0; ; ) {
      const end = bytes.indexOf(10, start)
      if (end < 0) return
      yield { start, end, bytes }
      start = end + 1
    }
  }

  #index(path: string): void {
    for (const { start, end, bytes } of this.#lines(path)) {
      const record = parseRecord(bytes.toString('utf8', start, end))
      if (!record) this.damaged++
      else if (!this.#records.has(record.kid)) this.#records.set(record.kid, { path, start, end })
    }
    this.#read.add(path)
  }

  #load({ path, start, end }: { path: string; start: number; end: number }): EpochRecord | undefined {
    try {
      return parseRecord(readFileSync(path).toString('utf8', start, end))
    } catch (error) {
      throw fileError('read', path, error)
    }
  }
}

/** Removes the files in which every record is dead. Not today's: it is being written. */
export function pruneEpochs(keysFolder: string, nowMs: number, isDead: (record: EpochRecord) => boolean): void {
  const folder = folderOf(keysFolder)
  const today = new Date(nowMs).toISOString().slice(0, 10)
  const names = existsSync(folder) ? readdirSync(folder) : []
  for (const name of names.filter((file) => file.endsWith('.jsonl') && file.slice(0, 10) < today)) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1)
    const records = lines.map(parseRecord)
    if (records.every((record) => record !== undefined && isDead(record))) eraseFile(join(folder, name))
  }
}

const recordTexts = [
  'kid',
  'commitment',
  'recipient',
  'sealed',
  'tenant',
  'region',
  'purpose',
  'retention',
  'period',
  'worker',
] as const

function parseRecord(line: string): EpochRecord | undefined {
  try {
    const record = JSON.parse(line) as EpochRecord
    const fits = record.v === 1 && recordTexts.every((name) => typeof record[name] === 'string')
    return fits && Number.isSafeInteger(record.madeMs) ? record : undefined
  } catch {
    return undefined
  }
}
