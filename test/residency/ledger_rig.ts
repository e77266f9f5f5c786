/** Ledgers for tests: filled with batches of three tenants, and reports of them. */
import { join } from 'node:path'
import { signerText } from '../../src/keys/signature.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import { writeReport } from '../../src/ledger/report.ts'
import type { Delivered } from '../../src/pipeline/parcel.ts'
import { seeded } from '../oracle/random.ts'
import { temporaryFolder } from './rig.ts'

export const place = { destination: 'otlp_http/home', region: 'eu-de' }
export const batch = (id: string, tenants: readonly string[]): Delivered => ({
  id,
  body: Buffer.from(`body of ${id}`),
  records: tenants.length,
  refused: 0,
  policyVersion: 'v1',
  holdings: tenants.map((tenant) => ({ tenant, purposes: ['billing'], content: 'drop' as const, records: 1 })),
})

export async function filled(count: number) {
  const folder = join(temporaryFolder(), 'ledger')
  const ledger = await Ledger.open(folder)
  const random = seeded(count)
  for (let i = 0; i < count; i++) {
    const tenants = ['acme', 'globex', 'initech'].filter(() => random() < 0.6)
    await ledger.add(batch(`b${i}`, tenants), place, 1_800_000_000_000 + i * 1000)
    if (random() < 0.2) await ledger.checkpoint()
  }
  const key = signerText(ledger.identity.publicKey)
  const report = async (tenant = 'acme', sinceMs = 0, untilMs = 2_000_000_000_000) => {
    const lines: string[] = []
    const sums = await writeReport(ledger, { tenant, sinceMs, untilMs }, (line) => lines.push(line))
    return { lines, sums }
  }
  return { folder, ledger, key, report }
}
