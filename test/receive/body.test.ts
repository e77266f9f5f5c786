/** Bodies and their pool: whatever the chunks, the bytes are whole, the memory is counted and comes back. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { limits } from '../../src/limits.ts'
import { wireBytesMax } from '../../src/otlp/json.ts'
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
        const body = new Body(pool.of('a'), whole.length, declares ? whole.length : 0)
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
    const body = new Body(pool.of('a'), limits.bodyBytesMax, limits.bodyBytesMax)
    expect(pool.inflightBytes).toBe(0)
    body.append(Buffer.from('x'))
    expect(pool.inflightBytes).toBeLessThanOrEqual(limits.bodyBufferFirstBytesMax)
    body.release()
  })

  it('a refusal for want of memory leaves nothing behind', () => {
    const pool = new BodyPool(100_000)
    const body = new Body(pool.of('a'), 1_000_000, 0)
    expect(body.append(Buffer.alloc(40_000))).toBe('kept')
    expect(body.append(Buffer.alloc(40_000))).toBe('no_share')
    expect(body.length).toBe(40_000)
    body.release()
    expect(pool.inflightBytes).toBe(0)
    expect(pool.of('a').take(60_000)).toBeInstanceOf(Buffer)
    expect(pool.of('b').take(60_000)).toBe('no_memory')
  })
})

describe('the pool', () => {
  it('hands a buffer out again, never twice at once, and keeps no more than its bound', () => {
    const memory = new BodyPool(1e9).of('a')
    const take = (bytes: number) => memory.take(bytes) as Buffer
    const first = take(100_000)
    const second = take(100_000)
    expect(second).not.toBe(first)
    memory.give(first)
    expect(take(70_000)).toBe(first)
    const many = Array.from({ length: 100 }, () => take(1024 * 1024))
    for (const buffer of many) memory.give(buffer)
    const again = Array.from({ length: 100 }, () => take(1024 * 1024))
    const reused = again.filter((buffer) => many.includes(buffer)).length
    expect(reused * 1024 * 1024).toBeLessThanOrEqual(limits.pooledBodyBytesMax)
    expect(reused).toBeGreaterThan(0)
  })
})

describe('a sender', () => {
  const MiB = 2 ** 20

  it('leaves room for others, however much it sends; and they for those after them', () => {
    const pool = new BodyPool(192 * MiB)
    const taken = (name: string): number => {
      let bytes = 0
      while (Buffer.isBuffer(pool.of(name).take(MiB))) bytes += MiB
      return bytes
    }
    expect(taken('first') / MiB).toBe(144)
    expect(pool.of('first').take(MiB)).toBe('no_share')
    expect(taken('second') / MiB).toBe(36)
    expect(taken('third') / MiB).toBe(9)
    expect(pool.of('fourth').take(MiB)).toBeInstanceOf(Buffer)
  })

  it('gets the largest body through, JSON and all, where nothing else is there; but not two that leave nothing', () => {
    const pool = new BodyPool()
    const first = pool.of('a')
    const text = first.take(limits.bodyBytesMax)
    const wire = first.take(wireBytesMax(limits.bodyBytesMax))
    expect([text, wire].every(Buffer.isBuffer)).toBe(true)
    expect(pool.of('a').take(limits.bodyBytesMax)).toBe('no_share')
    expect(pool.of('b').take(limits.bodyBytesMax)).toBe('no_memory')
    expect(pool.of('a').take(limits.bodyBytesMax / 4)).toBeInstanceOf(Buffer)
    expect(pool.of('a').take(limits.bodyBytesMax / 4)).toBe('no_share')
    expect(pool.of('b').take(limits.bodyBytesMax / 4)).toBeInstanceOf(Buffer)
  })

  it('has what it gave back again; and one share, over however many connections', () => {
    const pool = new BodyPool(8 * MiB)
    for (let n = 0; n < 100; n++) {
      const buffers = Array.from({ length: 6 }, () => pool.of('a').take(MiB) as Buffer)
      expect(buffers.every(Buffer.isBuffer)).toBe(true)
      for (const buffer of buffers) pool.of('a').give(buffer)
    }
    expect(pool.inflightBytes).toBe(0)
    const connections = Array.from({ length: 8 }, () => pool.of('a'))
    const taken = connections.map((memory) => memory.take(MiB)).filter(Buffer.isBuffer)
    expect(taken.length).toBe(6)
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
