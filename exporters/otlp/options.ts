/**
 * Options that both OTLP exporters share, under the Collector's names.
 */
import { z } from 'zod'
import packageJson from '../../package.json' with { type: 'json' }
import { ConfigError } from '../../src/errors.ts'
import { duration } from '../../src/units.ts'

export const userAgent = `douane/${packageJson.version}`

/** The same on every attempt to send a batch, so that a destination can tell a repeat. */
export const batchIdHeader = 'douane-batch-id'

/** Set by the exporter or the transport; a config that sets them would break requests. */
const reserved = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  batchIdHeader,
])

export const headersOption = z
  .record(
    z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { error: 'not the name of a header' }),
    z.string().regex(/^[\t\x20-\x7e]*$/, { error: 'a header holds printable ASCII only' }),
  )
  .default({})
  .describe('Headers of every request, such as an API key.')
  .meta({ secret: true })

/** Lower-case names. Throws `ConfigError` for a header that is not the user's to set. */
export function requestHeaders(headers: Record<string, string>): Record<string, string> {
  const lower: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const key = name.toLowerCase()
    if (reserved.has(key) || key.startsWith('grpc-') || key.startsWith(':'))
      throw new ConfigError(`the header ${key} is set by the exporter itself`, ['headers', name], 'remove it')
    lower[key] = value
  }
  return lower
}

export const tlsOptions = z
  .strictObject({
    insecure: z
      .boolean()
      .default(false)
      .describe('true: no TLS at all (gRPC). For HTTP the endpoint’s scheme decides.'),
    insecure_skip_verify: z
      .boolean()
      .default(false)
      .describe('true: the server’s certificate is not checked. Whoever is in between can read everything.'),
    ca_file: z
      .string()
      .min(1)
      .optional()
      .describe('Certificates of the authorities that are trusted, PEM; left out: those that Node trusts.'),
    cert_file: z.string().min(1).optional().describe('The client’s certificate chain, PEM; goes with key_file.'),
    key_file: z.string().min(1).optional().describe('The private key of the client’s certificate, PEM.'),
    min_version: z.enum(['1.2', '1.3']).default('1.2').describe('The oldest TLS version that is accepted.'),
    server_name_override: z
      .string()
      .min(1)
      .optional()
      .describe('The name that the server’s certificate must hold, where it is not the endpoint’s.'),
    reload_interval: duration().default(60_000).describe('How often the files are read again; 0 = at start only.'),
  })
  .refine((tls) => (tls.cert_file === undefined) === (tls.key_file === undefined), {
    message: 'cert_file and key_file go together',
  })
  .describe('TLS towards the destination.')
export type TlsOptions = z.output<typeof tlsOptions>
