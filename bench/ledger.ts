/**
 * What the ledger costs a delivery: leaves a second, and how long one waits for its leaf, for batches of three sizes.
 *
 *   node bench/ledger.ts [FOLDER]
 *
 * Ten batches at once, as ten consumers send them. FOLDER should be on the disk that a data directory would be on.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ledger } from '../src/ledger/ledger.ts'

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'douane-ledger-'))
const consumers = 10
const place = { destination: 'otlp_http/a', region: 'eu-de' }

for (const bytes of [4 * 1024, 64 * 1024, 1024 * 1024]) {
  const ledger = await Ledger.open(join(folder, String(bytes)))
  const body = randomBytes(bytes)
  const waits: number[] = []
  const endMs = performance.now() + 3000
  const cpu = process.cpuUsage()
  await Promise.all(
    Array.from({ length: consumers }, async (_, consumer) => {
      for (let i = 0; performance.now() < endMs; i++) {
        const startMs = performance.now()
        const holdings = [{ tenant: `t${i % 50}`, purposes: ['billing'], content: 'drop' as const, records: 100 }]
        const batch = { id: `${consumer}-${i}`, body, records: 100, refused: 0, policyVersion: 'v', holdings }
        await ledger.add(batch, place, Date.now())
        waits.push(performance.now() - startMs)
      }
    }),
  )
  const { user, system } = process.cpuUsage(cpu)
  const middle = waits.toSorted((a, b) => a - b)[Math.floor(waits.length / 2)]!
  console.log(
    `${bytes / 1024} KiB: ${Math.round(waits.length / 3)} batches/s, ${middle.toFixed(1)} ms each, ${Math.round((user + system) / waits.length)} µs of processor time each`,
  )
  await ledger.close()
}
rmSync(folder, { recursive: true })
