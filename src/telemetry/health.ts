/**
 * Whether the gateway can do its work, part by part.
 *
 * Green only when every part is: a gateway whose pipelines are all dead must not look alive to a load balancer
 * (the Collector's health check does). `starting` and `stopping` are red too: no new senders yet, or any more.
 */
export type HealthStatus = 'ok' | 'starting' | 'failing' | 'stopping'

export interface PartHealth {
  readonly status: HealthStatus
  /** ISO time of the last change of status. */
  readonly since: string
  /** A sentence without payload. */
  readonly reason?: string
}

export interface HealthReport {
  readonly status: 'ok' | 'unavailable'
  readonly up_since: string
  readonly components: Readonly<Record<string, PartHealth>>
}

export class Health {
  readonly #parts = new Map<string, PartHealth>()
  readonly #nowMs: () => number
  readonly #upSince: string

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
    this.#upSince = new Date(nowMs()).toISOString()
  }

  /** `part` is like `exporter otlp_http/a`. Cheap when nothing changes. */
  set(part: string, status: HealthStatus, reason?: string): void {
    const known = this.#parts.get(part)
    if (known?.status === status && known.reason === reason) return
    const since = known?.status === status ? known.since : new Date(this.#nowMs()).toISOString()
    this.#parts.set(part, { status, since, ...(reason !== undefined && { reason }) })
  }

  remove(part: string): void {
    this.#parts.delete(part)
  }

  /** Nothing reported yet counts as not ready. */
  report(): HealthReport {
    const parts = [...this.#parts].toSorted(([a], [b]) => (a < b ? -1 : 1))
    const isOk = parts.length > 0 && parts.every(([, { status }]) => status === 'ok')
    return { status: isOk ? 'ok' : 'unavailable', up_since: this.#upSince, components: Object.fromEntries(parts) }
  }
}
