/**
 * Private halves and their provider: wrapped only where the provider gives back what it got, unwrapped by the one that
 * wrapped them.
 */
import { randomBytes } from 'node:crypto'
import { KeyError } from '../errors.ts'
import type { KmsProvider } from './kms.ts'
import type { RecipientDocument } from './recipients.ts'

/** Wraps, and sees that the provider gives back what it wrapped. Rejects with `KeyError`. */
export async function wrapTested(
  kms: KmsProvider,
  secret: Buffer,
  context: string,
): Promise<{ wrapped: Uint8Array; provider: string }> {
  const wrapped = await kms.wrap(secret, context)
  const back = await kms.unwrap(wrapped, context)
  const same = back.equals(secret)
  back.fill(0)
  if (!same) throw new KeyError(`the ${kms.name} provider does not give back what it wrapped`)
  return { wrapped, provider: kms.name }
}

/** The private half of a recipient key, for the caller to wipe. Rejects with `KeyError`. */
export async function unwrapRecipient(
  providers: ReadonlyMap<string, KmsProvider>,
  { provider, wrapped, id }: RecipientDocument,
): Promise<Buffer> {
  const guard = providers.get(provider)
  if (!guard) {
    throw new KeyError(
      `a key is guarded by the provider ${provider}, which is not configured`,
      `Name it under providers in providers.yaml of the keys folder. See: douane keys providers`,
    )
  }
  return guard.unwrap(Buffer.from(wrapped, 'base64url'), id)
}

export interface ProviderTrial {
  readonly provider: string
  readonly ok: boolean
  readonly ms?: number
  readonly cause?: string
  readonly fix?: string
}

/** A canary there and back. */
export async function tryProvider(provider: KmsProvider): Promise<ProviderTrial> {
  const startMs = performance.now()
  try {
    await wrapTested(provider, randomBytes(32), 'canary')
    return { provider: provider.name, ok: true, ms: Math.round(performance.now() - startMs) }
  } catch (error) {
    if (!(error instanceof KeyError)) throw error
    const { message: cause, fix } = error
    return { provider: provider.name, ok: false, cause, ...(fix !== undefined && { fix }) }
  }
}
