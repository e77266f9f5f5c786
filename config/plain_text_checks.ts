/**
 * What would cross a network unencrypted, and client certificates that nobody asks for.
 *
 * Plain text between machines is a warning, since a proxy or a private network may take care of it, and the program
 * cannot see that. Certificates that are never asked for are a mistake: nobody could ever come in.
 */
import { isLoopback, parseEndpoint } from '../src/receive/listen.ts'
import type { Found } from './cross_checks.ts'
import { type ConfigPath, type Problem, problemAt } from './problem.ts'
import { spotOf, type Tree } from './tree.ts'

const protocols = ['grpc', 'http'] as const
const typeOf = (id: string): string => id.split('/')[0]!

export function plainTextWarnings({ receivers, exporters }: Found, tree: Tree): Problem[] {
  const warnings: Problem[] = []
  for (const [id, { options }] of receivers) {
    if (options.auth === undefined) continue
    for (const protocol of protocols) {
      const served = options.protocols[protocol]
      if (served === undefined || served.tls !== undefined) continue
      if (isLoopback(parseEndpoint(served.endpoint)!.host)) continue
      const path = ['receivers', id, 'protocols', protocol, 'endpoint']
      const what = 'credentials and records come to it unencrypted from other machines'
      warnings.push(problemAt(spotOf(tree, path), path, { what, fix: 'set tls' }))
    }
  }
  for (const [id, { options }] of exporters) {
    const found = plainTextOf(typeOf(id), options as Readonly<Record<string, unknown>>)
    if (found === undefined) continue
    const path: ConfigPath = ['exporters', id, found.option]
    const what = 'records go to another machine unencrypted'
    warnings.push(problemAt(spotOf(tree, path), path, { what, fix: found.fix }))
  }
  return warnings
}

/** The option of an exporter by which records leave this machine in plain text, and how they would not. */
function plainTextOf(
  type: string,
  options: Readonly<Record<string, unknown>>,
): { option: string; fix: string } | undefined {
  const option = type === 'postgres' ? 'url' : options['logs_endpoint'] === undefined ? 'endpoint' : 'logs_endpoint'
  const text = options[option]
  if (typeof text !== 'string') return undefined
  const isInsecure = (options['tls'] as { insecure?: boolean } | undefined)?.insecure === true
  const url = URL.parse(
    type === 'otlp_grpc' && !text.includes('://') ? `${isInsecure ? 'http' : 'https'}://${text}` : text,
  )
  if (url === null || url.hostname === '' || isLoopback(url.hostname.replace(/^\[|\]$/g, ''))) return undefined
  if (type === 'postgres') {
    const isSafe = /^(?:require|verify-ca|verify-full)$/.test(url.searchParams.get('sslmode') ?? '')
    return isSafe ? undefined : { option, fix: 'add sslmode=verify-full' }
  }
  if (type === 'otlp_grpc' && isInsecure) return { option, fix: 'leave tls.insecure out' }
  return url.protocol === 'http:' ? { option, fix: 'write https://' } : undefined
}

/** `mutual_tls` on an endpoint that asks for no certificates. */
export function uselessCertificates({ receivers }: Found, tree: Tree): Problem[] {
  return [...receivers].flatMap(([id, { options }]) => {
    const name = options.auth?.authenticator
    if (name === undefined || typeOf(name) !== 'mutual_tls') return []
    return protocols.flatMap((protocol) => {
      const served = options.protocols[protocol]
      if (served === undefined || served.tls?.client_ca_file !== undefined) return []
      const path = ['receivers', id, 'protocols', protocol]
      const what = `${name} looks at client certificates, and this endpoint asks for none`
      const fix = 'set tls.client_ca_file to the authorities that sign your clients’ certificates'
      return [problemAt(spotOf(tree, path), path, { what, fix })]
    })
  })
}
