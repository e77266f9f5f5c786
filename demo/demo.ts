/**
 * `npm run demo`: sends a morning of a document editor's logs for four tenants through the official OpenTelemetry SDK,
 * then shows where each tenant's records went and what one of them looks like before and after, read back from
 * PostgreSQL.
 *
 * It uses the gateway that runs on the data directory (`--data-dir`, DOUANE_DATA_DIR, `.douane`). Where none runs it
 * starts one with the quickstart's configuration, on free ports, in a folder that is removed in the end.
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { eventsOf, recordsPerTenant, tenants } from './events.ts'
import { type DemoGateway, ownGateway, runningGateway } from './gateway.ts'
import { comparison, overview, title } from './show.ts'

const { values } = parseArgs({ options: { 'data-dir': { type: 'string' } } })
const dataDir = values['data-dir'] ?? process.env['DOUANE_DATA_DIR'] ?? '.douane'

/** One line that is written over; nothing where nobody looks. */
const progress = (text: string): void => {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text}`)
}

/** Tells this run's records from those of others in the same store. */
const run = randomUUID()

const running = await runningGateway(dataDir)
if (running === undefined) progress('starting a gateway …')
const gateway = running ?? (await ownGateway())
try {
  await demo(gateway)
} finally {
  progress('')
  await gateway.stop()
}

async function demo({ http, status, query, decrypt }: DemoGateway): Promise<void> {
  const before = await status()
  for (const [n, tenant] of tenants.entries()) {
    progress(`sending ${n * recordsPerTenant} of ${tenants.length * recordsPerTenant} records …`)
    await send(http, tenant)
  }
  progress('waiting until all of it is stored …')
  let after = await status()
  for (const endMs = Date.now() + 60_000; after.total.in_flight > 0; after = await status()) {
    if (Date.now() > endMs) throw new Error(`${after.total.in_flight} records are not stored after a minute`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  progress('reading back …')
  const where = `log.attributes["demo.run"] == "${run}"`
  const [local, central] = await Promise.all([query('postgres/eu_de', where), query('postgres/central', where)])
  const quarantined = (tenant: string) =>
    (after.tenants[tenant]?.quarantined ?? 0) - (before.tenants[tenant]?.quarantined ?? 0)
  progress('')
  process.stdout.write(title('Where the records went (a store keeps one row a purpose)'))
  process.stdout.write(overview(tenants, recordsPerTenant, { 'eu-de': local, central }, quarantined))

  const stored = local.find(({ tenant, event_name }) => tenant === 'acme' && event_name === 'document.save')!
  const sent = eventsOf('acme')[Number(stored.attributes['demo.event'])]!
  const [opened] = await decrypt([stored], 'demo: shows that who has the key can read it')
  process.stdout.write(title('One record: as it was sent, as it is stored, and opened by who holds the keys'))
  process.stdout.write(comparison(sent, stored, opened!))
}

async function send(endpoint: string, tenant: string): Promise<void> {
  const exporter = new OTLPLogExporter({ url: `http://${endpoint}/v1/logs` })
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'editor', 'service.version': '4.2.0', 'tenant.id': tenant }),
    processors: [new BatchLogRecordProcessor({ exporter })],
  })
  const logger = provider.getLogger('editor.http', '4.2.0')
  for (const [n, event] of eventsOf(tenant).entries())
    logger.emit({ ...event, attributes: { ...event.attributes, 'demo.run': run, 'demo.event': n } })
  await provider.shutdown()
}
