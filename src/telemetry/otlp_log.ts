/**
 * The own log as OpenTelemetry log records, sent by OTLP/HTTP to an endpoint that the configuration names.
 *
 * It cannot feed on itself: the SDK's own faults are told to nobody (its diagnostics have no logger), what cannot be
 * sent is dropped by its bounded queue, and the log in front of it lets each event through a few times a window. That
 * the endpoint is not this gateway's own receiver is checked when the configuration is loaded.
 */
import { SeverityNumber } from '@opentelemetry/api'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { limits } from '../limits.ts'
import type { LogLevel, LogSink } from './log.ts'

export interface OtlpLogOptions {
  /** `http://host:port`; `/v1/logs` is appended. */
  readonly endpoint: string
  readonly headers?: Readonly<Record<string, string>>
  /** Of the resource: `service.version`, `service.instance.id`. */
  readonly version: string
  readonly instance: string
}

export interface OtlpLog {
  readonly sink: LogSink
  /** Sends what is left, for a short while. Never rejects. */
  close(): Promise<void>
}

const severities: Record<LogLevel, SeverityNumber> = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
}

export function createOtlpLog({ endpoint, headers, version, instance }: OtlpLogOptions): OtlpLog {
  const exporter = new OTLPLogExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/logs`,
    ...(headers && { headers: { ...headers } }),
    timeoutMillis: limits.ownLogFlushMsMax,
  })
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({
      'service.name': 'douane',
      'service.version': version,
      'service.instance.id': instance,
    }),
    processors: [
      new BatchLogRecordProcessor({ exporter, maxQueueSize: limits.ownLogRecordsMax, scheduledDelayMillis: 1000 }),
    ],
  })
  const logger = provider.getLogger('douane', version)
  const sink: LogSink = ({ timeMs, level, event, fields }) => {
    logger.emit({
      eventName: `douane.${event}`,
      body: event,
      timestamp: timeMs,
      severityNumber: severities[level],
      severityText: level.toUpperCase(),
      attributes: { ...fields },
    })
  }
  return { sink, close: () => withinMs(provider.shutdown(), limits.ownLogFlushMsMax) }
}

/** Resolves when `work` has ended, well or not, or the time is over. */
function withinMs(work: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    work.then(done, done)
  })
}
