/**
 * The listening side of the gateway: one server set per receiver in the configuration, kept over a reload where its
 * options did not change.
 */
import type { GatewayConfig } from '../config/gateway_config.ts'
import type { Log } from './contract.ts'
import { withPath } from './generation.ts'
import { limits } from './limits.ts'
import { IntakeTurns } from './pipeline/intake_turns.ts'
import type { Accept, Received } from './receive/accept.ts'
import type { Authenticator } from './receive/authenticate/authenticator.ts'
import { authenticators } from './receive/authenticate/open.ts'
import type { ReceiverConfig } from './receive/config.ts'
import { type Receiver, startReceiver } from './receive/otlp.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface ReceiversOptions {
  /** Takes a request for the receiver with this id. */
  readonly accept: (receiver: string) => Accept
  /** An authentication that failed, and counts against its address. */
  readonly authFailed: (receiver: string, address: string) => void
  readonly log: Log
  readonly metrics: Metrics
  readonly nowUnixNano: () => bigint
  readonly monotonicNano: () => bigint
}

interface Listening {
  readonly fingerprint: string
  readonly receiver: Receiver
  readonly authenticator: Authenticator | undefined
}

export class Receivers {
  readonly #options: ReceiversOptions
  readonly #listening = new Map<string, Listening>()
  readonly #turns = new IntakeTurns()

  constructor(options: ReceiversOptions) {
    this.#options = options
  }

  /** The real endpoints of the first receiver that has them. */
  get endpoints(): { grpc?: string; http?: string } {
    return Object.assign({}, ...[...this.#listening.values()].toReversed().map(({ receiver }) => receiver.endpoints))
  }

  /**
   * Listens as the configuration says. A receiver that changed is stopped before its successor starts, since both
   * may want the same port; if that fails the old one is started again and the error is thrown.
   */
  async apply(config: GatewayConfig, before: GatewayConfig | undefined): Promise<void> {
    for (const [id, known] of this.#listening) {
      if (fingerprintOf(config, id) !== known.fingerprint) await this.#stop(id)
    }
    try {
      for (const id of this.#used(config)) if (!this.#listening.has(id)) await this.#start(config, id)
    } catch (error) {
      if (before !== undefined) {
        for (const [id, known] of this.#listening) {
          if (fingerprintOf(before, id) !== known.fingerprint) await this.#stop(id)
        }
        for (const id of this.#used(before)) if (!this.#listening.has(id)) await this.#start(before, id)
      }
      throw error
    }
  }

  async reloadFiles(): Promise<void> {
    await Promise.all([...this.#listening.values()].map(({ receiver }) => receiver.reload()))
  }

  /** Authentications of an address that failed at other workers. */
  authFailedElsewhere(id: string, address: string, times: number): void {
    this.#listening.get(id)?.receiver.authFailedElsewhere(address, times)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#listening.keys()].map((id) => this.#stop(id)))
  }

  /** Of requests that are complete each sender's have their turn; a sender is a credential or, without one, an address. */
  #inTurns(accept: Accept): Accept {
    return (received) => {
      const { principal, address } = received.sender
      const inTurn: Received['inTurn'] = (bytes, work) => this.#turns.take(principal ?? address, bytes, work)
      const bytes = Math.min(received.body.length, limits.atOnceBytesMax)
      return inTurn(bytes, () => accept({ ...received, inTurn }))
    }
  }

  #used(config: GatewayConfig): string[] {
    return [...config.receivers.keys()].filter((id) => config.pipelines.some(({ receivers }) => receivers.includes(id)))
  }

  async #start(config: GatewayConfig, id: string): Promise<void> {
    const section = config.receivers.get(id)!
    const options = section.options as ReceiverConfig
    const { log, metrics, accept, nowUnixNano, monotonicNano } = this.#options
    const refused = metrics.counter('douane_receiver_refused_requests', 'Requests refused before they were read.', [
      'receiver',
      'transport',
      'reason',
    ])
    const failures = metrics.counter('douane_receiver_failed_authentications', 'Requests without a valid credential.', [
      'receiver',
      'reason',
    ])
    const authenticator = await this.#authenticator(config, id, options)
    const receiver = await withPathAsync(['receivers', id], () =>
      startReceiver(options, {
        accept: this.#inTurns(accept(id)),
        authenticator,
        nowUnixNano,
        monotonicNano,
        resolve: (path) => section.resolve(path),
        counted: (address) => this.#options.authFailed(id, address),
        refused: (transport, reason) => refused.with(id, transport, reason).add(1),
        authFailed: (address, failure) => {
          failures.with(id, failure).add(1)
          log.warn('authentication_failed', { receiver: id, address, reason: failure })
        },
        tlsReloaded: (error) => {
          if (error === undefined) log.info('certificates_reloaded', { receiver: id })
          else log.error('certificates_refused', { receiver: id, reason: error })
        },
      }),
    )
    this.#listening.set(id, { fingerprint: fingerprintOf(config, id)!, receiver, authenticator })
  }

  async #authenticator(config: GatewayConfig, id: string, options: ReceiverConfig): Promise<Authenticator | undefined> {
    const named = options.auth?.authenticator
    if (named === undefined) return undefined
    const extension = config.extensions.get(named)
    if (extension === undefined || !(extension.name in authenticators)) return undefined
    const { log, nowUnixNano } = this.#options
    const type = authenticators[extension.name as keyof typeof authenticators]
    return withPathAsync(['extensions', named], async () =>
      type.open(extension.options as never, {
        resolve: (path) => extension.resolve(path),
        nowMs: () => Number(nowUnixNano() / 1_000_000n),
        reloaded: (error) => {
          if (error === undefined) log.info('credentials_reloaded', { authenticator: named })
          else log.error('credentials_refused', { authenticator: named, receiver: id, reason: error })
        },
      }),
    )
  }

  async #stop(id: string): Promise<void> {
    const listening = this.#listening.get(id)
    this.#listening.delete(id)
    await listening?.receiver.stop()
    listening?.authenticator?.close()
  }
}

async function withPathAsync<T>(path: readonly (string | number)[], make: () => Promise<T>): Promise<T> {
  try {
    return await make()
  } catch (error) {
    return withPath(path, () => {
      throw error
    })
  }
}

/** Options of a receiver and of the authenticator that it names; undefined where it is not used any more. */
function fingerprintOf(config: GatewayConfig, id: string): string | undefined {
  const options = config.receivers.get(id)?.options as ReceiverConfig | undefined
  if (options === undefined || !config.pipelines.some(({ receivers }) => receivers.includes(id))) return undefined
  const authenticator = options.auth && config.extensions.get(options.auth.authenticator)?.options
  return JSON.stringify([options, authenticator])
}
