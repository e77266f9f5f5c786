/**
 * Mutual TLS: who a client is stands in its certificate, which TLS has verified against `client_ca_file`.
 *
 * A rule names a subject (`CN=worker,O=acme`, the parts in any order) or a subject alternative name (`DNS:a.example`,
 * `URI:spiffe://acme/worker`), exactly. The first rule that fits counts; a certificate without a rule is known but may
 * speak for nobody: forbidden.
 */
import type { PeerCertificate } from 'node:tls'
import { z } from 'zod'
import type { Authenticator, Verdict } from './authenticator.ts'

const tenants = z.array(z.string().min(1)).min(1).describe('The tenants that it may speak for.')

export const mutualTlsSchema = z
  .strictObject({
    clients: z
      .array(
        z.union([
          z.strictObject({ subject: z.string().min(1).describe('The subject, such as CN=worker,O=acme.'), tenants }),
          z.strictObject({
            san: z
              .string()
              .regex(/^(?:DNS|URI|IP Address|email):./, 'must start with DNS:, URI:, IP Address: or email:')
              .describe('A subject alternative name, such as DNS:worker.acme.example.'),
            tenants,
          }),
        ]),
      )
      .min(1)
      .describe('Who may speak for whom; the first that fits counts.'),
  })
  .describe('Client certificates. Needs tls.client_ca_file on each endpoint.')
export type MutualTlsConfig = z.output<typeof mutualTlsSchema>

export function openMutualTls(config: MutualTlsConfig): Authenticator {
  const clients = config.clients.map((client) =>
    'subject' in client
      ? { subject: canonical(client.subject), tenants: client.tenants }
      : { san: client.san, tenants: client.tenants },
  )
  /** A connection's certificate object is the same for all its requests. */
  const known = new WeakMap<PeerCertificate, Verdict>()
  const judge = (certificate: PeerCertificate): Verdict => {
    const subject = subjectOf(certificate)
    const names = altNames(certificate.subjectaltname)
    const client = clients.find((c) => ('san' in c ? names.includes(c.san) : c.subject === subject))
    if (client === undefined) return { is: 'forbidden', principal: subject }
    return { is: 'known', identity: { principal: 'san' in client ? client.san : subject, tenants: client.tenants } }
  }
  return {
    scheme: 'Mutual',
    needsCertificates: true,
    authenticate({ certificate }) {
      const presented = certificate()
      if (presented === undefined) return { is: 'unknown', failure: 'missing' }
      const before = known.get(presented)
      if (before !== undefined) return before
      const verdict = judge(presented)
      known.set(presented, verdict)
      return verdict
    },
    close() {},
  }
}

/** `O=acme, CN=worker` → `CN=worker,O=acme`. */
function canonical(subject: string): string {
  return subject
    .split(/(?<!\\),/)
    .map((part) => part.trim())
    .sort()
    .join(',')
}

/** A value with a comma would be read as two parts: it is escaped, so that it cannot pass for them. */
function subjectOf(certificate: PeerCertificate): string {
  return Object.entries(certificate.subject)
    .flatMap(([name, value]) => [value].flat().map((one) => `${name}=${String(one).replace(/[\\,]/g, '\\$&')}`))
    .sort()
    .join(',')
}

/** `DNS:a, URI:"b, c"` → its names. Node quotes a name that holds a comma, as JSON. */
function altNames(text: string | undefined): string[] {
  const names: string[] = []
  for (const [, kind, quoted, plain] of (text ?? '').matchAll(
    /([A-Za-z ]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g,
  )) {
    names.push(`${kind}:${quoted === undefined ? plain : JSON.parse(quoted)}`)
  }
  return names
}
