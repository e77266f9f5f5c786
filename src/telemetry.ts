/**
 * The gateway's own telemetry, as one thing to start and stop: metrics, health, and the own log.
 *
 * It outlives a reload: a new gateway goes on with the same counters, and the servers keep their ports where the
 * configuration did not change them.
 */

import type { Log } from './contract.ts'
import { DependencyError } from './errors.ts'
import { processMetrics } from './telemetry/collector_metrics.ts'
import { Health } from './telemetry/health.ts'
import { createLog, type LineStream, type LogLevel, lineSink, logWith } from './telemetry/log.ts'
import { Metrics } from './telemetry/metrics.ts'
import { createOtlpLog } from './telemetry/otlp_log.ts'
import { type PageServer, serveHealth, serveMetrics } from './telemetry/page_server.ts'

/** Where Prometheus finds the metrics of a configuration that says nothing about it. */
export const metricsEndpointDefault = '127.0.0.1:8888'

export interface TelemetryOptions {
  readonly metrics?: { readonly level?: 'none' | 'normal'; readonly endpoint?: string | undefined } | undefined
  readonly logs?: LogSettings | undefined
}
export interface LogSettings {
  readonly level?: LogLevel
  readonly format?: 'auto' | 'json' | 'text'
  readonly endpoint?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}
export interface HealthOptions {
  readonly endpoint: string
  readonly path: string
}

export interface OwnLog {
  readonly log: Log
  close(): Promise<void>
}

/** The own log as configured: lines on `stream`, records by OTLP where an endpoint is named. */
export function openLog(settings: LogSettings | undefined, process_: ProcessIdentity): OwnLog {
  const { level = 'info', format = 'auto', endpoint, headers } = settings ?? {}
  const { stream, nowMs, version, instance, worker } = process_
  const otlp =
    endpoint === undefined ? undefined : createOtlpLog({ endpoint, version, instance, ...(headers && { headers }) })
  const sinks = [lineSink(stream, format), ...(otlp ? [otlp.sink] : [])]
  const log = createLog({ level, sinks, nowMs })
  return { log: worker === undefined ? log : logWith(log, { worker }), close: async () => otlp?.close() }
}
export interface ProcessIdentity {
  readonly stream: LineStream
  readonly nowMs: () => number
  readonly version: string
  readonly instance: string
  /** Stands on each line, where there are several. */
  readonly worker?: number
}

/** Where the pages of metrics and health are read. */
export interface Pages {
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>
  readonly health: Pick<Health, 'report'>
}

export class Telemetry {
  readonly metrics = new Metrics()
  readonly health: Health
  #metricsServer: Served | undefined
  #healthServer: Served | undefined

  readonly #metricsDefault: string
  readonly #pages: Pages

  /** `metricsDefault`: the endpoint of metrics where none is configured. `pages`: what is served instead of its own. */
  constructor(nowMs: () => number, metricsDefault: string = metricsEndpointDefault, pages?: Pages) {
    this.#metricsDefault = metricsDefault
    this.health = new Health(nowMs)
    this.#pages = pages ?? this
    processMetrics(this.metrics)
  }

  /**
   * Starts, moves or stops the servers as the configuration says; unchanged ones stay. Rejects with `DependencyError`
   * when a port that was asked for cannot be had; then the servers of before go on. The default metrics port is taken
   * if it is free: nobody asked for it.
   */
  async serve(options: TelemetryOptions | undefined, health: HealthOptions | undefined, log: Log): Promise<void> {
    const { level = 'normal', endpoint } = options?.metrics ?? {}
    const metricsKey = level === 'none' ? undefined : (endpoint ?? this.#metricsDefault)
    const healthKey = health && `${health.endpoint}${health.path}`
    const newMetrics = await started(this.#metricsServer, metricsKey, () => {
      return endpoint === undefined ? this.#tryDefault(log) : serveMetrics(this.#pages.metrics, endpoint)
    })
    const newHealth = await started(this.#healthServer, healthKey, () =>
      serveHealth(this.#pages.health, health!.endpoint, health!.path),
    ).catch(async (error: unknown) => {
      if (newMetrics !== this.#metricsServer) await newMetrics?.server.close()
      throw error
    })
    const olds = [this.#metricsServer, this.#healthServer]
    this.#metricsServer = newMetrics
    this.#healthServer = newHealth
    for (const old of olds) if (old && old !== newMetrics && old !== newHealth) await old.server.close()
  }

  /** The real endpoints. */
  get endpoints(): { metrics?: string; health?: string } {
    return {
      ...(this.#metricsServer && { metrics: this.#metricsServer.server.endpoint }),
      ...(this.#healthServer && { health: this.#healthServer.server.endpoint }),
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#metricsServer?.server.close(), this.#healthServer?.server.close()])
    this.#metricsServer = undefined
    this.#healthServer = undefined
  }

  async #tryDefault(log: Log): Promise<PageServer | undefined> {
    try {
      return await serveMetrics(this.#pages.metrics, this.#metricsDefault)
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error
      log.warn('metrics_not_served', { endpoint: this.#metricsDefault, reason: error.message })
      return undefined
    }
  }
}

interface Served {
  /** What was asked for; a server whose key is still wanted stays. */
  readonly key: string
  readonly server: PageServer
}

async function started(
  current: Served | undefined,
  key: string | undefined,
  start: () => Promise<PageServer | undefined>,
): Promise<Served | undefined> {
  if (key === undefined || current?.key === key) return key === undefined ? undefined : current
  const server = await start()
  return server && { key, server }
}
