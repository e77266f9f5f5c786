/**
 * The receiver `otlp`: starts both servers over one pool of memory and one gate, and stops them together.
 *
 * Fails closed: without an authenticator only loopback endpoints are served.
 */
import { ConfigError } from '../errors.ts'
import type { Accept, Sender } from './accept.ts'
import type { Authenticator, AuthFailure } from './authenticate/authenticator.ts'
import { Gate } from './authenticate/gate.ts'
import type { ReceiverConfig } from './config.ts'
import { startGrpc } from './grpc.ts'
import { type Running, startHttp } from './http.ts'
import type { Intake } from './intake.ts'
import { isLoopback, parseEndpoint } from './listen.ts'
import { BodyPool } from './pool.ts'
import type { RefusalReason } from './status.ts'

/** What the gateway lends the receiver. */
export interface ReceiverHost {
  readonly accept: Accept
  /** Who `config.auth.authenticator` names; the caller has built it and closes it. */
  readonly authenticator?: Authenticator | undefined
  readonly nowUnixNano: () => bigint
  readonly monotonicNano: () => bigint
  /** The absolute path of a file named in the configuration. */
  resolve(path: string): string
  /** A request that was refused before `accept` was asked. */
  refused(transport: Sender['transport'], reason: RefusalReason): void
  /** A failed authentication that counts against its address. */
  counted?(address: string): void
  /** A failed authentication. */
  authFailed(address: string, failure: AuthFailure | 'forbidden'): void
  /** Certificates were read again; with an error the old ones stay in force. */
  tlsReloaded(error: string | undefined): void
}

export interface Receiver {
  /** The real `host:port` of each server. */
  readonly endpoints: { readonly grpc?: string; readonly http?: string }
  /** Bytes of bodies in memory now. */
  inflightBytes(): number
  /** Authentications of an address that failed elsewhere, and count here too. */
  authFailedElsewhere(address: string, times: number): void
  /** Looks for changed certificates now instead of at the next interval. */
  reload(): Promise<void>
  /** Takes no new requests and waits for those in progress. */
  stop(): Promise<void>
}

/** Rejects with `ConfigError` or `DependencyError`; then nothing runs. */
export async function startReceiver(config: ReceiverConfig, host: ReceiverHost): Promise<Receiver> {
  checkEndpoints(config, host.authenticator)
  const intake: Intake = {
    pool: new BodyPool(config.max_inflight_body_size),
    accept: host.accept,
    nowUnixNano: host.nowUnixNano,
    monotonicNano: host.monotonicNano,
    refused: host.refused,
  }
  const gate = new Gate({
    authenticator: host.authenticator,
    nowMs: () => Number(host.monotonicNano() / 1_000_000n),
    failed: host.authFailed,
    counted: (address) => host.counted?.(address),
  })
  const { grpc, http } = resolved(config, host).protocols
  const running: { grpc?: Running; http?: Running } = {}
  const stop = async (): Promise<void> => {
    await Promise.all([running.grpc?.stop(), running.http?.stop()])
  }
  try {
    if (grpc) running.grpc = await startGrpc(grpc, intake, gate, host.tlsReloaded)
    if (http) running.http = await startHttp(http, intake, gate, host.tlsReloaded)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    endpoints: {
      ...(running.grpc && { grpc: running.grpc.endpoint }),
      ...(running.http && { http: running.http.endpoint }),
    },
    authFailedElsewhere: (address, times) => gate.countFailures(address, times),
    inflightBytes: () => intake.pool.inflightBytes,
    reload: async () => {
      await Promise.all([running.grpc?.reload(), running.http?.reload()])
    },
    stop,
  }
}

/** Throws `ConfigError` for what would be open to everybody, or to nobody. */
export function checkEndpoints(config: ReceiverConfig, authenticator: Authenticator | undefined): void {
  if (config.auth !== undefined && authenticator === undefined) {
    throw new ConfigError(`there is no authenticator ${config.auth.authenticator}`, ['auth', 'authenticator'])
  }
  for (const protocol of ['grpc', 'http'] as const) {
    const served = config.protocols[protocol]
    if (!authenticator?.needsCertificates || served === undefined || served.tls?.client_ca_file !== undefined) continue
    throw new ConfigError(
      `${config.auth?.authenticator} looks at client certificates, and this endpoint asks for none`,
      ['protocols', protocol, 'tls', 'client_ca_file'],
      'Set tls.client_ca_file to the authorities that sign your clients’ certificates.',
    )
  }
  if (authenticator !== undefined) return
  for (const protocol of ['grpc', 'http'] as const) {
    const endpoint = config.protocols[protocol]?.endpoint
    if (endpoint === undefined || isLoopback(parseEndpoint(endpoint)!.host)) continue
    throw new ConfigError(
      `${endpoint} can be reached from other machines, and nobody is asked who he is`,
      ['protocols', protocol, 'endpoint'],
      'Set auth.authenticator (api_keys, oidc, mutual_tls), or listen on 127.0.0.1.',
    )
  }
}

/** The same options, with absolute paths. */
function resolved(config: ReceiverConfig, host: ReceiverHost): ReceiverConfig {
  const { grpc, http } = config.protocols
  const withFiles = <Protocol extends NonNullable<typeof grpc | typeof http>>(protocol: Protocol): Protocol => {
    const { tls } = protocol
    if (tls === undefined) return protocol
    const files = {
      cert_file: host.resolve(tls.cert_file),
      key_file: host.resolve(tls.key_file),
      ...(tls.client_ca_file !== undefined && { client_ca_file: host.resolve(tls.client_ca_file) }),
    }
    return { ...protocol, tls: { ...tls, ...files } }
  }
  return { ...config, protocols: { grpc: grpc && withFiles(grpc), http: http && withFiles(http) } }
}
