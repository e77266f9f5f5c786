import { describe, expect, test } from 'vitest'
import { decodeLeniently, decodeRequest, encodeRequest } from './otlp.ts'
import { damage, encodeWildly, randomRequest, seeded } from './random.ts'

describe('the oracle', () => {
  test('reads back what protobufjs wrote', () => {
    for (let seed = 0; seed < 500; seed++) {
      const request = randomRequest(seeded(seed))
      const bytes = encodeRequest(request)
      expect(decodeRequest(bytes), `seed ${seed}`).toEqual(request)
      expect(decodeLeniently(bytes), `seed ${seed}`).toEqual(request)
    }
  })

  test('wild bytes of a request are valid, and hold at least its records', () => {
    let unknown = 0
    let equal = 0
    for (let seed = 0; seed < 500; seed++) {
      const random = seeded(seed)
      const request = randomRequest(random)
      const seen = { unknown: 0 }
      const read = decodeRequest(encodeWildly(request, random), seen)
      unknown += seen.unknown
      if (JSON.stringify(read, plain) === JSON.stringify(request, plain)) equal++
    }
    expect(unknown).toBeGreaterThan(500)
    expect(equal).toBeGreaterThan(50)
  })

  test('where it accepts damaged bytes, protobufjs accepts them too', () => {
    let refused = 0
    for (let seed = 0; seed < 2000; seed++) {
      const random = seeded(seed)
      const bytes = damage(encodeRequest(randomRequest(random)), random)
      try {
        decodeRequest(bytes)
      } catch {
        refused++
        continue
      }
      expect(() => decodeLeniently(bytes), `seed ${seed}`).not.toThrow()
    }
    expect(refused).toBeGreaterThan(200)
  })
})

const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
