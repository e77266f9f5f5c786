/**
 * What sealing costs, in CPU time of this process: `node bench/encrypt.ts`.
 *
 * The columns: a value's bytes, µs of CPU a token, and, in the same run, what AES-256-GCM of node:crypto and base64url
 * cost alone, without keys, epochs, clock or headers.
 */
import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log, SealContext } from '../src/contract.ts'
import { openSealer } from '../src/keys/sealer.ts'

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }
const runs = 9

/** The best of several runs, in µs of CPU a call. */
function cpuMicros(calls: number, work: (i: number) => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    const before = process.cpuUsage()
    for (let i = 0; i < calls; i++) work(i)
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / calls)
  }
  return best
}

const dir = mkdtempSync(join(tmpdir(), 'douane-bench-'))
const sealer = await openSealer({ dir, nowMs: Date.now, log: quiet })
const contexts: SealContext[] = ['support', 'security'].map((purpose) => ({
  tenant: 'acme',
  region: 'eu-de',
  purpose,
  retention: '1mo',
}))
const fields = ['log.body', 'log.attributes["comment"]']

const key = createSecretKey(randomBytes(32))
function bareGcm(value: Buffer, iv: Buffer, aad: Buffer): string {
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
  cipher.setAAD(aad)
  const sealed = cipher.update(value)
  cipher.final()
  return sealed.base64urlSlice(0, sealed.length) + cipher.getAuthTag().base64urlSlice(0, 16)
}

console.log('bytes     µs a token   node:crypto A256GCM alone')
for (const bytes of [24, 100, 500, 1500, 1600, 4096, 65_536]) {
  const value = randomBytes(bytes)
  const [iv, aad] = [randomBytes(12), randomBytes(100)]
  const calls = bytes > 5000 ? 3000 : 50_000
  const ours = cpuMicros(calls, (i) => sealer.sealText!(value, 0, bytes, contexts[i & 1]!, fields[(i >> 1) & 1]!))
  const bare = cpuMicros(calls, () => bareGcm(value, iv, aad))
  console.log(`${String(bytes).padEnd(9)} ${ours.toFixed(2).padEnd(12)} ${bare.toFixed(2)}`)
}

const tenants = 1000
const first = cpuMicros(1, () => 0)
const before = process.cpuUsage()
for (let i = 0; i < tenants; i++) sealer.seal(randomBytes(24), { ...contexts[0]!, tenant: `tenant ${i}` }, fields[0]!)
const { user, system } = process.cpuUsage(before)
console.log(
  `a tenant's first value (recipient and epoch key made, on disk): ${((user + system) / tenants - first).toFixed(0)} µs of CPU`,
)
sealer.close()
rmSync(dir, { recursive: true })
