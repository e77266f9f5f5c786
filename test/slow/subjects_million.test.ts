/** A million people whom nobody has met, two sealed fields each: caches stay within their bounds, and it is quick. */
import { randomFillSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { openSealer } from '../../src/keys/sealer.ts'
import { SubjectKeys } from '../../src/keys/subjects.ts'
import { limits } from '../../src/limits.ts'
import { acme, freshFolder, keptLog, text } from '../keys/support.ts'

const people = 1_000_000
const fields = ['log.body', 'log.attributes["comment"]'] as const
const perRequest = 2000

test('a million people: above 50,000 records a second of CPU, memory within a bound', async () => {
  const dir = freshFolder()
  const sealer = await openSealer({ dir, nowMs: Date.now, log: keptLog() })
  const value = Buffer.from(text('a comment of some words, as people write them'))
  const before = process.cpuUsage()
  for (let first = 0; first < people; first += perRequest) {
    // As in a request: the chain asks for all of its people, then the copies are sealed.
    const subjects = Array.from({ length: perRequest }, (_, i) => sealer.of('acme', `person-${first + i}@example.org`))
    for (const subject of subjects) {
      for (const field of fields) sealer.sealText!(value, 0, value.length, acme, field, { subject })
    }
  }
  const { user, system } = process.cpuUsage(before)
  const perSecond = people / ((user + system) / 1e6)
  sealer.close()
  console.log(`${Math.round(perSecond)} records per second of CPU`)
  expect(perSecond).toBeGreaterThan(50_000)

  const random = (buffer: Buffer) => void randomFillSync(buffer)
  global.gc?.()
  const empty = process.memoryUsage()
  const again = new SubjectKeys({ dir, worker: 'another', nowMs: Date.now, random, log: keptLog() })
  for (let i = 0; i < people; i++) again.of('acme', `person-${i}@example.org`)
  again.flush()
  expect(again.cached).toBe(limits.subjectsCachedMax)
  global.gc?.()
  const full = process.memoryUsage()
  const grown = full.heapUsed + full.arrayBuffers - empty.heapUsed - empty.arrayBuffers
  console.log(`${(grown / 2 ** 20).toFixed(0)} MiB for a million people`)
  expect(grown).toBeLessThan(128 * 2 ** 20)
  again.close()
})
