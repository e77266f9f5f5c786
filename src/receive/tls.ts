/**
 * TLS of a receiver: the options of `tls`, read from files, and read again when the files change.
 *
 * Certificates are renewed by others while the gateway runs. A new pair is taken only when it loads and fits; else the
 * old one stays and the operator is told. A changed `client_ca_file` counts for new connections.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureVersion, type TlsOptions } from 'node:tls'
import type { z } from 'zod'
import { ConfigError, DependencyError } from '../errors.ts'
import type { tlsSchema } from './config.ts'
import { type Watch, watchFiles } from './watch.ts'

type TlsConfig = z.output<typeof tlsSchema>

export interface Tls {
  /** For `createServer`. */
  readonly context: TlsOptions
  /** From now on `apply` is called with each new context. */
  keepFresh(apply: (context: TlsOptions) => void): void
  look(): Promise<void>
  close(): void
}

/** Reads the files; `reloaded` hears of each later reading, with the error where the old files stay in force. */
export async function loadTls(config: TlsConfig, reloaded: (error: string | undefined) => void): Promise<Tls> {
  const context = await readContext(config)
  let apply: ((context: TlsOptions) => void) | undefined
  const files = [config.cert_file, config.key_file, ...(config.client_ca_file ? [config.client_ca_file] : [])]
  const watch: Watch = await watchFiles(files, config.reload_interval, async () => {
    try {
      apply?.(await readContext(config))
      reloaded(undefined)
    } catch (error) {
      reloaded((error as Error).message)
    }
  })
  return {
    context,
    keepFresh: (next) => {
      apply = next
    },
    look: watch.look,
    close: watch.close,
  }
}

async function readContext(config: TlsConfig): Promise<TlsOptions> {
  const cert = await read(config.cert_file, 'cert_file')
  const key = await read(config.key_file, 'key_file')
  const ca = config.client_ca_file === undefined ? undefined : await read(config.client_ca_file, 'client_ca_file')
  const context: TlsOptions = {
    cert,
    key,
    minVersion: `TLSv${config.min_version}` as SecureVersion,
    maxVersion: `TLSv${config.max_version}` as SecureVersion,
    ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: true }),
  }
  check(context, cert, key)
  return context
}

/** Throws `ConfigError` where the files are no certificate and key, or do not belong together. */
function check(context: TlsOptions, cert: Buffer, key: Buffer): void {
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      createSecureContext(context as Parameters<typeof createSecureContext>[0])
      return
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new ConfigError(`tls: the certificate, the key or the client CA is not valid PEM (${code})`, ['tls'])
  }
  throw new ConfigError('tls: the key does not belong to the certificate', ['tls', 'key_file'])
}

async function read(file: string, option: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new DependencyError(`tls.${option}: cannot read ${file} (${code})`, 'Check the path and its permissions.')
  }
}
