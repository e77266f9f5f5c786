/**
 * The official JavaScript SDK through the whole gateway, by its three exporters, plain and gzip: every record arrives
 * at the destination once, with its attributes.
 */
import { OTLPLogExporter as GrpcExporter } from '@opentelemetry/exporter-logs-otlp-grpc'
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider, type LogRecordExporter } from '@opentelemetry/sdk-logs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanUp } from './gateway.ts'
import { type Bench, startBench } from './rules/pass_through.ts'
import { expectRecords, sdkAttributes, sdkBody } from './sdk_records.ts'

const recordsSent = 1000
let bench: Bench
const rules = new Map<string, number>()
beforeAll(async () => {
  bench = await startBench()
})
afterAll(cleanUp)

type Options = { url: string; compression: CompressionAlgorithm }
const exporters: Record<string, (compression: CompressionAlgorithm) => LogRecordExporter> = {
  'http/json': (compression) => new JsonExporter(overHttp(compression)),
  'http/protobuf': (compression) => new ProtobufExporter(overHttp(compression)),
  grpc: (compression) => new GrpcExporter({ url: `http://${bench.gateway.endpoints.grpc}`, compression }),
}
const overHttp = (compression: CompressionAlgorithm): Options => ({
  url: `http://${bench.gateway.endpoints.http}/v1/logs`,
  compression,
})

it.each(
  Object.keys(exporters).flatMap((name) => [
    [name, CompressionAlgorithm.NONE] as const,
    [name, CompressionAlgorithm.GZIP] as const,
  ]),
)('%s, compression %s: every record once, attributes intact', async (name, compression) => {
  const rule = `sdk ${name} ${compression}`
  rules.set(rule, recordsSent)
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'sdk', rule }),
    processors: [new BatchLogRecordProcessor({ exporter: exporters[name]!(compression) })],
  })
  const logger = provider.getLogger('scope', '1.2.3')
  for (let n = 0; n < recordsSent; n++) {
    logger.emit({
      body: sdkBody(n),
      severityNumber: 9,
      severityText: 'INFO',
      eventName: 'document.opened',
      attributes: sdkAttributes(n),
    })
  }
  await provider.shutdown()
  expectRecords(await bench.arrived(rule, recordsSent), recordsSent)
})

it('nothing came twice', async () => {
  expect(await bench.finish()).toEqual(rules)
})
