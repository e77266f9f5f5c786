/**
 * The TLS files of an exporter: read at start, and again when `reload_interval` has passed, so that certificates can
 * be renewed while the gateway runs. A file that cannot be read later on leaves the last good ones in force.
 */
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Host } from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import type { TlsOptions } from './options.ts'

type FileOption = 'ca_file' | 'cert_file' | 'key_file'

interface Pems {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

export class Credentials {
  readonly #options: TlsOptions
  readonly #host: Host
  #pems: Pems
  #context: SecureContext
  #readAtMs: number

  /** Throws `ConfigError` for a file that cannot be read or holds no certificate or key. */
  constructor(options: TlsOptions, host: Host) {
    this.#options = options
    this.#host = host
    this.#pems = this.#read()
    this.#context = this.#contextOf(this.#pems)
    this.#readAtMs = host.nowMs()
  }

  /** The context for a new connection; another object when the files have changed. */
  context(): SecureContext {
    const { reload_interval: intervalMs } = this.#options
    if (intervalMs === 0 || this.#host.nowMs() - this.#readAtMs < intervalMs) return this.#context
    this.#readAtMs = this.#host.nowMs()
    try {
      const pems = this.#read()
      if (same(pems, this.#pems)) return this.#context
      this.#context = this.#contextOf(pems)
      this.#pems = pems
      this.#host.log.info('tls_files_reloaded', { exporter: this.#host.id })
    } catch {
      this.#host.log.warn('tls_files_not_reloaded', { exporter: this.#host.id })
    }
    return this.#context
  }

  #read(): Pems {
    const read = (option: FileOption): Buffer | undefined => {
      const file = this.#options[option]
      if (file === undefined) return undefined
      try {
        return readFileSync(this.#host.resolve(file))
      } catch (error) {
        const { code = 'unknown' } = error as NodeJS.ErrnoException
        throw new ConfigError(`${option} cannot be read (${code})`, ['tls', option], 'name a PEM file that can be read')
      }
    }
    const [ca, cert, key] = [read('ca_file'), read('cert_file'), read('key_file')]
    return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  }

  #contextOf(pems: Pems): SecureContext {
    try {
      return createSecureContext({ ...pems, minVersion: `TLSv${this.#options.min_version}` })
    } catch {
      throw new ConfigError('the files hold no matching certificate and key', ['tls'], 'name PEM files')
    }
  }
}

function same(a: Pems, b: Pems): boolean {
  const equal = (x?: Buffer, y?: Buffer) => (x === undefined ? y === undefined : y !== undefined && x.equals(y))
  return equal(a.ca, b.ca) && equal(a.cert, b.cert) && equal(a.key, b.key)
}
