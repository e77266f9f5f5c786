/** Bodies and their pool: whatever the chunks, the bytes are whole, the memory is counted and comes back. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { limits } from '../../src/limits.ts'
import { Body } from '../../src/receive/body.ts'
import { BodyPool } from '../../src/receive/pool.ts'
import { Uploads } from '../../src/receive/uploads.ts'

describe('a body', () => {
  it('is its chunks, for any chunks and any declared length', () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 40_000 }), { maxLength: 12 })
    fc.assert(
      fc.property(chunks, fc.boolean(), (parts, declares) => {
        const whole = Buffer.concat(parts)
        const pool = new BodyPool()
        const body = new Body(pool, whole.length, declares ? whole.length : 0)
        for (const part of parts) expect(body.append(Buffer.from(part))).toBe('kept')
        expect(body.bytes().equals(whole)).toBe(true)
        expect(body.append(Buffer.from('x'))).toBe('too_large')
        expect(body.bytes().equals(whole)).toBe(true)
        if (whole.length > 0) expect(pool.inflightBytes).toBeGreaterThanOrEqual(whole.length)
        body.release()
        body.release()
        expect(pool.inflightBytes).toBe(0)
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  it('holds memory for bytes that came, not for bytes that were promised', () => {
    const pool = new BodyPool()
    const body = new Body(pool, limits.bodyBytesMax, limits.bodyBytesMax)
    expect(pool.inflightBytes).toBe(0)
    body.append(Buffer.from('x'))
    expect(pool.inflightBytes).toBeLessThanOrEqual(limits.bodyBufferFirstBytesMax)
    body.release()
  })

  it('a refusal for want of memory leaves nothing behind', () => {
    const pool = new BodyPool(100_000)
    const body = new Body(pool, 1_000_000, 0)
    expect(body.append(Buffer.alloc(40_000))).toBe('kept')
    expect(body.append(Buffer.alloc(40_000))).toBe('no_memory')
    expect(body.length).toBe(40_000)
    body.release()
    expect(pool.inflightBytes).toBe(0)
    expect(pool.take(60_000)).toBeDefined()
    expect(pool.take(60_000)).toBeUndefined()
  })
})

describe('the pool', () => {
  it('hands a buffer out again, never twice at once, and keeps no more than its bound', () => {
    const pool = new BodyPool(1e9)
    const first = pool.take(100_000)!
    const second = pool.take(100_000)!
    expect(second).not.toBe(first)
    pool.give(first)
    expect(pool.take(70_000)).toBe(first)
    const many = Array.from({ length: 100 }, () => pool.take(1024 * 1024)!)
    for (const buffer of many) pool.give(buffer)
    const again = Array.from({ length: 100 }, () => pool.take(1024 * 1024)!)
    const reused = again.filter((buffer) => many.includes(buffer)).length
    expect(reused * 1024 * 1024).toBeLessThanOrEqual(limits.pooledBodyBytesMax)
    expect(reused).toBeGreaterThan(0)
  })
})

describe('uploads', () => {
  const upload = (rate: (second: number) => number) => {
    const it = { receivedBytes: 0, second: 0, endedAt: 0, tooSlow: () => {}, step: () => {} }
    it.step = () => {
      it.second++
      it.receivedBytes += rate(it.second)
    }
    it.tooSlow = () => {
      it.endedAt = it.second
    }
    return it
  }
  const grace = limits.bodyGraceMs / 1000
  it.each([
    ['a byte a second', () => 1, grace + 1],
    ['nothing at all', () => 0, grace + 1],
    ['a burst, then silence', (second: number) => (second === 1 ? 1e7 : 0), grace + 1],
    ['just the smallest rate', () => limits.bodyBytesPerSecondMin, 0],
    ['pauses shorter than the grace', (second: number) => (second % (grace - 1) === 0 ? 1e6 : 0), 0],
  ])('%s', (_, rate, endedAt) => {
    const uploads = new Uploads()
    const one = upload(rate)
    uploads.add(one)
    for (let second = 0; second < 60 && one.endedAt === 0; second++) {
      one.step()
      uploads.sweep()
    }
    expect(one.endedAt).toBe(endedAt)
    uploads.close()
  })
})
