/**
 * The decrypt side of subject keys: who is known, and whose secret is destroyed.
 *
 * Works on the keys folders of any number of gateways at once, also while they run: a receipt is appended first (the
 * gateway sees it within a second and forgets what it had in memory), then the secret is overwritten in place. Erasing
 * twice is harmless; erasing who was never seen keeps later records of his from being sealed at all.
 */
import { AccessLog } from './audit.ts'
import { checkedReason, currentUser } from './decrypt.ts'
import { makeFolder } from './files.ts'
import { type Signer, signDocument } from './signature.ts'
import {
  lookupOf,
  readRows,
  rowFiles,
  rowLookup,
  rowMadeMs,
  rowRef,
  rowState,
  subjectRoot,
  tenantKeys,
} from './subject_rows.ts'
import { Erased, keepReceipt, readReceipts, type SubjectReceipt, wipeErased } from './tombstones.ts'

/** One secret of a person. He has one for each worker of each gateway that met him, and a new one once readmitted. */
export interface FoundSubject {
  readonly keysFolder: string
  /** What records (`douane.subject_ref`) and tokens call him there. */
  readonly ref: string
  readonly madeMs: number
  readonly state: 'live' | 'erased'
}

export interface Person {
  readonly tenant: string
  /** As it came in with the records. */
  readonly id: string
}

/** Everything that is known of a person. Throws `KeyError`. Finding is to be written to the access log by the caller. */
export function findSubject(keysFolders: readonly string[], person: Person): FoundSubject[] {
  return keysFolders.flatMap((keysFolder) => {
    const root = subjectRoot(keysFolder, false)
    return root ? findIn(keysFolder, lookupOf(tenantKeys(root, person.tenant), person.id)) : []
  })
}

function findIn(keysFolder: string, lookup: Buffer): FoundSubject[] {
  const found: FoundSubject[] = []
  const erased = new Erased(readReceipts(keysFolder))
  for (const file of rowFiles(keysFolder)) {
    for (const { bytes } of readRows(file)) {
      if (!rowLookup(bytes).equals(lookup)) continue
      const state = erased.has(bytes) ? 'erased' : rowState(bytes)
      found.push({ keysFolder, ref: rowRef(bytes).toString('base64url'), madeMs: rowMadeMs(bytes), state })
    }
  }
  return found
}

export interface ErasureOptions {
  /** The decrypt side's own keys folder: its access log, and its signer. */
  readonly dir: string
  readonly signer: Signer
  /** The keys folders of all gateways that met the person; `dir` too where it is one. */
  readonly keysFolders: readonly string[]
  readonly reason: string
  readonly who?: string
  readonly nowMs: number
}

/**
 * Destroys a person's secrets. Written to the access log before it happens; gives one signed receipt a folder. What was
 * sealed for him under them can be opened by nobody any more, in no store and no backup of a store.
 * Rejects with `KeyError`: then some folders may be done; erase again.
 */
export async function eraseSubject(person: Person, options: ErasureOptions): Promise<SubjectReceipt[]> {
  return await change(person, options, 'douane-subject-erased/1')
}

/** Lets an erased person have a secret again, for new content. What was erased stays so. One receipt a folder. */
export async function readmitSubject(person: Person, options: ErasureOptions): Promise<SubjectReceipt[]> {
  return await change(person, options, 'douane-subject-readmitted/1')
}

async function change(
  person: Person,
  options: ErasureOptions,
  format: SubjectReceipt['format'],
): Promise<SubjectReceipt[]> {
  const { dir, signer, keysFolders, nowMs } = options
  const reason = checkedReason(options.reason)
  const places = keysFolders.map((keysFolder) => {
    makeFolder(keysFolder)
    const lookup = lookupOf(tenantKeys(subjectRoot(keysFolder, true)!, person.tenant), person.id)
    return { keysFolder, lookup, refs: findIn(keysFolder, lookup).map(({ ref }) => ref) }
  })
  const log = await AccessLog.open(dir)
  try {
    const action = format === 'douane-subject-erased/1' ? 'erase' : 'readmit'
    const what = places.map(({ lookup, refs }) => ({
      tenant: person.tenant,
      subject: lookup.toString('hex'),
      refs: refs.join(' '),
    }))
    await log.append([{ action, atMs: nowMs, who: currentUser(options.who), reason, what }])
  } finally {
    await log.close()
  }
  return places.map(({ keysFolder, lookup, refs }) => {
    const open = { format, tenant: person.tenant, lookup: lookup.toString('hex'), refs, atMs: nowMs, reason }
    const receipt = signDocument(open, signer.privateKey)
    keepReceipt(keysFolder, receipt)
    const erased = new Erased(readReceipts(keysFolder))
    for (const file of rowFiles(keysFolder)) wipeErased(file, erased)
    return receipt
  })
}
