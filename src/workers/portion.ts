/**
 * The configuration as one of several workers runs it: its portion of each bound, and without what the process above
 * the workers serves for all.
 */
import type { ExporterSection, GatewayConfig, Section } from '../../config/gateway_config.ts'
import { limits } from '../limits.ts'
import type { ReceiverConfig } from '../receive/config.ts'

/** What a worker needs at least, to take the largest body while it holds another. */
const inflightBytesMin = 2 * limits.bodyBytesMax

export function portionOf(config: GatewayConfig, workers: number): GatewayConfig {
  const divided = (whole: number): number => Math.max(1, Math.ceil(whole / workers))
  const { telemetry = {}, ...service } = config.service
  return {
    ...config,
    receivers: new Map([...config.receivers].map(([id, section]) => [id, receiver(section, divided)])),
    exporters: new Map([...config.exporters].map(([id, section]) => [id, exporter(section, divided)])),
    extensions: new Map([...config.extensions].filter(([, { name }]) => name !== 'health_check' && name !== 'admin')),
    service: { ...service, telemetry: { ...telemetry, metrics: { level: 'none' } } },
  }
}

function receiver(section: Section<ReceiverConfig>, divided: (whole: number) => number): Section<ReceiverConfig> {
  const whole = section.options.max_inflight_body_size
  const portion = Math.min(whole, Math.max(divided(whole), inflightBytesMin))
  return { ...section, options: { ...section.options, max_inflight_body_size: portion } }
}

function exporter(section: ExporterSection, divided: (whole: number) => number): ExporterSection {
  const { queue } = section
  const portion = { queue_size: divided(queue.queue_size), num_consumers: divided(queue.num_consumers) }
  return { ...section, queue: { ...queue, ...portion } }
}
