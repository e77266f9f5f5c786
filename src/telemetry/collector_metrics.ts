/**
 * The metrics that users of the Collector have dashboards for, under its names and labels; and the account, which is
 * ours.
 */
import type { Counter } from '../contract.ts'
import type { Metrics } from './metrics.ts'

export interface ReceiverMetrics {
  /** Records that were taken. */
  readonly accepted: Counter
  /** Records that were turned away: the sender's fault, or no room for them now. */
  readonly refused: Counter
  /** Records that a defect of ours lost to the sender's retry. */
  readonly failed: Counter
}
export function receiverMetrics(metrics: Metrics, receiver: string, transport: string): ReceiverMetrics {
  const of = (what: string, help: string) =>
    metrics.counter(`otelcol_receiver_${what}_log_records`, help, ['receiver', 'transport']).with(receiver, transport)
  return {
    accepted: of('accepted', 'Log records that were taken from senders.'),
    refused: of('refused', 'Log records that were not taken: bad, not allowed, or too many now.'),
    failed: of('failed', 'Log records that were not taken because of a defect of the gateway.'),
  }
}

export interface ProcessorMetrics {
  readonly incoming: Counter
  readonly outgoing: Counter
}
export function processorMetrics(metrics: Metrics, processor: string): ProcessorMetrics {
  const of = (what: string, help: string) =>
    metrics.counter(`otelcol_processor_${what}_items`, help, ['processor', 'otel_signal']).with(processor, 'logs')
  return {
    incoming: of('incoming', 'Records that reached the processor.'),
    outgoing: of('outgoing', 'Records that left the processor.'),
  }
}

export interface ExporterMetrics {
  readonly sent: Counter
  /** Records that the destination refused for good, or that were given up. */
  readonly sendFailed: Counter
  /** Records that the queue could not take. */
  readonly enqueueFailed: Counter
}
export function exporterMetrics(metrics: Metrics, exporter: string): ExporterMetrics {
  const of = (what: string, help: string) =>
    metrics.counter(`otelcol_exporter_${what}_log_records`, help, ['exporter']).with(exporter)
  return {
    sent: of('sent', 'Log records that the destination accepted.'),
    sendFailed: of('send_failed', 'Log records that the destination refused for good, or that were given up.'),
    enqueueFailed: of('enqueue_failed', 'Log records that the queue could not take.'),
  }
}

/** `size` and `capacity` in what the queue is measured by. Gives what removes them. */
export function queueMetrics(metrics: Metrics, exporter: string, size: () => number, capacity: number): () => void {
  const labels = { exporter, data_type: 'logs' }
  const removers = [
    metrics.gauge('otelcol_exporter_queue_size', 'What waits in the queue.', labels, size),
    metrics.gauge('otelcol_exporter_queue_capacity', 'How much the queue takes.', labels, () => capacity),
  ]
  return () => {
    for (const remove of removers) remove()
  }
}

/** What became of each tenant's records: `read` gives, by tenant, a number for each state of the account. */
export function accountMetrics(
  metrics: Metrics,
  read: () => Iterable<readonly [tenant: string, counts: Readonly<Record<string, number>>]>,
): void {
  const help = 'Records by what became of them; received is the sum of all others.'
  metrics.sampled('douane_account_records', help, ['tenant', 'state'], function* () {
    for (const [tenant, counts] of read()) {
      for (const [state, records] of Object.entries(counts)) yield [[tenant, state], records] as const
    }
  })
}

export function processMetrics(metrics: Metrics): void {
  const cpuSeconds = (): number => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  metrics.gauge('otelcol_process_uptime', 'Seconds since the process started.', {}, () => process.uptime(), 'first')
  metrics.gauge('otelcol_process_cpu_seconds', 'CPU seconds, user and system.', {}, cpuSeconds)
  metrics.gauge('otelcol_process_memory_rss', 'Resident memory in bytes.', {}, () => process.memoryUsage.rss())
}
