/**
 * The decrypt side: opens sealed values in place, after it has written down who reads what and why.
 *
 * Lines are taken in small groups: their tokens are opened in memory, the group's entries go to the access log with a
 * signed checkpoint, and only then are the lines given out. A log that cannot be written opens nothing.
 *
 * A value that starts with `cose:` and does not open stays as it is and is counted: somebody else's token, a value that
 * looks like one, a token that was changed or stands in another place, a key that was destroyed.
 */
import { hostname, userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError, KeyError, WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import { epochKeyAttribute } from '../otlp/field_sealer.ts'
import { type AnyValue, decodeValue } from '../otlp/value.ts'
import { type AccessEntry, AccessLog } from './audit.ts'
import { placeAad } from './derive.ts'
import type { EpochRecord } from './epochs.ts'
import { type KmsProvider, openLocalKms } from './kms.ts'
import { withoutPadding } from './padding.ts'
import { RecipientFolder } from './recipients.ts'
import { KeyRing, type MissingKey } from './ring.ts'
import { carriedKeys, findTokens, mayHoldTokens, parseRow, type Stated } from './row.ts'
import { openSigner } from './signature.ts'
import { openParsed, parseToken } from './token_reader.ts'

/** `foreign`: not of our making. `refused`: ours, but changed, or not from this place. */
export type OpenedToken =
  | { readonly is: 'opened'; readonly value: AnyValue; readonly field: string; readonly record: EpochRecord }
  | { readonly is: 'foreign' | 'refused' | MissingKey }

/** Opens one token where it stands. Rejects with `KeyError` only when a provider cannot be used. */
export async function openToken(
  text: string,
  stated: Stated,
  fields: readonly string[],
  ring: KeyRing,
): Promise<OpenedToken> {
  const token = parseToken(text)
  if (!token) return { is: 'foreign' }
  const epoch = await ring.open(token, stated.nearMs)
  if (typeof epoch === 'string') return { is: epoch }
  const { record } = epoch
  if (!belongs(record, stated)) return { is: 'refused' }
  const { tenant, region, purpose } = record
  const uids = stated.recordUid === undefined ? [undefined] : [stated.recordUid, undefined]
  for (const field of fields) {
    for (const recordUid of uids) {
      const plaintext = openParsed(token, epoch, placeAad({ tenant, region, purpose, field, recordUid }))
      if (!plaintext) continue
      const value = readValue(plaintext)
      plaintext.fill(0)
      return value ? { is: 'opened', value, field, record } : { is: 'refused' }
    }
  }
  return { is: 'refused' }
}

function belongs(record: EpochRecord, stated: Stated): boolean {
  return (
    (stated.tenant === undefined || stated.tenant === record.tenant) &&
    (stated.region === undefined || stated.region === record.region) &&
    (stated.purposes === undefined || stated.purposes.includes(record.purpose))
  )
}

function readValue(plaintext: Buffer): AnyValue | undefined {
  try {
    const { length } = withoutPadding(plaintext)
    return decodeValue(plaintext, 0, length)
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

export interface DecryptCounts {
  lines: number
  /** Lines that are no JSON object; they go through as they are. */
  notJson: number
  opened: number
  foreign: number
  refused: number
  unknown: number
  destroyed: number
  damaged: number
}
export const noCounts = (): DecryptCounts => ({
  lines: 0,
  notJson: 0,
  opened: 0,
  foreign: 0,
  refused: 0,
  unknown: 0,
  destroyed: 0,
  damaged: 0,
})

export interface DecryptOptions {
  /** The keys folder. */
  readonly dir: string
  /** Why; written to the access log. */
  readonly reason: string
  readonly nowMs?: () => number
  /** Who, where the system's user is not the person; the system's user is logged too. */
  readonly who?: string
  readonly passphrase?: string | undefined
  /** Keys folders of gateways, whose key stores are read too. */
  readonly gateways?: readonly string[]
  /** Besides `local`. */
  readonly providers?: readonly KmsProvider[]
  /** Counted up while lines go through. */
  readonly counts?: DecryptCounts
}

/** The person behind this process, as far as the system knows. */
export function currentUser(who?: string): string {
  const { username } = userInfo()
  const behind = process.env['SUDO_USER'] ? ` (sudo by ${process.env['SUDO_USER']})` : ''
  return `${who === undefined ? '' : `${who} as `}${username}@${hostname()}${behind}`
}

/** A reason that is worth writing down. Throws `ConfigError`. */
export function checkedReason(reason: string): string {
  const trimmed = reason.trim()
  if (trimmed.length === 0 || trimmed.length > limits.decryptReasonCharsMax) {
    throw new ConfigError(
      `a reason has 1 to ${limits.decryptReasonCharsMax} characters`,
      [],
      'Say why: --reason "ticket 4711: customer asks for …"',
    )
  }
  return trimmed
}

/** Opens the keys that the decrypt side has in a folder. Throws `KeyError`. */
export async function openKeyRing(
  options: Pick<DecryptOptions, 'dir' | 'passphrase' | 'providers' | 'gateways'>,
): Promise<KeyRing> {
  const signer = openSigner(options.dir, 'authority.pem', false)
  const local = await openLocalKms(options.dir, { passphrase: options.passphrase })
  if (!signer) {
    throw new KeyError(`there are no keys in ${options.dir}`, 'Name the data directory of the gateway with --data-dir.')
  }
  const providers = [...(local ? [local] : []), ...(options.providers ?? [])]
  return new KeyRing([options.dir, ...(options.gateways ?? [])], new RecipientFolder(options.dir, signer), providers)
}

interface OpenedLine {
  readonly text: string
  readonly what: AccessEntry['what']
}

/** Reads rows as lines of JSON, gives them out with their sealed values opened. Throws `KeyError`, `DependencyError`. */
export async function* decryptStream(lines: AsyncIterable<string>, options: DecryptOptions): AsyncGenerator<string> {
  const reason = checkedReason(options.reason)
  // Taken before the first wait: node:readline drops the lines that come while nobody listens.
  const source = lines[Symbol.asyncIterator]()
  const ring = await openKeyRing(options)
  const log = await AccessLog.open(options.dir)
  const counts = options.counts ?? noCounts()
  const who = currentUser(options.who)
  try {
    for await (const group of grouped(source)) {
      const opened: OpenedLine[] = []
      for (const line of group) opened.push(await openLine(line, ring, counts))
      const atMs = (options.nowMs ?? Date.now)()
      await log.append(opened.flatMap(({ what }) => entriesOf(what, { action: 'decrypt', atMs, who, reason })))
      for (const { text } of opened) yield text
    }
  } finally {
    ring.close()
    await log.close()
  }
}

/** One entry of the access log a line; more where a line holds very many tokens. */
function entriesOf(what: AccessEntry['what'], common: Omit<AccessEntry, 'what'>): AccessEntry[] {
  const entries: AccessEntry[] = []
  for (let at = 0; at < what.length; at += limits.auditEntryTokensMax) {
    entries.push({ ...common, what: what.slice(at, at + limits.auditEntryTokensMax) })
  }
  return entries
}

async function openLine(line: string, ring: KeyRing, counts: DecryptCounts): Promise<OpenedLine> {
  counts.lines++
  if (!mayHoldTokens(line)) return { text: line, what: [] }
  let row: unknown
  try {
    row = parseRow(line)
  } catch {
    counts.notJson++
    return { text: line, what: [] }
  }
  if (line.includes(epochKeyAttribute)) for (const key of carriedKeys(row)) ring.learn(key)
  const what: Record<string, string | number>[] = []
  for (const site of findTokens(row)) {
    const opened = await openToken(site.token, site.stated, site.fields, ring)
    counts[opened.is]++
    if (opened.is !== 'opened') continue
    site.put(opened.value)
    const { kid, tenant, purpose } = opened.record
    what.push({ line: counts.lines, kid, tenant, purpose, field: opened.field.slice(0, limits.auditFieldCharsMax) })
  }
  return what.length > 0 ? { text: JSON.stringify(row), what } : { text: line, what }
}

/** Lines in groups: as many as are there, at most `decryptGroupLinesMax`. A slow source is not waited for. */
async function* grouped(source: AsyncIterator<string>): AsyncGenerator<string[]> {
  let group: string[] = []
  const ahead = (): Promise<IteratorResult<string>> => {
    const next = source.next()
    // It may fail while a group is being worked on: the loop below sees that when it comes to it.
    next.catch(() => {})
    return next
  }
  try {
    for (let next = ahead(); ; ) {
      const pause = new AbortController()
      const idle = sleep(limits.decryptGroupWaitMs, undefined, { signal: pause.signal }).catch(() => undefined)
      const line = group.length > 0 ? await Promise.race([next, idle]) : await next
      pause.abort()
      if (line?.done) break
      if (line) {
        group.push(line.value)
        next = ahead()
      }
      if (line === undefined || group.length >= limits.decryptGroupLinesMax) {
        yield group
        group = []
      }
    }
    if (group.length > 0) yield group
  } finally {
    await source.return?.()
  }
}
