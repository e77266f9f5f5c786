/** What every key provider must do, whoever it is: asked of each one by its own test. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { KmsProvider } from '../../../src/keys/kms.ts'
import { limits } from '../../../src/limits.ts'

/** `again` opens the same service anew, as another process would. */
export async function expectProvider(provider: KmsProvider, again: () => Promise<KmsProvider>): Promise<void> {
  const blob = randomBytes(32)
  const wrapped = await provider.wrap(blob, 'key-1')
  expect(Buffer.from(wrapped).includes(blob)).toBe(false)
  expect(await provider.unwrap(wrapped, 'key-1')).toEqual(blob)
  expect(await (await again()).unwrap(wrapped, 'key-1')).toEqual(blob)
  expect(Buffer.from(await provider.wrap(blob, 'key-1'))).not.toEqual(Buffer.from(wrapped))

  await expect(provider.unwrap(wrapped, 'key-2')).rejects.toMatchObject({ code: 'key' })
  const changed = Buffer.from(wrapped)
  changed[changed.length - 3]! ^= 1
  await expect(provider.unwrap(changed, 'key-1')).rejects.toMatchObject({ code: 'key' })
  await expect(provider.unwrap(Buffer.alloc(0), 'key-1')).rejects.toMatchObject({ code: 'key' })

  const largest = randomBytes(limits.kmsBlobBytesMax)
  expect(await provider.unwrap(await provider.wrap(largest, 'ü'), 'ü')).toEqual(largest)
}
