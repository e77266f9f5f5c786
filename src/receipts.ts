/**
 * Receipts: what was deleted from stores, how many records, by which version of the policy. A signed log of its own in
 * the data directory (`receipts/deletions`), which the gateway and `douane retention run` write.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Receipt } from './contract.ts'
import { type AuditVerdict, type LogPlace, SignedLog, verifySignedLog } from './keys/signed_log.ts'

const placeOf = (dataDir: string): LogPlace => ({
  folder: join(dataDir, 'receipts'),
  name: 'deletions',
  origin: 'deletions',
})

/** Resolves when the receipts and a signed checkpoint over them are on disk. */
export async function keepReceipts(dataDir: string, receipts: readonly Receipt[]): Promise<void> {
  if (receipts.length === 0) return
  const log = await SignedLog.open(placeOf(dataDir))
  try {
    await log.append(receipts.map((receipt) => ({ v: 1, ...receipt })))
  } finally {
    await log.close()
  }
}

export const hasReceipts = (dataDir: string): boolean => existsSync(placeOf(dataDir).folder)

/** Every receipt, oldest first, each a line of JSON. */
export async function* readReceipts(dataDir: string): AsyncGenerator<string> {
  const log = await SignedLog.open(placeOf(dataDir))
  try {
    yield* log.entries()
  } finally {
    await log.close()
  }
}

/** Whether all receipts are what was signed. Throws `KeyError` where there are none. */
export const verifyReceipts = (dataDir: string): Promise<AuditVerdict> => verifySignedLog(placeOf(dataDir))
