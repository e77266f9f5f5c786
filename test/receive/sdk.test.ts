/**
 * The official JavaScript SDK exports to the receiver, in its three protocols, and every record arrives with its
 * attributes; the wire bytes are read back by the oracle's plain decoder.
 */

import { OTLPLogExporter as GrpcExporter } from '@opentelemetry/exporter-logs-otlp-grpc'
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider, type LogRecordExporter } from '@opentelemetry/sdk-logs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { decodeRequest } from '../oracle/otlp.ts'
import { type Harness, startHarness } from './harness.ts'

let harness: Harness
beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.receiver.stop())
beforeEach(() => {
  harness.seen.length = 0
  harness.answer = () => ({ is: 'ok' })
})

const records = 200
const exporters: [string, (compressed: boolean) => LogRecordExporter][] = [
  ['http/json', (compressed) => new JsonExporter(httpOptions(compressed))],
  ['http/protobuf', (compressed) => new ProtobufExporter(httpOptions(compressed))],
  ['grpc', (compressed) => new GrpcExporter({ url: `http://${harness.grpc}`, compression: compression(compressed) })],
]
const compression = (on: boolean): CompressionAlgorithm => (on ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE)
const httpOptions = (compressed: boolean) => ({
  url: `http://127.0.0.1:${harness.http.port}/v1/logs`,
  compression: compression(compressed),
})

async function exportAll(exporter: LogRecordExporter): Promise<void> {
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'sdk', 'tenant.id': 'acme' }),
    processors: [new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 64 })],
  })
  const logger = provider.getLogger('scope', '1.2.3')
  for (let n = 0; n < records; n++) {
    logger.emit({
      body: `record ${n} ünïcode 🛃`,
      severityNumber: 9,
      severityText: 'INFO',
      eventName: 'document.opened',
      attributes: { n, text: 'x', flag: true, ratio: 0.5, list: ['a', 'b'], nested: { deep: { n } } },
    })
  }
  await provider.shutdown()
}

describe.each(exporters)('the SDK over %s', (_, make) => {
  it.each([
    ['plain', false],
    ['gzip', true],
  ])('%s: every record once, attributes intact', async (_, compressed) => {
    await exportAll(make(compressed))
    const got = harness.seen.flatMap(({ body }) => decodeRequest(body).resourceLogs ?? [])
    expect(got.every(({ resource }) => JSON.stringify(resource?.attributes).includes('acme'))).toBe(true)
    const logs = got.flatMap(({ scopeLogs }) => scopeLogs ?? []).flatMap(({ logRecords }) => logRecords ?? [])
    const bodies = logs.map(({ body }) => (body as { stringValue?: string }).stringValue)
    expect(bodies).toEqual(Array.from({ length: records }, (_, n) => `record ${n} ünïcode 🛃`))
    expect(logs[7]!.attributes!.map(({ key }) => key).sort()).toEqual(['flag', 'list', 'n', 'nested', 'ratio', 'text'])
    expect(logs[7]!.severityText).toBe('INFO')
  })
})

// The SDK's gRPC exporter never sends again, whatever it is told.
describe.each(exporters.slice(0, 2))('the SDK over %s', (_, make) => {
  it('comes again after it was told to', async () => {
    let turns = 0
    harness.answer = () => (turns++ === 0 ? { is: 'unavailable', retryAfterMs: 100, message: 'full' } : { is: 'ok' })
    await exportAll(make(false))
    const texts = new Set(harness.seen.map(({ body }) => body.toString('latin1')))
    expect(harness.seen.length).toBe(texts.size + 1)
  })
})
