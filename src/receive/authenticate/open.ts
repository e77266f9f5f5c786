/**
 * The authenticators by their type under `extensions`: schema, and how to open one.
 */
import type { z } from 'zod'
import { type AuthenticatorHost, apiKeysSchema, openApiKeys } from './api_keys.ts'
import type { Authenticator } from './authenticator.ts'
import { mutualTlsSchema, openMutualTls } from './mutual_tls.ts'
import { oidcSchema, openOidc } from './oidc.ts'

interface AuthenticatorType<Schema extends z.ZodType> {
  readonly schema: Schema
  readonly open: (config: z.output<Schema>, host: AuthenticatorHost) => Authenticator | Promise<Authenticator>
}
const type = <Schema extends z.ZodType>(entry: AuthenticatorType<Schema>): AuthenticatorType<Schema> => entry

export const authenticators = {
  api_keys: type({ schema: apiKeysSchema, open: openApiKeys }),
  mutual_tls: type({ schema: mutualTlsSchema, open: openMutualTls }),
  oidc: type({ schema: oidcSchema, open: openOidc }),
} as const

export type { AuthenticatorHost } from './api_keys.ts'
